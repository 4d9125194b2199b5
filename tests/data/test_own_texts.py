"""Tables of texts: whatever is wrong with a row is said in a line, and no row is lost."""

import json

import pytest
from own_inputs import CLASSES, good_rows, good_table

from course_utils.data.findings import DataError
from course_utils.data.own_texts import read_text_table

# a line behind nine good ones, the kind of the finding, and whether the row is used
LINES = {
    "no text": (",cats", "empty cell", False),
    "no label": ("some words,", "empty cell", False),
    "spaces for a text": ("   ,cats", "empty cell", False),
    "NULs for a text": ("\0\0,cats", "empty cell", False),
    "a NUL in a text": ("so\0me,cats", "NUL", True),
    "spaces around a label": ("some words,  cats ", "label mended", True),
    "accents of another spelling": ("some words,cafe\u0301", "label mended", False),
    "too many cells": ("some, words,cats", "number of cells", False),
    "too few cells": ("some words", "number of cells", False),
    "an empty line": (",", "empty line", False),
    "a huge cell": ("x" * 1_000_001 + ",cats", "huge cell", False),
    "a copy": ("cats purr 0 times,cats", "copy", True),
    "a copy with other spaces": ("cats   purr 0 times ,cats", "copy", True),
    "a rare class": ("some words,birds", "rare class", False),
}


@pytest.mark.parametrize("name", LINES)
def test_each_bad_row_gives_a_line_and_no_row_is_lost(name, tmp_path):
    line, kind, is_used = LINES[name]
    (tmp_path / "a.csv").write_text(good_table() + line + "\n", encoding="utf-8")
    data = read_text_table(tmp_path / "a.csv")
    found = [f for f in data.report.findings if f.where == "line 10"]
    assert kind in [finding.kind for finding in found]
    assert all(finding.is_used for finding in found) == is_used
    assert all("\n" not in str(finding) and len(str(finding)) < 300 for finding in found)
    assert len(data) == 8 + is_used
    assert "line 10" in data.places or "line 10" in [f.where for f in data.report.left_out]


def test_the_same_text_under_two_labels_is_left_out_both_times(tmp_path):
    lines = "purr,cats\npurr,dogs\n"
    (tmp_path / "a.csv").write_text(good_table() + lines, encoding="utf-8")
    data = read_text_table(tmp_path / "a.csv")
    assert [f.where for f in data.report.left_out if f.kind == "two labels"] == [
        "line 10",
        "line 11",
    ]
    assert len(data) == 8


ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "windows-1252")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_encodings_and_separators_are_found_out(encoding, separator, tmp_path):
    text = good_table(separator=separator) + f"Käse für 5 £{separator}cats\n"
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    data = read_text_table(tmp_path / "a.csv")
    assert data.values[-1] == "Käse für 5 £" and len(data) == 9
    assert data.classes == CLASSES
    is_noted = any(f.kind == "encoding" for f in data.report.findings)
    assert is_noted == (not encoding.startswith("utf-8"))


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_line_ends_of_all_systems(ends, tmp_path):
    (tmp_path / "a.csv").write_bytes(good_table().replace("\n", ends).encode())
    assert len(read_text_table(tmp_path / "a.csv")) == 8


def test_quotes_separators_and_line_breaks_in_a_text(tmp_path):
    line = '"He said ""no"", and\nwent",cats\n'
    (tmp_path / "a.csv").write_text(good_table() + line + ",cats\n", encoding="utf-8")
    data = read_text_table(tmp_path / "a.csv")
    assert data.values[-1] == 'He said "no", and\nwent'
    assert data.report.left_out[0].where == "line 12"  # lines are counted as an editor does


def test_tabs_with_stray_quotes_are_read_as_they_are(tmp_path):
    text = good_table(separator="\t") + '"no" he said\tcats\nan inch is 1"\tcats\n'
    (tmp_path / "a.tsv").write_text(text, encoding="utf-8")
    data = read_text_table(tmp_path / "a.tsv")
    assert data.values[-2:] == ('"no" he said', 'an inch is 1"')


def as_json(rows):
    return "\n".join(json.dumps({"text": text, "label": label}) for text, label in rows) + "\n"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ('{"text": "some", "label": "cats"', "no JSON"),
        ('["some", "cats"]', "no JSON"),
        ('{"text": null, "label": "cats"}', "empty cell"),
        ('{"label": "cats"}', "empty cell"),
        ('{"text": "some"}', "empty cell"),
        ('{"text": ["some"], "label": "cats"}', "empty cell"),
        ('{"text": "some", "label": true}', "empty cell"),
        ('{"text": "\\ud800", "label": "cats"}', "no text"),
        ("[" * 100_000, "no JSON"),
        ("some words", "no JSON"),
    ],
)
def test_each_bad_line_of_json_is_said(line, kind, tmp_path):
    (tmp_path / "a.jsonl").write_text(as_json(good_rows()) + line + "\n", encoding="utf-8")
    data = read_text_table(tmp_path / "a.jsonl")
    (finding,) = data.report.left_out
    assert (finding.kind, finding.where, len(data)) == (kind, "line 9", 8)


def test_whole_numbers_of_json_are_labels(tmp_path):
    rows = [(text, CLASSES.index(label)) for text, label in good_rows()]
    (tmp_path / "a.jsonl").write_text(as_json(rows), encoding="utf-8")
    assert read_text_table(tmp_path / "a.jsonl").classes == ("0", "1")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n", "no column 'text'"),
        (bytes(100), "is empty"),
        (b"PK\x03\x04rest", "an Excel file"),
        (b"%PDF-1.4", "a PDF"),
        (b"\x1f\x8b\x08", "compressed"),
        (b"sentence,label\na,b\n", "no column 'text'"),
        (b"text,class\na,b\n", "no column 'label'"),
        (b"text,label,label\na,b,c\n", "is there twice"),
        (b"text,label\n", "0 classes"),
        (good_table().encode() + b'"never closed,cats\n', "line 10 has a quote"),
        (good_table().encode() + b'"closed" early,cats\n', "line 10 has a quote"),
        (b"text,label\n\x81\x8d\x8f,cats\n", "is no text in windows-1252"),
        (good_table().encode() + b"some,Cats\n", "differ in case only"),
        (b"text,label\n" + b"".join(b"%d,cats\n" % n for n in range(9)), "1 class with"),
        (b'[{"text": "a", "label": "b"}]', "no column 'text'"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_in_a_line(content, words, tmp_path):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        read_text_table(tmp_path / "a.csv")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_a_json_list_is_refused_in_a_line(tmp_path):
    (tmp_path / "a.json").write_text('[{"text": "a", "label": "b"}]', encoding="utf-8")
    with pytest.raises(DataError, match="one object in each line"):
        read_text_table(tmp_path / "a.json")


def test_the_limit_of_csv_is_given_back(tmp_path):
    import csv

    before = csv.field_size_limit()
    (tmp_path / "a.csv").write_text(good_table(), encoding="utf-8")
    read_text_table(tmp_path / "a.csv")
    assert csv.field_size_limit() == before

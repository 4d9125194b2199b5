"""Tests of `course_utils.project.reports`."""

import csv
import json

import pytest

from course_utils.project.reports import (
    claims_markdown,
    format_table,
    megabytes,
    read_ledger,
    write_claims,
)

CLAIM = {
    "notebook": "00_start_here.ipynb",
    "cell": 7,
    "sentence": "Transfer helps, with 5 labels.",
    "low": 0.1,
    "high": 0.3,
    "measured": 0.2123456,
}


class TestReadLedger:
    def test_claims_come_in_order_without_other_keys(self, tmp_path):
        path = tmp_path / "ledger.jsonl"
        first, second = {**CLAIM, "host": "x"}, {**CLAIM, "cell": 9}
        path.write_text(f"{json.dumps(first)}\n{json.dumps(second)}\n", encoding="utf-8")
        assert read_ledger(path) == [CLAIM, second]

    def test_missing_file_means_no_claims(self, tmp_path):
        assert read_ledger(tmp_path / "none.jsonl") == []

    @pytest.mark.parametrize("line", ['{"sentence"', '{"sentence": "x"}', "7"])
    def test_damaged_line_is_named(self, tmp_path, line):
        path = tmp_path / "ledger.jsonl"
        path.write_text(f"{json.dumps(CLAIM)}\n{line}\n", encoding="utf-8")
        with pytest.raises(ValueError, match="line 2 is not a claim.*Delete the file"):
            read_ledger(path)


class TestWriteClaims:
    def test_csv_reads_back(self, tmp_path):
        write_claims([CLAIM], tmp_path / "new" / "reports")
        with (tmp_path / "new" / "reports" / "claims.csv").open(encoding="utf-8") as file:
            assert list(csv.DictReader(file)) == [{key: str(CLAIM[key]) for key in CLAIM}]

    def test_second_run_replaces_the_first(self, tmp_path):
        write_claims([CLAIM, CLAIM], tmp_path)
        write_claims([], tmp_path)
        assert "Transfer helps" not in (tmp_path / "claims.md").read_text(encoding="utf-8")
        assert "Transfer helps" not in (tmp_path / "claims.csv").read_text(encoding="utf-8")


class TestClaimsMarkdown:
    @pytest.mark.parametrize(
        ("low", "high", "band"),
        [
            (0.1, 0.3, "0.1 to 0.3"),
            (0.1, None, "0.1 or more"),
            (None, 3, "3 or less"),
            (None, None, "any"),
        ],
    )
    def test_band_is_in_words_and_the_measured_value_rounded(self, low, high, band):
        table = claims_markdown([{**CLAIM, "low": low, "high": high}])
        row = f"| Transfer helps, with 5 labels. | {band} | 0.2123 | 00_start_here.ipynb | 7 |"
        assert table.splitlines()[-1] == row


class TestFormatTable:
    def test_columns_are_aligned(self):
        table = format_table(["name", "n"], [["a", "1"], ["longer", "1000"]])
        assert table.splitlines() == ["name       n", "a          1", "longer  1000"]

    def test_row_of_wrong_length_is_refused(self):
        with pytest.raises(ValueError, match="has 1 texts; give 2"):
            format_table(["name", "n"], [["a"]])


class TestMegabytes:
    def test_million_bytes_are_one(self):
        assert megabytes(1_600_000) == "2 MB"

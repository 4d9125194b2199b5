"""Folders and tables of pictures: what is wrong with one is said in a line, and none is lost."""

import io
import os
import pathlib
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from own_inputs import CLASSES, good_folder, noise
from PIL import Image

from course_utils.data.findings import DataError
from course_utils.data.own_images import read_image_folder, read_image_table
from course_utils.data.pictures import MOST_PIXELS, open_picture, picture_tensor


def png_bytes(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def header_only(width, height):
    """Return a PNG that claims a size, with nearly no data: a decompression bomb."""
    parts = [b"\x89PNG\r\n\x1a\n"]
    about = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    for name, content in ((b"IHDR", about), (b"IDAT", zlib.compress(b"\0" * 99)), (b"IEND", b"")):
        parts += [struct.pack(">I", len(content)), name, content]
        parts.append(struct.pack(">I", zlib.crc32(name + content)))
    return b"".join(parts)


def write(root, name, content):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def truncated(root):
    write(root, "cats/bad.png", png_bytes(noise(7, size=(64, 64)))[:2000])


def truncated_jpeg(root):
    file = io.BytesIO()
    noise(7, size=(64, 64)).save(file, "JPEG")
    write(root, "cats/bad.jpg", file.getvalue()[:900])


def palette(root):
    noise(7).convert("P").save(root / "cats" / "bad.png")


def transparent(root):
    noise(7, "RGBA").save(root / "cats" / "bad.png")


def turned(root):
    exif = Image.Exif()
    exif[0x0112] = 6
    noise(7, size=(16, 24)).save(root / "cats" / "bad.jpg", exif=exif)


def animated(root):
    frames = [noise(seed).convert("P") for seed in (7, 8)]
    frames[0].save(root / "cats" / "bad.gif", save_all=True, append_images=frames[1:])


def sixteen_bits(root):
    pixels = np.random.default_rng(7).integers(0, 2**16, (16, 16), dtype=np.uint16)
    Image.fromarray(pixels).save(root / "cats" / "bad.png")


def float_numbers(root):
    pixels = np.random.default_rng(7).random((16, 16), dtype=np.float32)
    Image.fromarray(pixels).save(root / "cats" / "bad.tif")


def two_labels(root):
    for name in CLASSES:
        noise(7).save(root / name / "bad.png")


def two_labels_by_pixels(root):
    noise(7).save(root / "cats" / "bad.png")
    noise(7).save(root / "dogs" / "bad.bmp")


def rare(root):
    (root / "birds").mkdir()
    noise(7).save(root / "birds" / "bad.png")


def copies_only(root):
    (root / "birds").mkdir()
    for place in range(6):
        noise(7).save(root / "birds" / f"bad{place}.png")


def link_to_folder(root):
    pathlib.Path(root / "cats" / "bad").symlink_to(root / "dogs", target_is_directory=True)


def folder_named_like_a_picture(root):
    noise_of = root / "cats" / "bad.png"
    noise_of.mkdir()
    noise(7).save(noise_of / "inner.txt.gif")


# what is done to a good folder, the kind of the finding, and where it is
CASES = {
    "empty file": (lambda root: write(root, "cats/bad.png", b""), "empty file", "cats/bad.png"),
    "cut off": (truncated, "unreadable", "cats/bad.png"),
    "cut off JPEG": (truncated_jpeg, "unreadable", "cats/bad.jpg"),
    "text in its place": (
        lambda root: write(root, "cats/bad.png", b"<html>not found</html>"),
        "unreadable",
        "cats/bad.png",
    ),
    "NULs": (lambda root: write(root, "cats/bad.jpg", bytes(999)), "unreadable", "cats/bad.jpg"),
    "a PDF": (
        lambda root: write(root, "cats/bad.png", b"%PDF-1.4 %%EOF"),
        "unreadable",
        "cats/bad.png",
    ),
    "PostScript": (
        lambda root: write(
            root, "cats/bad.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9"
        ),
        "unreadable",
        "cats/bad.png",
    ),
    "bomb": (
        lambda root: write(root, "cats/bad.png", header_only(40_000, 40_000)),
        "too large",
        "cats/bad.png",
    ),
    "a little too large": (
        lambda root: write(root, "cats/bad.png", header_only(MOST_PIXELS // 8 + 1, 8)),
        "too large",
        "cats/bad.png",
    ),
    "too small": (
        lambda root: noise(7, size=(16, 3)).save(root / "cats" / "bad.png"),
        "too small",
        "cats/bad.png",
    ),
    "unknown range": (float_numbers, "unknown range", "cats/bad.tif"),
    "16 bits": (sixteen_bits, "16 bits", "cats/bad.png"),
    "CMYK": (
        lambda root: noise(7, "CMYK").save(root / "cats" / "bad.jpg"),
        "CMYK",
        "cats/bad.jpg",
    ),
    "palette": (palette, "palette", "cats/bad.png"),
    "transparent": (transparent, "transparent", "cats/bad.png"),
    "EXIF": (turned, "EXIF rotation", "cats/bad.jpg"),
    "animated": (animated, "several frames", "cats/bad.gif"),
    "one colour": (
        lambda root: Image.new("RGB", (16, 16), "red").save(root / "cats" / "bad.png"),
        "one colour",
        "cats/bad.png",
    ),
    "hidden": (lambda root: write(root, "cats/.DS_Store", b"x"), "hidden", "cats/.DS_Store"),
    "hidden folder": (lambda root: write(root, ".git/x.png", b"x"), "hidden", ".git/"),
    "hidden folder inside": (
        lambda root: write(root, "cats/.cache/x.png", b"x"),
        "hidden",
        "cats/.cache/",
    ),
    "foreign": (lambda root: write(root, "cats/notes.txt", b"x"), "foreign", "cats/notes.txt"),
    "no ending": (lambda root: write(root, "cats/bad", b"x"), "foreign", "cats/bad"),
    "Thumbs.db": (lambda root: write(root, "Thumbs.db", b"x"), "foreign", "Thumbs.db"),
    "no class": (
        lambda root: write(root, "bad.png", png_bytes(noise(7))),
        "no class",
        "bad.png",
    ),
    "empty class": (lambda root: (root / "birds").mkdir(), "empty class", "birds/"),
    "rare class": (rare, "rare class", "birds/bad.png"),
    "class of copies": (copies_only, "rare class", "birds/bad5.png"),
    "copy": (
        lambda root: write(root, "cats/bad.png", (root / "cats/0.png").read_bytes()),
        "copy",
        "cats/bad.png",
    ),
    "two labels": (two_labels, "two labels", "dogs/bad.png"),
    "two labels, other format": (two_labels_by_pixels, "two labels", "dogs/bad.bmp"),
    "link to a folder": (link_to_folder, "link", "cats/bad/"),
    "broken link": (
        lambda root: pathlib.Path(root / "cats" / "bad.png").symlink_to("nowhere.png"),
        "unreadable",
        "cats/bad.png",
    ),
    "folder like a picture": (
        folder_named_like_a_picture,
        "palette",
        "cats/bad.png/inner.txt.gif",
    ),
    "line break in a name": (
        lambda root: write(root, "cats/a\nb.png", b""),
        "empty file",
        "cats/a\\nb.png",
    ),
    "spaces around a class": (
        lambda root: [write(root, f" cows /{n}.png", png_bytes(noise(50 + n))) for n in range(4)],
        "label mended",
        " cows /",
    ),
}
USED = {
    *("16 bits", "CMYK", "palette", "transparent", "EXIF rotation", "several frames"),
    *("one colour", "copy", "label mended"),
}


def all_files(root):
    found = [Path(place) / name for place, _, names in os.walk(root) for name in names]
    return [path.relative_to(root).as_posix() for path in found]


# Windows has no such names, and no links without a right of its own
NOT_ON_WINDOWS = {"link to a folder", "broken link", "line break in a name"}
NOT_ON_WINDOWS |= {"spaces around a class"}


@pytest.mark.parametrize("name", [n for n in CASES if os.name != "nt" or n not in NOT_ON_WINDOWS])
def test_each_bad_input_gives_a_line_and_no_file_is_lost(name, tmp_path):
    spoil, kind, where = CASES[name]
    root = good_folder(tmp_path / "data")
    spoil(root)
    data = read_image_folder(root)
    (finding,) = [f for f in data.report.findings if f.kind == kind and f.where == where]
    assert finding.is_used == (kind in USED)
    assert finding.reason and "\n" not in str(finding) and len(str(finding)) < 300
    assert str(tmp_path) not in finding.reason
    gone = [finding.where for finding in data.report.left_out]
    for file in all_files(root):
        told = file.replace("\n", "\\n")
        is_gone = told in gone or any(told.startswith(w) for w in gone if w.endswith("/"))
        assert (file in data.values) != is_gone, file
    for good in CLASSES:  # what is good stays, whatever lies beside it
        assert {f"{good}/{place}.png" for place in range(4)} <= set(data.values)
        assert data.classes[int(data.labels[data.values.index(f"{good}/0.png")])] == good
    assert len(data) == len(data.labels) == len(data.digests) == len(data.places)


def lonely(root):
    (root / "only").mkdir()
    noise(1).save(root / "only" / "1.png")


def two_cases(root):
    good_folder(root)
    (root / "Cats").mkdir()
    noise(9).save(root / "Cats" / "9.png")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda root: None, "no folder in it"),
        (lambda root: write(root, "1.png", png_bytes(noise(1))), "no folder in it"),
        (lonely, "0 classes with 4 or more usable images"),
        (two_cases, "differ in case only"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused_in_a_line(make, words, tmp_path):
    root = tmp_path / "data"
    root.mkdir(exist_ok=True)
    make(root) if make is not two_cases else (root.rmdir(), make(root))
    with pytest.raises(DataError, match=words) as caught:
        read_image_folder(root)
    assert "\n" not in str(caught.value)


def test_no_folder_is_said(tmp_path):
    with pytest.raises(DataError, match="where no folder is"):
        read_image_folder(tmp_path / "none")


class TestPicture:
    def test_rotation_of_exif_is_applied(self, tmp_path):
        turned(good_folder(tmp_path / "data"))
        image, _ = open_picture(tmp_path / "data" / "cats" / "bad.jpg")
        assert image.size == (24, 16)

    def test_transparent_becomes_white(self, tmp_path):
        Image.new("RGBA", (9, 9), (0, 0, 0, 0)).save(tmp_path / "a.png")
        image, _ = open_picture(tmp_path / "a.png")
        assert image.getpixel((0, 0)) == (255, 255, 255)

    def test_sixteen_bits_keep_their_share_of_white(self, tmp_path):
        pixels = np.full((9, 9), 2**15, dtype=np.uint16)
        Image.fromarray(pixels).save(tmp_path / "a.png")
        assert open_picture(tmp_path / "a.png")[0].getpixel((0, 0)) == (128, 128, 128)

    def test_first_frame_counts(self, tmp_path):
        frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
        frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
        assert open_picture(tmp_path / "a.gif")[0].getpixel((0, 0)) == (255, 0, 0)

    def test_tensor_is_square(self, tmp_path):
        noise(1, size=(40, 20)).save(tmp_path / "a.png")
        assert picture_tensor(tmp_path / "a.png", 32).shape == (3, 32, 32)


# a line of a table of pictures, the kind of the finding, and a part of where it is
LINES = {
    "missing": ("cats/none.png,cats", "unreadable", "line 10"),
    "outside": ("../secret.png,cats", "outside", "line 10"),
    "absolute": ("/etc/passwd.png,cats", "outside", "line 10"),
    "foreign": ("notes.txt,cats", "foreign", "line 10"),
    "no label": ("cats/0.png,", "empty cell", "line 10"),
    "no file": (",cats", "empty cell", "line 10"),
    "a folder": ("cats,cats", "foreign", "line 10"),
    "twice": ("cats/0.png,cats", "copy", "line 10"),
    "two labels": ("cats/0.png,dogs", "two labels", "line 10"),
    "an address": ("https://example.org/a.png,cats", "unreadable", "line 10"),
    "three cells": ("cats/0.png,cats,more", "number of cells", "line 10"),
    "a NUL": ("cats/0\0.png,cats", "no file name", "line 10"),
}


def table_of(root, *lines, columns="image,label", number=4):
    good_folder(root, number)
    rows = [f"{name}/{place}.png,{name}" for name in CLASSES for place in range(number)]
    (root / "table.csv").write_text("\n".join([columns, *rows, *lines]), encoding="utf-8")
    return root / "table.csv"


@pytest.mark.parametrize("name", LINES)
def test_each_bad_line_of_a_table_of_pictures_is_said(name, tmp_path):
    line, kind, where = LINES[name]
    number = 5 if name == "two labels" else 4
    where = "line 12" if name == "two labels" else where
    noise(3).save(tmp_path / "secret.png")
    data = read_image_table(table_of(tmp_path / "data", line, number=number))
    (finding,) = [f for f in data.report.findings if f.where.startswith(where)]
    assert finding.kind == kind and "\n" not in str(finding)
    assert len(data) == 9 if finding.is_used else len(data) >= 8


def test_backslashes_of_windows_are_read(tmp_path):
    data = read_image_table(table_of(tmp_path / "data", "cats\\0.png,cats"))
    assert data.values[-1] == "cats/0.png"

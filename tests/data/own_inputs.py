"""Good pictures and tables for tests, to which something bad is added."""

import numpy as np
from PIL import Image

CLASSES = ("cats", "dogs")


def noise(seed, mode="RGB", size=(16, 16)):
    """Return a picture of random numbers."""
    generator = np.random.default_rng(seed)
    channels = {"RGB": 3, "L": 1, "CMYK": 4, "RGBA": 4, "LA": 2}[mode]
    pixels = generator.integers(0, 256, (*size[::-1], channels), dtype=np.uint8)
    return Image.fromarray(pixels.squeeze(), mode)


def good_folder(root, number=4):
    """Write two classes of good pictures."""
    for label, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for place in range(number):
            noise(100 * label + place).save(root / name / f"{place}.png")
    return root


def good_rows(number=4):
    """Return rows of a table of two classes."""
    words = ("cats purr", "dogs bark")
    return [(f"{words[k]} {n} times", CLASSES[k]) for k in range(2) for n in range(number)]


def good_table(columns="text,label", separator=","):
    """Return a table as text."""
    lines = [columns.replace(",", separator)]
    return "\n".join([*lines, *(separator.join(row) for row in good_rows())]) + "\n"

"""One picture of somebody's own, whatever it was saved as, made red, green and blue.

Letters in shapes: S height and width in pixels.
"""

import functools
import warnings
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812, the name torch itself uses
from PIL import Image, ImageOps
from torch import Tensor

# Formats that hold one picture and whose reading runs no other program
FORMATS = ("JPEG", "MPO", "PNG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF")
ENDINGS = frozenset(
    ".jpg .jpeg .jfif .png .gif .bmp .tif .tiff .webp .ppm .pgm .pbm .pnm .jp2 .avif".split()
)
MOST_PIXELS = 100_000_000  # 300 MB in memory: of a larger one a decoder can take all there is
FEWEST_PIXELS = 8  # in height and width
ORIENTATION = 0x0112  # number of the tag in EXIF


class PictureError(ValueError):
    """A file that cannot be used as a picture.

    Parameters
    ----------
    kind : str
        What it is, for the count.
    reason : str
        Why it cannot be used, and what to do.
    """

    def __init__(self, kind: str, reason: str):
        super().__init__(reason)
        self.kind = kind


def open_picture(path: Path) -> tuple[Image.Image, dict[str, str]]:
    """Read a picture, and turn it into red, green and blue with 8 bits each.

    Transparent parts become white, a rotation in EXIF is applied, 16 bits become 8, and of several
    frames the first one counts.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    PIL.Image.Image
        In the mode RGB.
    dict of str to str
        What was done, by its kind; empty for a plain picture.

    Raises
    ------
    PictureError
        If it cannot be read whole, is too large or too small, or has numbers without a known range.
    """
    notes: dict[str, str] = {}
    with warnings.catch_warnings():  # of Pillow, about what is judged here
        warnings.simplefilter("ignore")
        try:
            if path.stat().st_size == 0:
                raise PictureError("empty file", "it has no bytes")
            with Image.open(path, formats=_formats()) as image:
                _check_size(image)
                _note_frames(image, notes)
                image.load()
                return _as_rgb(_turned(image, notes), notes), notes
        except PictureError:
            raise
        except Image.DecompressionBombError:
            raise _too_large("more than twice") from None
        except MemoryError:
            raise PictureError("too large", "it does not fit in memory; make it smaller") from None
        except Exception as error:  # a broken file makes decoders raise anything
            raise PictureError("unreadable", _words(error)) from error


def picture_tensor(path: Path, size: int) -> Tensor:
    """Read a picture and resize all of it to a square; its shape is not kept.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    size : int
        S in pixels.

    Returns
    -------
    torch.Tensor of shape (3, S, S), uint8

    Raises
    ------
    PictureError
        As `open_picture`.
    """
    image, _ = open_picture(path)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    if pixels.shape[-2:] != (size, size):
        pixels = F.interpolate(pixels, size=(size, size), mode="bilinear", antialias=True)
    return pixels[0].contiguous()


@functools.cache
def _formats() -> list[str]:
    """Return the formats that this installation of Pillow reads."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise _too_large(f"{width} x {height}, above")
    if min(width, height) < FEWEST_PIXELS:
        raise PictureError("too small", f"{width} x {height} pixels; {FEWEST_PIXELS} are needed")


def _too_large(found: str) -> PictureError:
    reason = f"its number of pixels is {found} the allowed {MOST_PIXELS:,}; make it smaller"
    return PictureError("too large", reason)


def _note_frames(image: Image.Image, notes: dict[str, str]) -> None:
    number = getattr(image, "n_frames", 1)
    if number > 1 and image.format != "MPO":  # of phones: the others are previews
        notes["several frames"] = f"the first of {number} frames is taken"


def _turned(image: Image.Image, notes: dict[str, str]) -> Image.Image:
    """Apply the rotation that a camera has noted."""
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
        if orientation == 1:
            return image
        turned = ImageOps.exif_transpose(image)
    except Exception:  # notes of a camera may be broken where the picture is not
        notes["EXIF"] = "its EXIF cannot be read, so no rotation is applied"
        return image
    notes["EXIF rotation"] = f"turned as its EXIF says (orientation {orientation})"
    return turned


def _as_rgb(image: Image.Image, notes: dict[str, str]) -> Image.Image:
    """Turn any mode into RGB."""
    if image.mode in ("I", "F"):
        raise PictureError(
            "unknown range", "its numbers have 32 bits and no known white; save it with 8 or 16"
        )
    if image.mode.startswith("I;16"):
        notes["16 bits"] = "16 bits became 8"
        image = Image.fromarray((np.array(image).astype(np.float32) / 257).round().astype(np.uint8))
    if image.mode in ("CMYK", "P"):
        words = {"CMYK": "inks became light", "P": "numbers of a palette became colours"}
        notes[{"CMYK": "CMYK", "P": "palette"}[image.mode]] = words[image.mode]
    if image.has_transparency_data:
        layers = image.convert("RGBA")
        if np.asarray(layers.getchannel("A")).min() < 255:
            notes["transparent"] = "what is transparent became white"
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, layers)
    return image.convert("RGB")


def _words(error: Exception) -> str:
    """Say in one line why a decoder has failed, without the path."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, PermissionError):
        return "it may not be read; change its permissions"
    if isinstance(error, Image.UnidentifiedImageError):
        return f"its content is none of {', '.join(FORMATS)}"
    first = (str(error).splitlines() or [""])[0] or type(error).__name__
    return f"it is damaged or cut off ({first})"

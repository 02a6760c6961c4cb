"""Read an image file as the raw pixels that a model wants."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from magik_core.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

# What Pillow reads by itself: formats that start another program (EPS) are left out.
SUFFIXES = (".avif", ".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pcx", ".pgm", ".png", ".pnm", ".ppm",
            ".tga", ".tif", ".tiff", ".webp")  # fmt: skip
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "TGA", "TIFF", "WEBP")
COLORS = ("RGB", "BGR", "GRAY")
MAX_PIXELS = 1 << 27


def read_image(path: Path, width: int, height: int, color: str) -> np.ndarray:
    """Pixels of an image as u8 (height, width, 3 or 1), stretched bilinearly, in `color` order.

    The orientation tag of a photograph is obeyed, transparency is dropped, 16 bits become 8, and gray and
    color become each other.
    Raises: DataError: not an image, too large or broken.
    """
    from PIL import Image, ImageOps

    with open_image(path) as opened:
        try:
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):  # 16-bit gray, which convert() would clip to white
                image = _from_16_bits(image)
            image = image.convert("L" if color == "GRAY" else "RGB")
            image = image.resize((width, height), resample=Image.Resampling.BILINEAR)
        except Exception as error:  # a decoder of a broken file may raise anything
            raise _unreadable(path, error) from error
    pixels = np.array(image, np.uint8).reshape(height, width, -1)
    return np.ascontiguousarray(pixels[:, :, ::-1]) if color == "BGR" else pixels


def open_image(path: Path) -> Image.Image:
    """Read the header only.

    Raises: DataError: not an image, too large or broken.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # MAX_PIXELS is our limit
            Image.init()
            image = Image.open(path, formats=[f for f in FORMATS if f in Image.OPEN])  # as Pillow was built
        pixels = image.width * image.height
    except Image.DecompressionBombError as error:
        raise DataError("image is too large", where=str(path), found=str(error), need=_LIMIT) from error
    except Exception as error:
        raise _unreadable(path, error) from error
    if pixels > MAX_PIXELS:
        found = f"{image.width}x{image.height}"
        image.close()
        raise DataError("image is too large", where=str(path), found=found, need=_LIMIT)
    if image.mode == "F":
        image.close()
        raise DataError("image has f32 pixels", where=str(path), need="8 or 16 bits per channel",
                        hint="save it as .npy, in the shape and range of the model's input")  # fmt: skip
    return image


_LIMIT = f"at most {MAX_PIXELS} pixels"


def _from_16_bits(image: Image.Image) -> Image.Image:
    from PIL import Image

    return Image.fromarray((np.clip(np.asarray(image, np.int64), 0, 0xFFFF) >> 8).astype(np.uint8))


def _unreadable(path: Path, error: Exception) -> DataError:
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return DataError("not an image", where=str(path), found="content that no image format starts with")
    return DataError("image cannot be read", where=str(path), found=str(error) or type(error).__name__)

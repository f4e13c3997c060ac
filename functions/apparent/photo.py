"""Untrusted bytes -> upright RGB pixels.

The first step of the road. Nothing here knows about faces: a `Photo` knows its upright size and
hands out pixels at the resolution asked for, decoding no more of a JPEG than that needs.
"""

import io
import math
import os
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, UnidentifiedImageError

from apparent.arrays import Pixels
from apparent.errors import PhotoError, UndecodablePhoto, UnsupportedFormat

FORMATS: Final = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP")
"""Formats decoded, by Pillow's names. More (TIFF, PSD) would only widen the attack surface."""

MAX_PIXELS: Final = 50_000_000
"""Photos of more are refused before they are decoded, unless the caller sets another limit."""

MAX_JPEG_SCANS: Final = 100
"""Progressive JPEGs have about 10 scans; thousands are an attempt at denial of service."""

_ORIENTATION_TAG: Final = 0x0112
_TO_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SWAPS_SIDES: Final = {5, 6, 7, 8}
_JPEG_REDUCTIONS: Final = (8, 4, 2)
_STRIP: Final = 128
"""Rows copied at a time."""


class Photo:
    """An image whose header was read and found acceptable; pixels are decoded on demand.

    `width` and `height` are those of the upright photo (EXIF orientation applied), in pixels.
    """

    def __init__(self, data: bytes, max_pixels: int) -> None:
        """Reads the header of `data`.

        Raises `UnsupportedFormat` where no decoder knows the bytes, and `UndecodablePhoto` where
        the header is broken or promises more than `max_pixels` pixels.
        """
        self._data = data
        self._decoded: Pixels | None = None
        image = self._open()
        self.format: str = image.format or "?"
        width, height = image.size
        if width * height > max_pixels:
            raise UndecodablePhoto(
                f"The photo has {width} x {height} pixels; at most {max_pixels:,} are read. "
                "Scale it down and send it again."
            )
        # 0xFF is escaped in entropy-coded data, so these two bytes are a start-of-scan marker.
        if self.format == "JPEG" and data.count(b"\xff\xda") > MAX_JPEG_SCANS:
            raise UndecodablePhoto(
                f"The JPEG has more than {MAX_JPEG_SCANS} scans. Save it again as an ordinary JPEG."
            )
        self._orientation = _orientation(image)
        swaps = self._orientation in _SWAPS_SIDES
        self.width, self.height = (height, width) if swaps else (width, height)

    def pixels(self, long_side: int | None = None) -> Pixels:
        """The upright photo, uint8 `[height, width, 3]` RGB.

        Full resolution, or, where the format can be decoded at a reduced scale (JPEG), the smallest
        scale whose longer side is still at least `long_side` pixels. Transparent pixels lie on
        white; an animation is its first frame; 16-bit and CMYK become 8-bit RGB.
        Raises `UndecodablePhoto`.
        """
        if self.format != "JPEG":
            if self._decoded is None:
                self._decoded = self._decode(reduction=1)
            return self._decoded
        longest = max(self.width, self.height)
        reduction = 1
        if long_side is not None:
            fitting = (r for r in _JPEG_REDUCTIONS if math.ceil(longest / r) >= long_side)
            reduction = next(fitting, 1)
        return self._decode(reduction)

    def image(self) -> Image.Image:
        """The upright photo at full resolution, for people to look at."""
        return Image.fromarray(self.pixels())

    def _open(self) -> Image.Image:
        try:
            return Image.open(io.BytesIO(self._data), formats=FORMATS)
        except UnidentifiedImageError as error:
            if self._has_known_signature():
                raise UndecodablePhoto("The photo is damaged or incomplete.") from error
            raise UnsupportedFormat(
                f"The file is not an image in a format that is read here ({', '.join(FORMATS)})."
            ) from error
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise UndecodablePhoto(
                "The photo has far too many pixels. Scale it down and send it again."
            ) from error
        except Exception as error:
            raise UndecodablePhoto("The photo's header is damaged.") from error

    def _has_known_signature(self) -> bool:
        accepts = [Image.OPEN[name][1] for name in FORMATS if name in Image.OPEN]
        return any(accept(self._data[:16]) is True for accept in accepts if accept)

    def _decode(self, reduction: int) -> Pixels:
        # Pillow's decoders raise nearly every exception type on hostile input.
        try:
            image = self._open()
            if reduction > 1:
                image.draft(None, (image.width // reduction, image.height // reduction))
            image.load()
            rgb = _upright(_to_rgb(image), self._orientation)
        except PhotoError:
            raise
        except Exception as error:
            raise UndecodablePhoto(
                "The photo is damaged or incomplete and cannot be decoded. Save it again."
            ) from error
        return _to_array(rgb)


class DecodedPhoto(Photo):
    """Pixels that somebody else has decoded."""

    def __init__(self, pixels: Pixels) -> None:
        """`pixels` is upright, uint8 `[height, width, 3]` RGB; raises `UndecodablePhoto`."""
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
            raise UndecodablePhoto(
                f"An array of {pixels.dtype} {list(pixels.shape)} is no photo. Give uint8 RGB "
                "[height, width, 3]."
            )
        self._decoded = pixels
        self.format = "decoded"
        self.height, self.width = pixels.shape[:2]


def read(source: object, max_pixels: int = MAX_PIXELS) -> Photo:
    """A photo from a path, the bytes of a file, a PIL image, or uint8 RGB `[height, width, 3]`.

    Raises `PhotoError`, `OSError` where a path cannot be read, and `TypeError` for anything else.
    """
    match source:
        case bytes() | bytearray() | memoryview():
            return Photo(bytes(source), max_pixels)
        case str() | os.PathLike():
            return Photo(Path(source).read_bytes(), max_pixels)
        case Image.Image():
            upright = _upright(_to_rgb(source), _orientation(source))
            return DecodedPhoto(_to_array(upright))
        case np.ndarray():
            return DecodedPhoto(source)
    raise TypeError(
        f"A {type(source).__name__} is no photo. Give a path, bytes, a PIL image or an array."
    )


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) where EXIF is absent, damaged or out of range."""
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = _TO_UPRIGHT.get(orientation)
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        # Pillow clips 16-bit grey at 255 when it converts; keep the high byte instead.
        image = Image.fromarray((np.asarray(image, np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_array(rgb: Image.Image) -> Pixels:
    """As `numpy.asarray`, which would hold a large photo twice more while it copies."""
    pixels = np.empty((rgb.height, rgb.width, 3), np.uint8)
    for top in range(0, rgb.height, _STRIP):
        bottom = min(top + _STRIP, rgb.height)
        pixels[top:bottom] = np.asarray(rgb.crop((0, top, rgb.width, bottom)))
    return pixels

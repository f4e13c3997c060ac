"""Untrusted bytes -> upright RGB pixels.

The first step of the road. Nothing here knows about faces: a `Photo` knows its upright size and
hands out pixels at the resolution asked for, decoding no more of a JPEG than that needs.
"""

import math
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from apparent.arrays import Pixels
from apparent.errors import PhotoError, UndecodablePhoto
from apparent.formats import FORMATS, INCOMPLETE, MAX_PIXELS, examine

__all__ = ["FORMATS", "MAX_PIXELS", "DecodedPhoto", "Photo", "read"]

_ORIENTATION_TAG: Final = 0x0112
_AS_STORED: Final[dict[int, Callable[[Pixels], Pixels]]] = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: upright.swapaxes(0, 1)[::-1],
    7: lambda upright: upright.swapaxes(0, 1)[::-1, ::-1],
    8: lambda upright: upright.swapaxes(0, 1)[:, ::-1],
}
"""By EXIF orientation: a view of an upright picture whose rows are those of the file."""
_SWAPS_SIDES: Final = {5, 6, 7, 8}
_JPEG_REDUCTIONS: Final = (8, 4, 2, 1)
_FINEST: Final = 32_000_000
"""Pixels. Phones' sensors of 50 or 200 million group theirs by four or more under one colour: half
the scale loses next to nothing, and takes a quarter of the time and memory."""
_STRIP: Final = 1 << 16
"""Pixels copied at a time: few enough for a core's cache."""
_FILLED_IN: Final = 128
"""What a JPEG decoder puts where data are missing."""
_ROWS_NEEDED: Final = 0.9


class Photo:
    """An image whose header was read and found acceptable; pixels are decoded on demand.

    `width` and `height` are those of the upright photo (EXIF orientation applied), in pixels.
    """

    def __init__(self, data: bytes, max_pixels: int) -> None:
        """Reads the header of `data`.

        Raises `UnsupportedFormat` where the bytes are in no format that is read, and
        `UndecodablePhoto` where the header is broken, promises more than `max_pixels` pixels, or
        so many of so few bytes that decoding them would take seconds.
        """
        self._encoded = examine(data, max_pixels)
        self._decoded: Pixels | None = None
        self._decoded_by = 1
        self.format: str = self._encoded.format
        self._orientation = _orientation(self._encoded.exif)
        width, height = self._encoded.size
        swaps = self._orientation in _SWAPS_SIDES
        self.width, self.height = (height, width) if swaps else (width, height)

    def pixels(self, long_side: int | None = None) -> Pixels:
        """The upright photo, uint8 `[height, width, 3]` RGB.

        Full resolution, or, where the format can be decoded at a reduced scale (JPEG), the smallest
        scale whose longer side is still at least `long_side` pixels; a JPEG of more than `_FINEST`
        pixels is not decoded finer than to as many. The finest pixels asked for so far are kept and
        answer every coarser request as well: scaling them costs less than decoding again.
        Transparent pixels lie on white; an animation is its first frame; 16-bit and CMYK become
        8-bit RGB. Raises `UndecodablePhoto`.
        """
        reduction = self._reduction(long_side or max(self.width, self.height))
        if self._decoded is None or reduction < self._decoded_by:
            self._decoded = None  # its memory is needed
            self._decoded, self._decoded_by = self._decode(reduction), reduction
        return self._decoded

    def release(self) -> None:
        """Gives back the memory of decoded pixels; whoever asks for some has them decoded again."""
        self._decoded = None

    def image(self) -> Image.Image:
        """The upright photo at full resolution, for people to look at."""
        return Image.fromarray(self._decode(1))

    def _reduction(self, long_side: int) -> int:
        if self.format != "JPEG":
            return 1
        coarser = [r for r in _JPEG_REDUCTIONS if self.width * self.height <= r * r * _FINEST]
        fitting = (r for r in coarser if math.ceil(max(self.width, self.height) / r) >= long_side)
        return next(fitting, min(coarser, default=max(_JPEG_REDUCTIONS)))

    def _decode(self, reduction: int) -> Pixels:
        # Pillow's decoders raise nearly every exception type on hostile input.
        try:
            image = self._encoded.open()
            if reduction > 1:
                width, height = (max(1, side // reduction) for side in image.size)
                image.draft(None, (width, height))
            image.load()
            if self.format == "BMP" and _is_clear(image):
                image.putalpha(255)  # a fourth byte that is always 0 is not used
            pixels = _upright(image, self._orientation)
            if self._encoded.cut:
                self._check_rows(pixels)
            return pixels
        except (PhotoError, MemoryError):  # which is not the photo's fault
            raise
        except Exception as error:
            raise UndecodablePhoto(
                "The photo is damaged or incomplete and cannot be decoded. Save it again."
            ) from error

    def _check_rows(self, upright: Pixels) -> None:
        stored = _AS_STORED[self._orientation](upright)
        there = np.flatnonzero((stored != _FILLED_IN).any(axis=(1, 2)))
        if not there.size or there[-1] + 1 < _ROWS_NEEDED * len(stored):
            raise UndecodablePhoto(INCOMPLETE)


class DecodedPhoto(Photo):
    """Pixels that somebody else has decoded."""

    def __init__(self, pixels: Pixels) -> None:
        """`pixels` is upright, uint8 `[height, width, 3]` RGB; raises `UndecodablePhoto`."""
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
            raise UndecodablePhoto(
                f"An array of {pixels.dtype} {list(pixels.shape)} is no photo. Give uint8 RGB "
                "[height, width, 3]."
            )
        self._decoded, self._decoded_by = pixels, 1
        self.format = "decoded"
        self.height, self.width = pixels.shape[:2]

    def release(self) -> None:
        """Nothing: they are all that there is of the photo."""

    def image(self) -> Image.Image:
        """The upright photo."""
        return Image.fromarray(self.pixels())


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
            return DecodedPhoto(_of_pil(source))
        case np.ndarray():
            return DecodedPhoto(np.array(source))  # its owner may put the next frame into it
    raise TypeError(
        f"A {type(source).__name__} is no photo. Give a path, bytes, a PIL image or an array."
    )


def _of_pil(image: Image.Image) -> Pixels:
    """Upright RGB. Pillow opens a file before it reads it, so it may be damaged still."""
    if 0 in image.size:
        raise UndecodablePhoto(f"An image of {image.width} x {image.height} pixels is no photo.")
    try:
        image.load()  # which turns a TIFF itself
        orientation = image.getexif().get(_ORIENTATION_TAG, 1)
        return _upright(image, orientation if orientation in _AS_STORED else 1)
    except MemoryError:  # which is not the photo's fault
        raise
    except Exception as error:
        raise UndecodablePhoto(
            f"The image of mode {image.mode} cannot be made RGB: {error}. Give one that can."
        ) from error


def _orientation(exif: bytes) -> int:
    """The orientation of a TIFF structure, 1 to 8; 1 (upright) where it is absent or damaged.

    Only this tag of the first directory is looked at: a reader of all of them, such as Pillow's,
    can be made to copy the whole file once for each.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return 1
    try:
        (position,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, position)
        for i in range(count):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", exif, position + 2 + 12 * i)
            if tag == _ORIENTATION_TAG:
                return value if value in _AS_STORED else 1
    except struct.error:
        pass
    return 1


def _is_clear(image: Image.Image) -> bool:
    return image.mode == "RGBA" and not image.getchannel("A").getbbox()


def _upright(image: Image.Image, orientation: int) -> Pixels:
    """RGB, turned while it is copied strip by strip: no second copy of a large photo is made."""
    swaps = orientation in _SWAPS_SIDES
    height, width = image.size if swaps else image.size[::-1]
    upright = np.empty((height, width, 3), np.uint8)
    stored = _AS_STORED[orientation](upright)
    rows = max(1, _STRIP // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        stored[top:bottom] = np.asarray(_to_rgb(image.crop((0, top, image.width, bottom))))
    return upright


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        # Pillow clips 16-bit grey at 255 when it converts; keep the high byte instead.
        image = Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")

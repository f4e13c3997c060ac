"""Untrusted bytes -> a picture that Pillow may decode: which formats, and how large a picture.

Decoders are shown only what the picture needs. Comments, profiles and further pictures are left
out, so that their size, damage and number do not matter, and no picture is decoded that would take
more than about 0.7 s of CPU.
"""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from apparent import chunks, jpeg
from apparent.errors import PhotoError, UndecodablePhoto, UnsupportedFormat

MAX_PIXELS: Final = 64_000_000
"""Photos of more are refused before they are decoded, unless the caller sets another limit."""

_PLUGINS: Final[dict[str, Callable[[io.BytesIO], ImageFile.ImageFile]]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
}
"""Called without `Image.open`, which has a limit of its own and finds MPO in JPEGs."""

FORMATS: Final = tuple(_PLUGINS)
"""Formats decoded, by Pillow's names. More (TIFF, PSD) would only widen the attack surface."""

_PLAIN: Final = {
    "PNG": 32_000_000,
    "GIF": 32_000_000,
    "BMP": 32_000_000,
    "WEBP": 24_000_000,
    "AVIF": 24_000_000,
}
"""Pixels decoded in about 0.7 s, however few bytes they are. JPEGs of more are decoded coarsely."""
_TRANSPARENT: Final = {"WEBP", "AVIF"}
"""Where a transparent picture takes twice as long: there half as many are read."""
_PNG_BYTES: Final = 72_000_000
"""Bytes of a PNG's pixels inflated and unfiltered in about 0.7 s."""
_JPEG_SAMPLES: Final = 7 * MAX_PIXELS
"""Samples that all scans of a JPEG together may pass over; about 10 ns each."""
_RUN_LENGTH: Final = 2_000_000
"""Pixels and bytes of a run-length coded BMP, which Pillow decodes in Python."""
_LONGEST_SIDE: Final = 65_535
"""Of a JPEG. Scaling a row of millions of columns takes seconds."""
_PIXELS_PER_BYTE: Final = 4
_PNG_BYTES_PER_BYTE: Final = 12
"""What each byte of a file pays for beyond these limits: large files are honest."""

INCOMPLETE: Final = "The photo is incomplete: rows are missing. Send the whole file."

_AVIF_BRANDS: Final = {b"avif", b"avis"}
_HEIF_BRANDS: Final = {
    *(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"),
    *(b"mif1", b"mif2", b"msf1", b"miaf"),
}


@dataclass(frozen=True)
class Encoded:
    """A picture that may be decoded."""

    format: str
    """Of `FORMATS`."""
    data: bytes
    """What decoding needs of the file."""
    exif: bytes = b""
    """A TIFF structure, or nothing."""
    size: tuple[int, int] = (0, 0)
    """Width and height as stored, in pixels."""
    cut: bool = False
    """Whether rows may be missing at the bottom."""

    def open(self) -> ImageFile.ImageFile:
        """Pillow's image, not yet decoded; raises nearly everything."""
        return _PLUGINS[self.format](io.BytesIO(self.data))


def examine(data: bytes, max_pixels: int) -> Encoded:
    """Reads the header and nothing more.

    Raises `UnsupportedFormat` where the bytes are in no format that is read, and `UndecodablePhoto`
    where the header is damaged or the picture would cost too much.
    """
    kind = _kind(data)
    prepare = {"JPEG": _jpeg, "PNG": _png, "GIF": _gif, "AVIF": _avif}.get(kind, _as_it_is)
    try:
        encoded = prepare(kind, data, max_pixels)
        image = encoded.open()
    except PhotoError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large("The photo is too large", max_pixels) from error
    except Exception as error:
        raise UndecodablePhoto("The photo's header is damaged. Save it again.") from error
    worth = len(data)
    if kind in _TRANSPARENT and image.mode == "RGBA":
        max_pixels, worth = max_pixels // 2, worth // 2
    _check_size(kind, image.size, max_pixels, worth)
    run_length = kind == "BMP" and image.tile[0].codec_name == "bmp_rle"
    if run_length and image.width * image.height + len(data) > _RUN_LENGTH:
        raise UndecodablePhoto(
            "The BMP is compressed by run lengths and too large for that. Save it as PNG."
        )
    exif = encoded.exif or image.info.get("exif", b"").removeprefix(b"Exif\0\0")
    return replace(encoded, size=image.size, exif=exif)


def _kind(data: bytes) -> str:
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"BM"):
        return "BMP"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        box = data[8 : min(int.from_bytes(data[:4]), 1024)]
        brands = {box[i : i + 4] for i in range(0, len(box), 4) if i != 4}  # at 4 is a version
        if brands & _AVIF_BRANDS:
            return "AVIF"
        if brands & _HEIF_BRANDS:
            raise UnsupportedFormat(
                "The file is a HEIC (HEIF) photo, which is not read here. Export it as JPEG and "
                "send that; iPhones take JPEGs with Settings > Camera > Formats > Most Compatible."
            )
    raise UnsupportedFormat(
        f"The file is not an image in a format that is read here ({', '.join(FORMATS)}). "
        "Save it as JPEG or PNG and send that."
    )


def _jpeg(kind: str, data: bytes, max_pixels: int) -> Encoded:
    picture = jpeg.first_picture(data)
    _check_size(kind, (picture.width, picture.height), max_pixels, len(data))
    if picture.samples > _JPEG_SAMPLES * _generosity(max_pixels):
        raise UndecodablePhoto(
            f"The JPEG has {picture.width} x {picture.height} pixels in {picture.scans} scans, "
            "which take too long to decode. Scale it down, or save it without 'progressive'."
        )
    if picture.has_every_row is False:
        raise UndecodablePhoto(INCOMPLETE)
    return Encoded(kind, picture.data, picture.exif, cut=picture.has_every_row is None)


def _png(kind: str, data: bytes, max_pixels: int) -> Encoded:
    picture = chunks.png(data)
    _check_size(kind, (picture.width, picture.height), max_pixels, len(data))
    limit = max(_PNG_BYTES * _generosity(max_pixels), _PNG_BYTES_PER_BYTE * len(data))
    if picture.raw_size > limit:
        raise UndecodablePhoto(
            f"The PNG of {len(data):,} bytes has {picture.width} x {picture.height} pixels, which "
            "take too long to decode. Scale it down, or save it as JPEG."
        )
    return Encoded(kind, picture.data, picture.exif)


def _gif(kind: str, data: bytes, max_pixels: int) -> Encoded:
    _check_size(kind, struct.unpack_from("<HH", data, 6), max_pixels, len(data))
    return Encoded(kind, chunks.first_frame(data))


def _avif(kind: str, data: bytes, max_pixels: int) -> Encoded:
    return Encoded(kind, chunks.without_exif(data))


def _as_it_is(kind: str, data: bytes, max_pixels: int) -> Encoded:
    return Encoded(kind, data)


def _check_size(kind: str, size: tuple[int, int], max_pixels: int, file_size: int) -> None:
    width, height = size
    if max(size) > _LONGEST_SIDE:
        raise UndecodablePhoto(
            f"The photo has {width} x {height} pixels; a side of at most {_LONGEST_SIDE:,} is "
            "read. Scale it down and send it again."
        )
    if width * height > max_pixels:
        raise _too_large(f"The photo has {width} x {height} pixels", max_pixels)
    if kind in _PLAIN:
        limit = max(int(_PLAIN[kind] * _generosity(max_pixels)), _PIXELS_PER_BYTE * file_size)
        if width * height > limit:
            what = f"The {kind} of {file_size:,} bytes has {width} x {height} pixels"
            raise _too_large(what, limit)


def _generosity(max_pixels: int) -> float:
    """A caller who allows more pixels than usual allows more time, too."""
    return max(1.0, max_pixels / MAX_PIXELS)


def _too_large(what: str, limit: int) -> UndecodablePhoto:
    return UndecodablePhoto(
        f"{what}; at most {limit:,} pixels are read. Scale it down and send it again."
    )

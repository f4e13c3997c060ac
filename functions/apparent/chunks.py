"""PNG, GIF and AVIF files -> what the picture that is shown needs of them.

Texts, profiles and further frames may be large, damaged or many, and the picture does not need
them. All keep to the order of the file; lengths that lead out of it end it.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Final

_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples a pixel has, by a PNG's colour type."""

_NEEDED: Final = (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT")


@dataclass(frozen=True)
class Png:
    """The default picture of a PNG."""

    data: bytes
    """A PNG of the header, the palette, its transparency and the pixels."""
    width: int
    height: int
    exif: bytes
    """A TIFF structure, or nothing."""
    raw_size: int
    """Bytes of the pixels, inflated."""


def png(data: bytes) -> Png:
    """Raises `struct.error` or `KeyError` where there is no header or no picture."""
    kept: dict[bytes, list[bytes]] = {
        b"IHDR": [],
        b"PLTE": [],
        b"tRNS": [],
        b"eXIf": [],
        b"IDAT": [],
    }
    position = 8
    while position + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"IEND":
            break
        if kind in kept and (kind == b"IDAT" or not kept[kind]):
            kept[kind].append(data[position + 8 : position + 8 + size])
        position += 12 + size
    exif = b"".join(kept.pop(b"eXIf"))
    bodies = {kind: b"".join(parts) for kind, parts in kept.items() if parts}
    if b"IDAT" not in bodies:
        raise KeyError("IDAT")
    width, height, depth, colour = struct.unpack_from(">IIBB", bodies[b"IHDR"])
    row = 1 + -(-width * depth * _CHANNELS[colour] // 8)
    chunks = [_chunk(kind, body) for kind, body in [*bodies.items(), (b"IEND", b"")]]
    return Png(b"".join([data[:8], *chunks]), width, height, exif, row * height)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def first_frame(gif: bytes) -> bytes:
    """A GIF without what stands before its first frame, but for what the frame needs.

    Raises `IndexError` where there is none.
    """
    flags = gif[10]
    palette_end = position = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    control = b""
    while gif[position] == 0x21:
        begin, position = position, position + 2
        while length := gif[position]:
            position += 1 + length
        position += 1
        if gif[begin + 1] == 0xF9:  # transparency
            control = gif[begin:position]
    return gif[:palette_end] + control + gif[position:]


def without_exif(avif: bytes) -> bytes:
    """An AVIF whose EXIF no decoder will find; how it is turned, it says itself.

    Pillow reads every tag, and a tag of few bytes may stand for the whole file.
    Raises `struct.error` where there are no items.
    """
    position = 0
    while True:
        size, kind = struct.unpack_from(">I4s", avif, position)
        if size == 1:
            (size,) = struct.unpack_from(">Q", avif, position + 8)
        end = position + size if size else len(avif)
        if kind == b"meta":
            return avif[:position] + avif[position:end].replace(b"Exif", b"free") + avif[end:]
        position = max(end, position + 8)

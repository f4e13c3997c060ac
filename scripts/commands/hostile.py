"""Hostile files, made by code: odd, damaged, lying and far too large."""

import io
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Final

import numpy as np
from PIL import Image, ImageCms

READ: Final = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP")
_OTHERS: Final = (
    *("TIFF", "PPM", "ICO", "TGA", "PCX", "SGI", "DDS", "JPEG2000", "PDF", "EPS", "IM"),
    *("MSP", "SPIDER", "XBM", "DIB", "PALM", "BLP", "QOI"),
)
_MODES: Final = (
    *("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16"),
)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """The bytes of an image file; raises whatever Pillow does."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def picture(mode: str = "RGB", size: tuple[int, int] = (48, 40)) -> Image.Image:
    """Noise of a mode."""
    rng = np.random.default_rng(1)
    rgb = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8))
    if mode == "I;16":
        return Image.fromarray(np.asarray(rgb.convert("L")).astype(np.uint16) * 257)
    if mode == "LAB":
        target = ImageCms.createProfile("LAB")
        lab = ImageCms.profileToProfile(
            rgb, ImageCms.createProfile("sRGB"), target, outputMode="LAB"
        )
        return lab or rgb
    return rgb.convert("LA" if mode == "PA" else mode).convert(mode)


def seeds() -> dict[str, bytes]:
    """A small sound file of each format that is read, and of its variants."""
    frames: dict[str, object] = {"save_all": True, "append_images": [picture("L")] * 3}
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "words"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = {kind.lower(): encoded(picture(), kind) for kind in READ}
    return found | {
        "progressive.jpeg": encoded(picture(), "JPEG", progressive=True),
        "cmyk.jpeg": encoded(picture("CMYK"), "JPEG"),
        "exif.jpeg": encoded(picture(), "JPEG", exif=exif, icc_profile=profile),
        "exif.png": encoded(picture(), "PNG", exif=exif, icc_profile=profile),
        "exif.webp": encoded(picture("RGBA"), "WEBP", exif=exif, icc_profile=profile),
        "exif.avif": encoded(picture("RGBA"), "AVIF", exif=exif),
        "animated.gif": encoded(picture("P"), "GIF", **frames),
        "animated.png": encoded(picture(), "PNG", **frames),
        "animated.webp": encoded(picture(), "WEBP", **frames),
        "two.mpo": encoded(picture(), "MPO", **frames),
        "alpha.bmp": encoded(picture("RGBA"), "BMP"),
    }


def files() -> Iterator[tuple[str, bytes]]:
    """Each with a name that says what it is."""
    sound = seeds()
    yield from sound.items()
    yield from _modes()
    yield from _cut(sound)
    yield from _polyglots(sound)
    yield from _bombs(sound)
    yield from _metadata(sound)
    yield "empty", b""
    yield "one byte", b"\xff"
    for size in ((1, 1), (1, 20_000), (20_000, 1), (2, 3)):
        for kind in ("PNG", "JPEG", "GIF", "BMP"):
            yield f"{size[0]} x {size[1]} {kind}", encoded(Image.new("RGB", size, "red"), kind)


def _modes() -> Iterator[tuple[str, bytes]]:
    for kind in (*READ, *_OTHERS):
        for mode in _MODES:
            try:
                yield f"{kind} {mode}", encoded(picture(mode), kind)
            except Exception:  # noqa: S112 -- most formats have few modes
                continue


def _cut(sound: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    for name, data in sound.items():
        for share in (*range(1, 32, 2), len(data) // 2, len(data) - 20, len(data) - 1):
            yield f"{name} cut at {share}", data[:share]
        rng = np.random.default_rng(len(data))
        for place in rng.integers(0, min(len(data), 600), 12):
            flipped = bytearray(data)
            flipped[place] ^= 1 << int(rng.integers(8))
            yield f"{name} flipped at {place}", bytes(flipped)


def _polyglots(sound: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    tails = {
        "zip": b"PK\x03\x04" + bytes(26) + b"PK\x05\x06" + bytes(18),
        "html": b"<script>alert(1)</script>",
        "elf": b"\x7fELF" + bytes(100),
        "pdf": b"%PDF-1.7\n1 0 obj<<>>endobj\n%%EOF",
    }
    for name in ("jpeg", "png", "gif", "webp", "avif", "bmp"):
        for tail, data in tails.items():
            yield f"{name} and {tail}", sound[name] + data
            yield f"{tail} and {name}", data + sound[name]
        for other in ("jpeg", "png", "gif", "bmp"):
            yield f"{name} and {other}", sound[name] + sound[other]
            yield f"{name}'s head on {other}", sound[name][:12] + sound[other][12:]
    yield "gif and javascript", sound["gif"].replace(b"GIF89a", b"GIF89a/*", 1) + b"*/=1;"


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, depth: int, colour: int, pixels: bytes, *more: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = (_chunk(b"IHDR", header), *more, _chunk(b"IDAT", pixels), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@cache
def _zeros(length: int) -> bytes:
    packer, block = zlib.compressobj(4), bytes(1 << 20)
    packed = b"".join(packer.compress(block) for _ in range(length >> 20))
    return packed + packer.compress(bytes(length % (1 << 20))) + packer.flush()


def _bombs(sound: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    for width, height, depth, colour in (
        *((8_000, 4_000, 1, 0), (5_600, 5_600, 8, 0), (4_800, 4_800, 8, 2), (4_000, 4_000, 16, 6)),
        *((65_535, 65_535, 8, 2), (2**31 - 1, 1, 8, 2), (2**31 - 1, 2**31 - 1, 16, 6)),
    ):
        row = 1 + width * depth * {0: 1, 2: 3, 6: 4}[colour] // 8
        pixels = _zeros(min(row * height, 1 << 26))
        yield f"PNG of {width} x {height}, {depth} bit", _png(width, height, depth, colour, pixels)
    text = _chunk(b"zTXt", b"k\0\0" + _zeros(1 << 26))
    yield "PNG with a text of 64 MB", _png(8, 8, 8, 2, _zeros(200), text)
    yield "PNG with 5,000 texts", _png(8, 8, 8, 2, _zeros(200), *[_chunk(b"tEXt", b"k\0v")] * 5_000)
    profile = _chunk(b"iCCP", b"p\0\0" + _zeros(1 << 26))
    yield "PNG with a profile of 64 MB", _png(8, 8, 8, 2, _zeros(200), profile)
    yield "PNG whose pixels never end", _png(8, 8, 8, 2, _zeros(1 << 26))
    jpeg = sound["jpeg"]
    frame = jpeg.index(b"\xff\xc0") + 5
    yield (
        "JPEG of 65,500 x 65,500",
        jpeg[:frame] + struct.pack(">HH", 65_500, 65_500) + jpeg[frame + 4 :],
    )
    yield "JPEG of no height", jpeg[:frame] + struct.pack(">HH", 0, 40) + jpeg[frame + 4 :]
    progressive = sound["progressive.jpeg"]
    scan = progressive.rindex(b"\xff\xda")
    yield "JPEG of 4,000 scans", progressive[:scan] + progressive[scan:-2] * 4_000 + b"\xff\xd9"
    yield "JPEG of 100,000 comments", jpeg[:2] + b"\xff\xfe\0\x02" * 100_000 + jpeg[2:]
    yield "JPEG behind 1 MB of padding", jpeg[:2] + b"\xff" * (1 << 20) + jpeg[2:]
    gif = sound["gif"]
    yield "GIF of 65,535 x 65,535", gif[:6] + b"\xff\xff\xff\xff" + gif[10:]
    yield (
        "GIF of 3,000 frames",
        sound["animated.gif"][:-1] + _frame(sound["animated.gif"]) * 3_000,
    )
    yield (
        "GIF of 1 MB of comments",
        gif[:-1].replace(b"\x2c", b"\x21\xfe" + b"\xff" + bytes(255), 1) * 40,
    )
    for name, offset in (("bmp", 18), ("alpha.bmp", 18)):
        for width, height in ((30_000, 30_000), (2**31 - 1, 1), (-48, 40), (48, -(2**31))):
            size = struct.pack("<ii", width, height)
            data = sound[name]
            yield f"{name} of {width} x {height}", data[:offset] + size + data[offset + 8 :]
    runs = struct.pack("<IiiHHIIiiII", 40, 3_000, 3_000, 1, 8, 1, 0, 0, 0, 256, 0)
    yield (
        "BMP of runs",
        b"BM" + struct.pack("<IHHI", 2_000, 0, 0, 1_078) + runs + bytes(1_024) + b"\xff\1" * 40_000,
    )
    lossless = b"\x2f" + struct.pack("<I", 16_382 | 16_382 << 14) + bytes(64)
    body = b"WEBPVP8L" + struct.pack("<I", len(lossless)) + lossless
    yield "WebP of 16,383 x 16,383", b"RIFF" + struct.pack("<I", len(body)) + body
    avif = sound["avif"]
    place = avif.index(b"ispe") + 8
    yield (
        "AVIF of 60,000 x 60,000",
        avif[:place] + struct.pack(">II", 60_000, 60_000) + avif[place + 8 :],
    )


def _frame(gif: bytes) -> bytes:
    return gif[gif.rindex(b"\x2c") : -1][:60] + b"\0"


def _metadata(sound: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    loop = b"II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0"
    many = b"MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12\0\x03\xff\xff\xff\xff\0\x06\0\0" * 5_000
    far = b"II*\0\xff\xff\xff\xff"
    for name, exif in (
        ("loop", loop),
        ("65,535 tags", many),
        ("far away", far),
        ("text", b"words"),
    ):
        words = (b"Exif\0\0" + exif)[:65_000]
        segment = b"\xff\xe1" + struct.pack(">H", len(words) + 2) + words
        yield f"JPEG with EXIF: {name}", sound["jpeg"][:2] + segment + sound["jpeg"][2:]
        yield f"PNG with EXIF: {name}", _png(8, 8, 8, 2, _zeros(200), _chunk(b"eXIf", exif))
    for name in ("exif.jpeg", "exif.png", "exif.webp", "exif.avif"):
        data = sound[name]
        for what in (
            b"Exif",
            b"ICC_PROFILE",
            b"iCCP",
            b"ICCP",
            b"acsp",
            b"II*\0",
            b"MM\0*",
            b"EXIF",
        ):
            place = data.find(what)
            if place >= 0:
                for junk in (bytes(8), b"\xff" * 8):
                    yield f"{name} without {what!r}", data[:place] + junk + data[place + 8 :]

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from apparent.errors import UndecodablePhoto, UnsupportedFormat
from apparent.photo import Photo
from tests.conftest import encoded

LIMIT = 50_000_000

# What each EXIF orientation says about where row 0 and column 0 of the stored picture belong.
STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises much and holds one empty block of pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"")
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("orientation", STORED)
def test_every_exif_orientation_comes_out_upright(
    orientation: int, rng: np.random.Generator
) -> None:
    upright = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = Photo(encoded(np.ascontiguousarray(STORED[orientation](upright)), exif=exif), LIMIT)
    assert (photo.width, photo.height) == (30, 20)
    np.testing.assert_array_equal(photo.pixels(), upright)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_exif_orientation_out_of_range_is_ignored(value: int, rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = value
    np.testing.assert_array_equal(Photo(encoded(pixels, exif=exif), LIMIT).pixels(), pixels)


def test_damaged_exif_does_not_spoil_the_photo(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    data = encoded(pixels, "JPEG", exif=b"Exif\0\0MM\0\x2a\0\0\0\x08\xff\xff junk")
    assert Photo(data, LIMIT).pixels().shape == (20, 30, 3)


def test_a_jpeg_is_decoded_no_finer_than_asked_for() -> None:
    photo = Photo(encoded(np.full((1203, 1601, 3), 90, np.uint8), "JPEG"), LIMIT)
    assert photo.pixels().shape == (1203, 1601, 3)
    assert photo.pixels(640).shape == (602, 801, 3)
    assert photo.pixels(201).shape == (151, 201, 3)
    assert photo.pixels(10_000).shape == (1203, 1601, 3)


def test_a_reduced_jpeg_shows_the_same_picture(collins: bytes) -> None:
    photo = Photo(collins, LIMIT)
    half = np.asarray(Image.fromarray(photo.pixels()).reduce(2), np.int16)
    assert np.abs(photo.pixels(256) - half).mean() < 2


def test_transparent_pixels_lie_on_white() -> None:
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[0, 0] = (10, 20, 30, 255)
    rgb = Photo(encoded(pixels), LIMIT).pixels()
    assert rgb[0, 0].tolist() == [10, 20, 30]
    assert rgb[3, 3].tolist() == [255, 255, 255]


def test_16_bit_grey_keeps_its_brightness() -> None:
    grey = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    rgb = Photo(encoded(grey), LIMIT).pixels()
    np.testing.assert_array_equal(rgb[..., 1], grey >> 8)


def test_cmyk_becomes_rgb() -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    centre = Photo(encoded(red, "JPEG", quality=95), LIMIT).pixels()[8, 8].astype(int)
    assert centre[0] > 200
    assert max(centre[1:]) < 60


def test_an_animation_is_its_first_frame() -> None:
    frames = [Image.new("RGB", (12, 8), colour) for colour in ("red", "blue", "lime")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert Photo(data, LIMIT).pixels()[4, 4].tolist() == [255, 0, 0]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP"])
def test_every_listed_format_is_read(kind: str) -> None:
    pixels = np.full((32, 48, 3), (200, 100, 50), np.uint8)
    photo = Photo(encoded(pixels, kind), LIMIT)
    assert np.abs(photo.pixels().astype(int) - pixels).max() < 20


@pytest.mark.parametrize(
    "data", [b"just some text", b"\x00" * 100, encoded(Image.new("RGB", (8, 8)), "TIFF")]
)
def test_bytes_of_another_kind_are_refused(data: bytes) -> None:
    with pytest.raises(UnsupportedFormat, match="JPEG, PNG"):
        Photo(data, LIMIT)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_a_truncated_photo_is_refused(kind: str, rng: np.random.Generator) -> None:
    data = encoded(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8), kind)
    with pytest.raises(UndecodablePhoto):
        Photo(data[: len(data) // 2], LIMIT).pixels()


def test_a_photo_cut_off_in_its_header_is_damaged_not_of_another_kind() -> None:
    with pytest.raises(UndecodablePhoto, match="damaged"):
        Photo(png_header(50, 50)[:30], LIMIT)


@pytest.mark.parametrize("side", [7_100, 12_000, 50_000])
def test_too_many_pixels_are_refused_from_the_header_alone(side: int) -> None:
    with pytest.raises(UndecodablePhoto, match="pixels"):
        Photo(png_header(side, side), LIMIT)


def test_a_jpeg_of_very_many_scans_is_refused(collins: bytes) -> None:
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\x00"
    with pytest.raises(UndecodablePhoto, match="scans"):
        Photo(collins[:-2] + scan * 101 + collins[-2:], LIMIT)

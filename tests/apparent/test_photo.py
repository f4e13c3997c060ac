import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from apparent.errors import UndecodablePhoto, UnsupportedFormat
from apparent.photo import MAX_PIXELS as LIMIT
from apparent.photo import Photo, read
from tests.conftest import encoded

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


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG that promises much and holds one empty block of pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"")
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def with_chunk(png: bytes, extra: bytes) -> bytes:
    """A PNG with something right behind its header."""
    return png[:33] + extra + png[33:]


def bmp_32(pixels: NDArray[np.uint8], fourth: int) -> bytes:
    """A BMP with a version-5 header whose fourth byte is declared as alpha."""
    height, width = pixels.shape[:2]
    alpha = np.full((height, width, 1), fourth, np.uint8)
    body = np.dstack([pixels[::-1, :, ::-1], alpha]).tobytes()
    header = struct.pack("<IiiHHIIiiII", 124, width, height, 1, 32, 3, len(body), 0, 0, 0, 0)
    header += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + bytes(64)
    return b"BM" + struct.pack("<IHHI", 138 + len(body), 0, 0, 138) + header + body


def bmp_run_length(width: int, height: int) -> bytes:
    """A BMP of one pixel, the rest of whose first row is left out."""
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, 6, 0, 0, 256, 0)
    palette = b"".join(bytes((i, 255 - i, 0, 0)) for i in range(256))
    return b"BM" + struct.pack("<IHHI", 1084, 0, 0, 1078) + header + palette + b"\1\1\0\0\0\1"


def heic(*brands: bytes) -> bytes:
    """The first bytes of a file of the HEIF family."""
    box = b"ftyp" + brands[0] + bytes(4) + b"".join(brands[1:])
    return struct.pack(">I", 4 + len(box)) + box + bytes(400)


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


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_picture_of_pillow_s_is_turned_once(
    orientation: int, kind: str, rng: np.random.Generator
) -> None:
    """Pillow turns a TIFF when it reads its pixels, and no other file."""
    upright = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(np.ascontiguousarray(STORED[orientation](upright)), kind, exif=exif)
    image = Image.open(io.BytesIO(data))
    for _ in range(2):
        np.testing.assert_array_equal(read(image).pixels(), upright)


def test_damaged_exif_does_not_spoil_the_photo(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    data = encoded(pixels, "JPEG", exif=b"Exif\0\0MM\0\x2a\0\0\0\x08\xff\xff junk")
    assert Photo(data, LIMIT).pixels().shape == (20, 30, 3)


@pytest.mark.parametrize(
    ("long_side", "shape"),
    [
        (None, (1203, 1601, 3)),
        (640, (602, 801, 3)),
        (201, (151, 201, 3)),
        (10_000, (1203, 1601, 3)),
    ],
)
def test_a_jpeg_is_decoded_no_finer_than_asked_for(
    long_side: int | None, shape: tuple[int, ...]
) -> None:
    photo = Photo(encoded(np.full((1203, 1601, 3), 90, np.uint8), "JPEG"), LIMIT)
    assert photo.pixels(long_side).shape == shape


def test_a_jpeg_of_few_rows_is_decoded_at_a_reduced_scale_too() -> None:
    photo = Photo(encoded(Image.new("RGB", (9000, 3), "red"), "JPEG"), 100_000)
    assert photo.pixels(640).shape[1] >= 640


def test_pixels_are_decoded_again_only_where_finer_ones_are_asked_for(collins: bytes) -> None:
    photo = Photo(collins, LIMIT)
    coarse = photo.pixels(100)
    assert photo.pixels(128) is coarse
    fine = photo.pixels()
    assert fine.shape == (512, 512, 3)
    assert photo.pixels(100) is fine


def test_a_jpeg_of_very_many_pixels_is_decoded_at_half_its_scale_but_drawn_on_whole() -> None:
    photo = Photo(encoded(Image.new("L", (8000, 5000), 90), "JPEG"), LIMIT)
    assert photo.pixels().shape == photo.pixels(8000).shape == (2500, 4000, 3)
    assert photo.image().size == (photo.width, photo.height) == (8000, 5000)


def test_a_reduced_jpeg_shows_the_same_picture(collins: bytes) -> None:
    half = np.asarray(Image.fromarray(Photo(collins, LIMIT).pixels()).reduce(2), np.int16)
    assert np.abs(Photo(collins, LIMIT).pixels(256) - half).mean() < 2


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


@pytest.mark.parametrize("side", [8_100, 12_000, 50_000])
def test_too_many_pixels_are_refused_from_the_header_alone(side: int) -> None:
    with pytest.raises(UndecodablePhoto, match="at most 64,000,000 pixels"):
        Photo(png_header(side, side), LIMIT)


def test_a_jpeg_beyond_pillows_own_limit_is_read_where_the_caller_allows_it() -> None:
    data = encoded(Image.new("L", (16_320, 12_240), 128), "JPEG", quality=50)
    with pytest.raises(UndecodablePhoto, match="at most 64,000,000 pixels"):
        Photo(data, LIMIT)
    assert Photo(data, 300_000_000).pixels(640).shape == (1530, 2040, 3)


# JPEG


def mpo(first: bytes, second: bytes) -> bytes:
    """Two JPEGs in one file, as phones have it (CIPA's Multi-Picture Format)."""
    index = b"MPF\0II\x2a\0\x08\0\0\0" + struct.pack("<HHHI4s", 3, 0xB000, 7, 4, b"0100")
    index += struct.pack("<HHII", 0xB001, 4, 1, 2) + struct.pack("<HHIII", 0xB002, 7, 32, 50, 0)
    end = len(first) + 4 + len(index) + 32
    index += struct.pack("<IIIHH", 0x030000, end, 0, 0, 0)
    index += struct.pack("<IIIHH", 0, len(second), end - 10, 0, 0)
    segment = b"\xff\xe2" + struct.pack(">H", len(index) + 2) + index
    return first[:2] + segment + first[2:] + second


def test_the_first_picture_of_several_in_a_jpeg_is_a_jpeg(collins: bytes, hopper: bytes) -> None:
    several = mpo(collins, hopper)
    assert Image.open(io.BytesIO(several)).format == "MPO"
    photo = Photo(several, LIMIT)
    assert photo.format == "JPEG"
    assert photo.pixels(250).shape == (256, 256, 3)


def test_bytes_behind_the_picture_do_not_matter(collins: bytes, rng: np.random.Generator) -> None:
    behind = b"\0\0\0\x18ftypmp42" + rng.bytes(2_000_000) + b"\xff\xda" * 1000
    np.testing.assert_array_equal(
        Photo(collins + behind, LIMIT).pixels(), Photo(collins, LIMIT).pixels()
    )


def with_scans(progressive: bytes, more: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    return progressive[:-2] + progressive[progressive.rindex(b"\xff\xda") : -2] * more + b"\xff\xd9"


def test_a_jpeg_of_more_than_20_scans_is_refused(collins: bytes, hopper: bytes) -> None:
    progressive = encoded(Image.open(io.BytesIO(collins)), "JPEG", progressive=True)
    assert Photo(with_scans(progressive, 10), LIMIT).pixels().shape == (512, 512, 3)
    many = with_scans(progressive, 11)
    for data in (many, mpo(many, hopper)):
        with pytest.raises(UndecodablePhoto, match="20 scans"):
            Photo(data, LIMIT)


@pytest.mark.parametrize("size", [(65_536, 1), (1, 65_536)])
def test_a_row_of_very_many_pixels_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(UndecodablePhoto, match="a side of at most 65,535 is read"):
        Photo(encoded(Image.new("L", size)), 10**8)
    whole = encoded(Image.new("L", (min(size[0], 65_535), min(size[1], 65_535))))
    assert Photo(whole, 10**8).width in (1, 65_535)


def test_many_scans_of_many_pixels_are_refused() -> None:
    grey = Image.new("RGB", (6000, 6000), (128, 128, 128))
    progressive = encoded(grey, "JPEG", progressive=True, subsampling=2)
    Photo(progressive, LIMIT)
    with pytest.raises(UndecodablePhoto, match="without 'progressive'"):
        Photo(with_scans(progressive, 8), LIMIT)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 2}])
@pytest.mark.parametrize("missing", [2, 20])
def test_a_jpeg_without_its_last_bytes_shows_what_is_there(
    missing: int, options: dict[str, object], hopper: bytes
) -> None:
    data = encoded(Image.open(io.BytesIO(hopper)), "JPEG", quality=95, **options)
    photo = Photo(data[:-missing], LIMIT)
    difference = np.abs(photo.pixels().astype(int) - Photo(data, LIMIT).pixels())
    assert photo.pixels().shape == (600, 512, 3)
    assert difference[:560].max() == 0 or "progressive" in options
    assert difference.mean() < 2


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_jpeg_with_less_than_nine_rows_in_ten_is_refused_as_incomplete(
    orientation: int, rng: np.random.Generator
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(rng.integers(0, 256, (640, 640, 3), dtype=np.uint8), "JPEG", exif=exif)
    assert Photo(data[: int(len(data) * 0.95)], LIMIT).pixels().shape == (640, 640, 3)
    with pytest.raises(UndecodablePhoto, match="incomplete"):
        Photo(data[: int(len(data) * 0.85)], LIMIT).pixels()
    with pytest.raises(UndecodablePhoto, match="incomplete"):
        Photo(data[: int(len(data) * 0.85)], LIMIT).pixels(80)


def test_a_progressive_jpeg_cut_off_before_its_details_is_refused(hopper: bytes) -> None:
    data = encoded(Image.open(io.BytesIO(hopper)), "JPEG", progressive=True)
    with pytest.raises(UndecodablePhoto, match="incomplete"):
        Photo(data[: len(data) // 4], LIMIT)


@pytest.mark.parametrize("between", [b"\xff" * 5_000_000, b"\xff\xfe\0\2" * 4_000])
def test_padding_and_comments_of_a_jpeg_are_passed_over(between: bytes, collins: bytes) -> None:
    photo = Photo(collins[:2] + between + collins[2:], LIMIT)
    assert photo.pixels().shape == (512, 512, 3)


def test_a_jpeg_of_very_many_segments_is_refused(collins: bytes) -> None:
    with pytest.raises(UndecodablePhoto, match="segments"):
        Photo(collins[:2] + b"\xff\xfe\0\2" * 1_000_000 + collins[2:], LIMIT)


# PNG, BMP, GIF, HEIC


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"x" * 2_000_000)),
        chunk(b"zTXt", b"prompt\0\0" + zlib.compress(b"x" * 2_000_000)),
        chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(2_000_000))),
        chunk(b"tEXt", b"a\0b")[:-1] + b"\0",
    ],
    ids=["iTXt", "zTXt", "iCCP", "checksum"],
)
def test_large_or_damaged_texts_do_not_hide_a_png(extra: bytes, rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    np.testing.assert_array_equal(Photo(with_chunk(encoded(pixels), extra), LIMIT).pixels(), pixels)


def test_an_unused_fourth_byte_of_a_bmp_is_no_transparency(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    np.testing.assert_array_equal(Photo(bmp_32(pixels, 0), LIMIT).pixels(), pixels)
    seen_through = Photo(bmp_32(pixels, 128), LIMIT).pixels()
    np.testing.assert_allclose(seen_through, pixels / 2 + 127, atol=2)


@pytest.mark.parametrize(
    "brands", [(b"heic", b"mif1"), (b"mif1", b"mif1", b"heic"), (b"heix",), (b"msf1", b"hevc")]
)
def test_a_heic_is_refused_by_its_name(brands: tuple[bytes, ...]) -> None:
    with pytest.raises(UnsupportedFormat, match=r"HEIC.*JPEG"):
        Photo(heic(*brands), LIMIT)


def test_comments_before_a_gifs_picture_are_passed_over() -> None:
    data = encoded(Image.new("P", (12, 8), 0), "GIF", transparency=0)
    start = 13 + (3 << (data[10] & 7) + 1)
    comment = b"\x21\xfe" + (b"\xff" + b"x" * 255) * 10_000 + b"\0"
    photo = Photo(data[:start] + comment + data[start:], LIMIT)
    assert photo.pixels()[4, 4].tolist() == [255, 255, 255]


# What little may cost


@pytest.mark.parametrize(
    "data",
    [
        encoded(Image.new("RGB", (5000, 5000)), "WEBP", lossless=True, method=0),
        encoded(Image.new("RGB", (5000, 5000)), "AVIF", speed=10),
        encoded(Image.new("P", (6000, 6000)), "GIF"),
        bmp_run_length(3_000_000, 1),
        png_header(6000, 6000),
        png_header(5000, 5000, 8, 6),
        png_header(4000, 4000, 16, 6),
    ],
    ids=["WEBP", "AVIF", "GIF", "BMP", "PNG pixels", "PNG RGBA", "PNG 16 bits"],
)
def test_few_bytes_that_promise_very_many_pixels_are_refused(data: bytes) -> None:
    with pytest.raises(UndecodablePhoto, match=r"Scale it down|Save it as"):
        Photo(data, LIMIT)


def test_a_caller_who_allows_more_pixels_allows_more_of_every_format() -> None:
    data = encoded(Image.new("RGB", (5000, 5000)), "AVIF", speed=10)
    assert Photo(data, 2 * LIMIT).width == 5000


def test_a_large_file_may_have_more_pixels_than_a_small_one() -> None:
    plain = png_header(6000, 6000)
    assert Photo(plain[:-12] + chunk(b"juNk", bytes(9_100_000)) + plain[-12:], LIMIT)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_of_exif_no_more_than_the_orientation_is_read(kind: str) -> None:
    """Pillow warns of tags that lead out of it; tags that overlap take it half a minute."""
    tag = struct.pack("<HHII", 0x010F, 2, 1_000, 5_000)
    exif = b"II*\0" + struct.pack("<IH", 8, 1) + tag + bytes(4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = encoded(Image.new("RGB", (16, 16)), kind, exif=b"Exif\0\0" + exif)
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        assert Photo(data, LIMIT).pixels().shape == (16, 16, 3)
    assert not given


def test_a_picture_of_pillow_s_that_is_no_photo_is_told() -> None:
    whole = encoded(np.zeros((64, 64, 3), np.uint8), "PNG")
    for image, told in (
        (Image.new("RGB", (0, 10)), "0 x 10 pixels"),
        (Image.new("La", (8, 8)), "mode La"),
        (Image.open(io.BytesIO(whole[: len(whole) // 2])), "cannot be made RGB"),
    ):
        with pytest.raises(UndecodablePhoto, match=told):
            read(image)

import math

import numpy as np
import pytest
from PIL import Image, ImageOps

from apparent.arrays import Landmarks, Pixels
from apparent.detector import MIN_SCORE, Detection, Detector
from apparent.finder import Finder
from apparent.model import DETECTOR, EMBEDDED
from apparent.photo import DecodedPhoto
from tests.conftest import SAMPLES

GREY = (128, 128, 128)
FACES = {"eileen_collins": (178, 63, 91, 113), "grace_hopper": (183, 120, 170, 213)}
"""Left, top, width, height."""


@pytest.fixture(scope="module")
def finder() -> Finder:
    return Finder(Detector((EMBEDDED / DETECTOR).read_bytes(), threads=1))


def portrait(name: str) -> Image.Image:
    return Image.open(SAMPLES / f"{name}.jpg").convert("RGB")


def head(name: str) -> Image.Image:
    """The face with as much around it as its own size."""
    left, top, width, height = FACES[name]
    return portrait(name).crop(
        (left - width // 2, top - height // 2, left + width * 3 // 2, top + height * 3 // 2)
    )


def found(finder: Finder, picture: Image.Image) -> list[Detection]:
    faces, number = finder.find(DecodedPhoto(np.asarray(picture)), 32)
    assert number == len(faces)
    return faces


def eyes(landmarks: Landmarks) -> float:
    """The distance of the eyes, pixels."""
    return float(np.hypot(*(landmarks[1] - landmarks[0])))


def test_the_longest_photos_cost_no_more_looks_than_long_ones() -> None:
    looks = 0

    class Counting(Detector):
        def detect(self, pixels: Pixels, min_score: float = MIN_SCORE) -> list[Detection]:
            nonlocal looks
            looks += 1
            return super().detect(pixels, min_score)

    finder = Finder(Counting((EMBEDDED / DETECTOR).read_bytes(), threads=1))
    panorama = Image.new("RGB", (20_480, 512), GREY)
    panorama.paste(portrait("eileen_collins"), (9000, 0))
    (face,) = found(finder, panorama)
    np.testing.assert_allclose(face.box[:2], [9178, 63], atol=15)
    for size in ((400_000, 1), (1, 400_000)):
        looks = 0
        assert not found(finder, Image.new("RGB", size, GREY))
        assert looks < 50


@pytest.mark.parametrize("side", [200, 640, 2000])
def test_boxes_are_in_the_pixels_of_the_photo_given(finder: Finder, side: int) -> None:
    (face,) = found(finder, portrait("eileen_collins").resize((side, side)))
    left, top, width, height = FACES["eileen_collins"]
    expected = np.array([left, top, left + width, top + height]) * side / 512
    np.testing.assert_allclose(face.box, expected, atol=0.03 * side)


def test_the_largest_face_comes_first(finder: Finder) -> None:
    both = Image.new("RGB", (800, 512))
    both.paste(portrait("eileen_collins").resize((256, 256)), (0, 0))
    both.paste(portrait("eileen_collins"), (280, 0))
    assert [face.box[0] > 280 for face in found(finder, both)] == [True, False]


@pytest.mark.parametrize("name", FACES)
@pytest.mark.parametrize("angle", [20, 45, 60, 90, 135, 180, 270])
def test_a_turned_face_is_found_with_its_eyes_where_they_are(
    finder: Finder, name: str, angle: int
) -> None:
    picture = portrait(name)
    (upright,) = found(finder, picture)
    turned = picture.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=GREY)
    (face,) = found(finder, turned)
    radians = math.radians(angle)
    cos, sin = math.cos(radians), math.sin(radians)
    about = np.array(picture.size) / 2
    expected = (upright.landmarks - about) @ np.array([[cos, -sin], [sin, cos]])
    expected += np.array(turned.size) / 2
    apart = np.hypot(*(face.landmarks - expected).T)
    assert apart.max() < 0.2 * eyes(upright.landmarks)


@pytest.mark.parametrize("name", FACES)
@pytest.mark.parametrize("margin", [1.5, 1.0, 0.8])
def test_a_face_that_fills_a_large_photo_is_found(finder: Finder, name: str, margin: float) -> None:
    left, top, width, height = FACES[name]
    x, y = left + width / 2, top + height / 2
    half = (width * margin / 2, height * margin / 2)
    box = (x - half[0], y - half[1], x + half[0], y + half[1])
    rounded = (round(box[0]), round(box[1]), round(box[2]), round(box[3]))
    crop = portrait(name).crop(rounded)
    large = crop.resize((round(1600 * crop.width / crop.height), 1600), Image.Resampling.LANCZOS)
    (face,) = found(finder, large)
    # As in the whole photo, on the scale of the crop.
    (whole,) = found(finder, portrait(name))
    expected = (whole.landmarks - (box[0], box[1])) * 1600 / crop.height
    assert np.hypot(*(face.landmarks - expected).T).max() < 0.2 * eyes(expected)


def grid(size: tuple[int, int], face: int, columns: int, rows: int) -> Image.Image:
    """Faces of about `face` pixels, evenly spread."""
    scene = Image.new("RGB", size, GREY)
    people = [head(name).resize((2 * face, round(2.5 * face))) for name in FACES]
    for i in range(columns * rows):
        x = (2 * (i % columns) + 1) * size[0] // (2 * columns) - face
        y = (2 * (i // columns) + 1) * size[1] // (2 * rows) - round(1.25 * face)
        scene.paste(people[i % 2], (x, y))
    return scene


@pytest.mark.parametrize(
    ("size", "face", "columns", "rows"),
    [
        ((4000, 3000), 70, 6, 4),
        ((6000, 700), 120, 6, 1),
        ((600, 6000), 90, 2, 6),
        ((640, 480), 60, 3, 2),
    ],
)
def test_all_faces_of_large_and_of_long_photos_are_found(
    finder: Finder, size: tuple[int, int], face: int, columns: int, rows: int
) -> None:
    assert len(found(finder, grid(size, face, columns, rows))) == columns * rows


def test_more_faces_than_asked_for_are_counted(finder: Finder) -> None:
    photo = DecodedPhoto(np.asarray(grid((1600, 1200), 100, 4, 3)))
    faces, number = finder.find(photo, 5)
    assert (len(faces), number) == (5, 12)


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (700, 3), (2000, 1000), (90, 1500)])
def test_no_face_in_a_picture_of_any_shape_without_one(
    finder: Finder, shape: tuple[int, int]
) -> None:
    assert found(finder, Image.new("RGB", shape[::-1], GREY)) == []


def test_noise_and_patterns_are_no_faces(finder: Finder, rng: np.random.Generator) -> None:
    rows, columns = np.indices((480, 640))
    patterns = [
        rng.integers(0, 256, (480, 640, 3), dtype=np.uint8),
        np.repeat((((rows // 40) + (columns // 40)) % 2 * 255)[..., None], 3, axis=2),
        np.repeat((127 + 127 * np.sin(np.hypot(rows - 240, columns - 320) / 9))[..., None], 3, 2),
    ]
    for pattern in patterns:
        assert found(finder, Image.fromarray(pattern.astype(np.uint8))) == []


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_all_faces_of_a_photo_on_its_side_are_found(finder: Finder, quarters: int) -> None:
    upright = grid((1600, 1200), 130, 3, 2)
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(np.asarray(upright), quarters)))
    assert len(found(finder, turned)) == len(found(finder, upright)) == 6


@pytest.mark.parametrize("name", FACES)
def test_a_mirrored_photo_has_the_same_face_mirrored(finder: Finder, name: str) -> None:
    picture = portrait(name)
    (face,) = found(finder, picture)
    (twin,) = found(finder, ImageOps.mirror(picture))
    expected = face.mirrored(picture.width).landmarks
    assert np.hypot(*(twin.landmarks - expected).T).mean() < 0.05 * eyes(expected)

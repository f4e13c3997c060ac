import numpy as np
import pytest
from PIL import Image

from apparent.alignment import TEMPLATE, align, resolution, similarity


def scene(width: int, height: int) -> np.ndarray:
    """A smooth picture in which every place has a colour of its own."""
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    return np.stack([255 * x, 255 * y, 127 + 60 * np.sin(6 * x)], axis=2).astype(np.uint8)


def turned(
    points: np.ndarray, degrees: float, scale: float, shift: tuple[float, float]
) -> np.ndarray:
    angle = np.radians(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved: np.ndarray = scale * points @ rotation.T + shift
    return moved


@pytest.mark.parametrize(("degrees", "scale"), [(0, 1), (30, 2.5), (-90, 0.4), (180, 1)])
def test_a_similarity_is_recovered_exactly(degrees: float, scale: float) -> None:
    target = turned(TEMPLATE, degrees, scale, (3, -7))
    matrix = similarity(TEMPLATE, target)
    np.testing.assert_allclose(TEMPLATE @ matrix[:, :2].T + matrix[:, 2], target, atol=1e-12)
    assert np.hypot(*matrix[:, 0]) == pytest.approx(scale)


def test_noise_in_one_landmark_moves_the_fit_only_a_little() -> None:
    noisy = TEMPLATE.copy()
    noisy[2] += 0.05
    matrix = similarity(TEMPLATE, noisy)
    assert np.abs(matrix - [[1, 0, 0], [0, 1, 0]]).max() < 0.03


def test_a_mirrored_face_is_not_mirrored_back() -> None:
    mirrored = TEMPLATE * (-1, 1)
    assert np.linalg.det(similarity(TEMPLATE, mirrored)[:, :2]) > 0


def test_coinciding_landmarks_are_refused() -> None:
    with pytest.raises(ValueError, match="coincide"):
        similarity(np.ones((5, 2)), TEMPLATE)


def test_a_photo_with_the_chip_s_geometry_comes_back_as_it_is() -> None:
    photo = scene(112, 112)
    chip = align(photo, TEMPLATE * 112, 112)
    assert chip.shape == (112, 112, 3)
    assert np.abs(chip[4:-4, 4:-4].astype(int) - photo[4:-4, 4:-4]).max() <= 2


@pytest.mark.parametrize("degrees", [0, 20, -75])
@pytest.mark.parametrize("scale", [0.5, 3.0, 11.0])
def test_a_face_of_any_size_and_turn_gives_the_same_chip(degrees: float, scale: float) -> None:
    """The photo is the chip, turned and scaled about its own middle: aligning undoes both."""
    size, side = 64, int(64 * scale * 1.5)
    corner = turned(np.array([[0.5, 0.5]]) * size, degrees, scale, (0, 0))[0]
    shift = (side / 2 - corner[0], side / 2 - corner[1])
    landmarks = turned(TEMPLATE * size, degrees, scale, shift)
    to_chip = similarity(landmarks, TEMPLATE * size)
    chip = scene(size, size)
    photo = Image.fromarray(chip).transform(
        (side, side), Image.Transform.AFFINE, tuple(to_chip.ravel()), Image.Resampling.BICUBIC
    )
    found = align(np.asarray(photo), landmarks, size)
    middle = slice(10, -10)
    assert np.abs(found[middle, middle].astype(int) - chip[middle, middle]).mean() < 2


def test_beyond_the_photo_its_edge_is_repeated() -> None:
    photo = scene(100, 100)
    chip = align(photo, TEMPLATE * 100 + (50, 0), 100)  # the right half lies outside
    np.testing.assert_allclose(chip[50, 52:96, 0], photo[50, 99, 0], atol=2)
    assert chip[20, 90, 1] < chip[80, 90, 1]


@pytest.mark.parametrize("shift", [(-500.0, 0.0), (900.0, 900.0)])
def test_a_face_outside_the_photo_still_gives_a_chip(shift: tuple[float, float]) -> None:
    assert align(scene(100, 80), TEMPLATE * 60 + shift, 32).shape == (32, 32, 3)


def test_resolution_counts_photo_pixels_per_chip_pixel() -> None:
    assert resolution(TEMPLATE * 336, 112) == pytest.approx(3)

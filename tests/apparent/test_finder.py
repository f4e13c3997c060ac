import numpy as np
import pytest
from PIL import Image

from apparent.detector import Detector
from apparent.finder import Finder
from apparent.model import DETECTOR, EMBEDDED
from apparent.photo import Photo


@pytest.fixture(scope="module")
def finder() -> Finder:
    return Finder(Detector((EMBEDDED / DETECTOR).read_bytes()))


@pytest.mark.parametrize("side", [200, 640, 2000])
def test_boxes_are_in_the_pixels_of_the_photo_given(
    finder: Finder, collins: bytes, side: int
) -> None:
    photo = Image.fromarray(Photo(collins, 10**7).pixels())
    (reference,) = finder.find(np.asarray(photo))
    (face,) = finder.find(np.asarray(photo.resize((side, side))))
    np.testing.assert_allclose(face.scaled(512 / side).box, reference.box, atol=8)


def test_the_largest_face_comes_first(finder: Finder, collins: bytes) -> None:
    photo = Image.fromarray(Photo(collins, 10**7).pixels())
    both = Image.new("RGB", (800, 512))
    both.paste(photo.resize((256, 256)), (0, 0))
    both.paste(photo, (280, 0))
    faces = finder.find(np.asarray(both))
    assert [face.box[0] > 280 for face in faces] == [True, False]


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (700, 3), (2000, 1000)])
def test_no_face_in_a_picture_of_any_shape_without_one(
    finder: Finder, shape: tuple[int, int]
) -> None:
    assert finder.find(np.full((*shape, 3), 127, np.uint8)) == []

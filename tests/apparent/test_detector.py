import numpy as np
import pytest

from apparent.detector import _FIXED_SIDES, Detector, decode, non_maximum_suppression
from apparent.errors import ModelError
from apparent.model import DETECTOR, EMBEDDED
from apparent.photo import Photo


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector((EMBEDDED / DETECTOR).read_bytes())


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_of_two_boxes_on_one_face_the_better_stays() -> None:
    found = boxes((0, 0, 10, 10), (1, 0, 11, 10), (50, 50, 60, 60))
    assert non_maximum_suppression(found, np.array([0.7, 0.9, 0.8], np.float32), 0.3) == [1, 2]


def test_boxes_that_overlap_less_than_the_limit_both_stay() -> None:
    found = boxes((0, 0, 10, 10), (5, 0, 15, 10))  # intersection over union = 1/3
    scores = np.array([0.9, 0.8], np.float32)
    assert non_maximum_suppression(found, scores, 0.34) == [0, 1]
    assert non_maximum_suppression(found, scores, 0.33) == [0]


def test_a_suppressed_box_suppresses_nothing() -> None:
    chain = boxes((0, 0, 10, 10), (4, 0, 14, 10), (8, 0, 18, 10))
    assert non_maximum_suppression(chain, np.array([0.9, 0.8, 0.7], np.float32), 0.3) == [0, 2]


def test_nothing_in_nothing_out() -> None:
    assert non_maximum_suppression(np.empty((0, 4), np.float32), np.empty(0, np.float32), 0.3) == []


def test_decoding_follows_the_grid() -> None:
    outputs = []
    for stride in (8, 16, 32):
        n = (32 // stride) * (64 // stride)
        outputs += [np.zeros((n, width), np.float32) for width in (1, 1, 4, 10)]
    cell = 1 * 4 + 2  # stride 16, row 1, column 2 of 4
    outputs[4][cell] = 0.81
    outputs[5][cell] = 1.0
    outputs[6][cell] = (0.5, 0.25, np.log(2), np.log(1))
    outputs[7][cell] = (0, 0, 1, 0, 0.5, 0.5, 0, 1, 1, 1)
    found, landmarks, scores = decode(outputs, 32, 64)
    np.testing.assert_allclose(scores, [0.9], rtol=1e-6)
    np.testing.assert_allclose(found, [[40 - 16, 20 - 8, 40 + 16, 20 + 8]], rtol=1e-6)
    np.testing.assert_allclose(landmarks[0, :3], [[32, 16], [48, 16], [40, 24]])


def test_one_face_is_found_where_it_is(detector: Detector, collins: bytes) -> None:
    (face,) = detector.detect(Photo(collins, 10**7).pixels())
    assert face.score > 0.85
    eyes, nose, mouth = face.landmarks[:2], face.landmarks[2], face.landmarks[3:]
    assert eyes[0, 0] < nose[0] < eyes[1, 0]
    assert eyes[:, 1].max() < nose[1] < mouth[:, 1].min()
    left, top, right, bottom = face.box
    assert 150 < left < right < 300
    assert 40 < top < bottom < 220


@pytest.mark.parametrize("change", [b"", bytes(len(_FIXED_SIDES))])
def test_another_network_is_refused_and_not_run_unchanged(change: bytes) -> None:
    data = (EMBEDDED / DETECTOR).read_bytes().replace(_FIXED_SIDES, change)
    with pytest.raises(ModelError, match="not YuNet as published"):
        Detector(data)


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (700, 3), (64, 64)])
def test_no_face_in_a_picture_of_any_shape_without_one(
    detector: Detector, shape: tuple[int, int]
) -> None:
    assert detector.detect(np.full((*shape, 3), 127, np.uint8)) == []

"""RGB pixels -> faces, by one run of a network: YuNet (Wu, Peng, Yu 2023) on onnxruntime.

The network is not ours (MIT licence); its file is taken from a pinned package at set-up.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from apparent import sessions
from apparent.arrays import Landmarks, Pixels
from apparent.errors import ModelError

Floats = NDArray[np.float32]

_MIRRORED: Final = [1, 0, 2, 4, 3]
"""Left and right change places."""
_STRIDES: Final = (8, 16, 32)
MIN_SCORE: Final = 0.6
"""Score of a face, 0 to 1."""
_MAX_OVERLAP: Final = 0.3
_VOTING_SCORE: Final = 0.3
_VOTING_OVERLAP: Final = 0.5

# The published graph fixes its input to 640 x 640 although no node in it needs that. Both sides are
# renamed in place (ONNX protobuf: dim_value 640 -> dim_param "h", "w", the same length), so that a
# small photo costs a small run.
_FIXED_SIDES: Final = b"\x0a\x03\x08\x80\x05\x0a\x03\x08\x80\x05"
_FREE_SIDES: Final = b"\x0a\x03\x12\x01h\x0a\x03\x12\x01w"


@dataclass(frozen=True, eq=False)
class Detection:
    """One face, in pixels of the array it was found in."""

    box: tuple[float, float, float, float]
    """Left, top, right, bottom; may reach beyond the photo."""
    landmarks: Landmarks
    score: float
    """0 to 1: geometric mean of YuNet's face and location confidence."""

    @property
    def area(self) -> float:
        """Of the box, in square pixels."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)

    @property
    def side(self) -> float:
        """Of a square as large as the box, in pixels."""
        return math.sqrt(max(self.area, 0))

    def scaled(self, factor: float) -> "Detection":
        """The same face in a photo `factor` times as large."""
        left, top, right, bottom = (side * factor for side in self.box)
        return Detection((left, top, right, bottom), self.landmarks * factor, self.score)

    def mirrored(self, width: float) -> "Detection":
        """The same face in the mirror image of a photo of that width."""
        left, top, right, bottom = self.box
        landmarks = self.landmarks[_MIRRORED] * (-1, 1) + (width, 0)
        return Detection((width - right, top, width - left, bottom), landmarks, self.score)

    def shifted(self, x: float, y: float) -> "Detection":
        """The same face in a photo with so many more pixels on its left and above."""
        left, top, right, bottom = self.box
        box = (left + x, top + y, right + x, bottom + y)
        return Detection(box, np.add(self.landmarks, (x, y)), self.score)

    def transformed(self, matrix: NDArray[np.float64]) -> "Detection":
        """The same face under a similarity `[2, 3]`; its box is the upright one around the moved.

        A box that is turned grows by no more than its turned sides need.
        """
        left, top, right, bottom = self.box
        linear, shift = matrix[:, :2], matrix[:, 2]
        centre = linear @ ((left + right) / 2, (top + bottom) / 2) + shift
        half = np.abs(linear) @ ((right - left) / 2, (bottom - top) / 2)
        low, high = (centre - half).tolist(), (centre + half).tolist()
        return Detection((*low, *high), self.landmarks @ linear.T + shift, self.score)


class Detector:
    """YuNet at one scale."""

    def __init__(self, model: bytes, threads: int = 0) -> None:
        """`model` is YuNet's published file; raises `ModelError` where it is another one."""
        self._session = sessions.load(_with_free_sides(model), threads)

    def detect(self, pixels: Pixels, min_score: float = MIN_SCORE) -> list[Detection]:
        """Faces of at least about 10 pixels in uint8 `[height, width, 3]` RGB, surest first."""
        height, width = pixels.shape[:2]
        padded_height, padded_width = (-(-side // 32) * 32 for side in (height, width))
        blob = np.zeros((1, 3, padded_height, padded_width), np.float32)
        blob[0, :, :height, :width] = pixels[:, :, ::-1].transpose(2, 0, 1)  # YuNet wants BGR
        names = [
            f"{kind}_{stride}" for stride in _STRIDES for kind in ("cls", "obj", "bbox", "kps")
        ]
        outputs = [output[0] for output in self._session.run(names, {"input": blob})]
        boxes, landmarks, scores = decode(outputs, padded_height, padded_width)
        sure = np.flatnonzero(scores >= min_score)
        kept = sure[non_maximum_suppression(boxes[sure], scores[sure], _MAX_OVERLAP)]
        return [_voted(i, boxes, landmarks, scores) for i in kept]


def _voted(best: int, boxes: Floats, landmarks: Floats, scores: Floats) -> Detection:
    """A candidate whose box and landmarks are the mean over all that overlap it, by their scores.

    Box voting (Gidaris and Komodakis 2015, section 5.2): each candidate errs with the place of the
    face on its own grid, and the mean errs half as much as the best alone.
    """
    voters = overlap(boxes[best], boxes) >= _VOTING_OVERLAP
    # Not a product of matrices: BLAS adds in an order that differs from build to build.
    box, face = (
        np.average(values[voters].astype(np.float64), axis=0, weights=scores[voters])
        for values in (boxes, landmarks)
    )
    return Detection(tuple(box.tolist()), face, float(scores[best]))


def _with_free_sides(model: bytes) -> bytes:
    # Of another file the replacement would be silently nothing, or something else.
    if model.count(_FIXED_SIDES) != 1:
        raise ModelError(
            "The face detector is not YuNet as published (2023mar): its input is not fixed to "
            "640 x 640 in one place. Run scripts/setup to fetch it."
        )
    return model.replace(_FIXED_SIDES, _FREE_SIDES)


def decode(outputs: list[Floats], height: int, width: int) -> tuple[Floats, Floats, Floats]:
    """Candidates that may vote, from the network's outputs for each stride.

    `outputs` holds cls `[n, 1]`, obj `[n, 1]`, bbox `[n, 4]` and kps `[n, 10]` for stride 8, then
    16, then 32, with n = (height / stride) * (width / stride). Returns boxes `[m, 4]` (left, top,
    right, bottom), landmarks `[m, 5, 2]` and scores `[m]`.
    """
    boxes, landmarks, scores = [], [], []
    for index, stride in enumerate(_STRIDES):
        cls, obj, bbox, kps = outputs[4 * index : 4 * index + 4]
        score = np.sqrt(cls[:, 0].clip(0, 1) * obj[:, 0].clip(0, 1))
        kept = np.flatnonzero(score >= _VOTING_SCORE)
        rows, columns = np.divmod(kept, width // stride)
        cells = np.stack([columns, rows], axis=1).astype(np.float32)
        centres = (cells + bbox[kept, :2]) * stride
        halves = np.exp(bbox[kept, 2:]) * stride / 2
        boxes.append(np.concatenate([centres - halves, centres + halves], axis=1))
        landmarks.append((kps[kept].reshape(-1, 5, 2) + cells[:, None]) * stride)
        scores.append(score[kept])
    return np.concatenate(boxes), np.concatenate(landmarks), np.concatenate(scores)


def overlap(box: Floats, boxes: Floats) -> Floats:
    """Intersection over union of one box `[4]` with others `[n, 4]`, `[n]`."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[2:], boxes[:, 2:])
    shared = (high - low).clip(min=0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    shares: Floats = shared / ((box[2:] - box[:2]).prod() + areas - shared)
    return shares


def non_maximum_suppression(boxes: Floats, scores: Floats, max_overlap: float) -> list[int]:
    """Indices of the boxes `[n, 4]` to keep, best first: greedy, by intersection over union."""
    order = scores.argsort(kind="stable")[::-1]
    kept: list[int] = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        order = rest[overlap(boxes[best], boxes[rest]) <= max_overlap]
    return kept

"""RGB pixels -> faces: YuNet (Wu, Peng, Yu 2023) on onnxruntime.

The network is not ours (MIT licence); its file is taken from a pinned package at set-up.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from apparent import sessions

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

INPUT_SIDE: Final = 640
"""Longer side, in pixels, of what the network sees; smaller photos are not enlarged."""

_STRIDES: Final = (8, 16, 32)
_MIN_SCORE: Final = 0.6
_MAX_OVERLAP: Final = 0.3

# The published graph fixes its input to 640 x 640 although no node in it needs that. Both sides are
# renamed in place (ONNX protobuf: dim_value 640 -> dim_param "h", "w", the same length), so that a
# small photo costs a small run.
_FIXED_SIDES: Final = b"\x0a\x03\x08\x80\x05\x0a\x03\x08\x80\x05"
_FREE_SIDES: Final = b"\x0a\x03\x12\x01h\x0a\x03\x12\x01w"


@dataclass(frozen=True, eq=False)
class Face:
    """One detection, in pixels of the array it was found in."""

    box: tuple[float, float, float, float]
    """Left, top, right, bottom; may reach beyond the photo."""
    landmarks: NDArray[np.float64]
    """`[5, 2]` (x, y): right eye, left eye, nose, right and left mouth corner."""
    score: float
    """0 to 1: geometric mean of YuNet's face and location confidence."""

    def scaled(self, factor: float) -> "Face":
        """The same face in a photo `factor` times as large."""
        left, top, right, bottom = (side * factor for side in self.box)
        return Face((left, top, right, bottom), self.landmarks * factor, self.score)


class Detector:
    """Finds faces of at least about 10 pixels in a photo scaled to `INPUT_SIDE`."""

    def __init__(self, model: bytes, threads: int = 0) -> None:
        self._session = sessions.load(model.replace(_FIXED_SIDES, _FREE_SIDES), threads)

    def detect(self, photo: Pixels) -> list[Face]:
        """Faces in uint8 `[height, width, 3]` RGB, the largest box first."""
        height, width = photo.shape[:2]
        factor = min(1.0, INPUT_SIDE / max(height, width))
        if factor < 1:
            size = (max(1, round(width * factor)), max(1, round(height * factor)))
            photo = np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BILINEAR))
        faces = [face.scaled(1 / factor) for face in self._detect_at_scale(photo)]
        return sorted(faces, key=_area, reverse=True)

    def _detect_at_scale(self, photo: Pixels) -> list[Face]:
        height, width = photo.shape[:2]
        padded_height, padded_width = (-(-side // 32) * 32 for side in (height, width))
        blob = np.zeros((1, 3, padded_height, padded_width), np.float32)
        blob[0, :, :height, :width] = photo[:, :, ::-1].transpose(2, 0, 1)  # YuNet wants BGR
        names = [
            f"{kind}_{stride}" for stride in _STRIDES for kind in ("cls", "obj", "bbox", "kps")
        ]
        outputs = [output[0] for output in self._session.run(names, {"input": blob})]
        boxes, landmarks, scores = decode(outputs, padded_height, padded_width)
        return [
            Face(tuple(boxes[i].tolist()), landmarks[i].astype(np.float64), float(scores[i]))
            for i in non_maximum_suppression(boxes, scores, _MAX_OVERLAP)
        ]


def decode(outputs: list[Floats], height: int, width: int) -> tuple[Floats, Floats, Floats]:
    """Candidates above the minimum score, from the network's outputs for each stride.

    `outputs` holds cls `[n, 1]`, obj `[n, 1]`, bbox `[n, 4]` and kps `[n, 10]` for stride 8, then
    16, then 32, with n = (height / stride) * (width / stride). Returns boxes `[m, 4]` (left, top,
    right, bottom), landmarks `[m, 5, 2]` and scores `[m]`.
    """
    boxes, landmarks, scores = [], [], []
    for index, stride in enumerate(_STRIDES):
        cls, obj, bbox, kps = outputs[4 * index : 4 * index + 4]
        score = np.sqrt(cls[:, 0].clip(0, 1) * obj[:, 0].clip(0, 1))
        kept = np.flatnonzero(score >= _MIN_SCORE)
        rows, columns = np.divmod(kept, width // stride)
        cells = np.stack([columns, rows], axis=1).astype(np.float32)
        centres = (cells + bbox[kept, :2]) * stride
        halves = np.exp(bbox[kept, 2:]) * stride / 2
        boxes.append(np.concatenate([centres - halves, centres + halves], axis=1))
        landmarks.append((kps[kept].reshape(-1, 5, 2) + cells[:, None]) * stride)
        scores.append(score[kept])
    return np.concatenate(boxes), np.concatenate(landmarks), np.concatenate(scores)


def non_maximum_suppression(boxes: Floats, scores: Floats, max_overlap: float) -> list[int]:
    """Indices of the boxes `[n, 4]` to keep, best first: greedy, by intersection over union."""
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    order = scores.argsort(kind="stable")[::-1]
    kept: list[int] = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = (high - low).clip(min=0).prod(axis=1)
        overlap = shared / (areas[best] + areas[rest] - shared)
        order = rest[overlap <= max_overlap]
    return kept


def _area(face: Face) -> float:
    left, top, right, bottom = face.box
    return (right - left) * (bottom - top)

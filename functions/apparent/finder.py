"""Upright pixels -> the faces in them: at which scales and turns the detector looks.

The rules, each paid for only by photos that need it:

1. A photo is looked at with its longer side at 640 px. One that is more than twice as long as wide
   is looked at in overlapping tiles as well, its shorter side at 480 px.
2. Where no face is found, or one fills the frame, the photo is looked at small, with a border: the
   detector loses faces that are larger than it learnt.
3. Where the photo has more pixels than were looked at, and no face or only small ones are found, or
   there are traces of small ones, it is looked at in tiles with its longer side at 1,280 px.
4. Where no face is found, or only weak ones, the other three quarter turns are tried.
5. Each face is looked at again in an upright patch cut around it, at the size that the detector
   knows best, and in its mirror image, and turned further while it leans. Where that is unsure, the
   patch is turned by quarters, and the surest counts. The mean of the looks is answered: landmarks,
   box, score; the first look only where it was clearly surer. A face that no patch shows stays only
   if the first look was sure of it.
6. Finds of one face are merged, the surest stays. The largest face comes first.
"""

import math
from collections.abc import Iterator
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from apparent.alignment import TEMPLATE, align, similarity
from apparent.arrays import Landmarks, Pixels
from apparent.detector import MIN_SCORE, Detection, Detector, overlap

SIDE: Final = 640
"""Longer side of the first look, in pixels; smaller photos are not enlarged."""
_FINE_SIDE: Final = 1280
_TILE_SIDE: Final = 480
_TILE: Final = 640
_TILE_OVERLAP: Final = 128
"""Pixels; a face that is cut by the edge of one tile lies whole in the next."""
_NARROW: Final = 2.0
_CLOSE_SIDE: Final = 240
_CLOSE_BORDER: Final = 60

_TRACE: Final = 0.35
"""Least score of what may be a face at a finer scale."""
_WEAK: Final = 0.88
"""Score below which a photo's surest face may lie on its side."""
_SURE: Final = 0.905
"""Score from which a patch shows an upright face: of 103 photos 95 % reached it, and none of them
upside down."""
_TRUSTED: Final = 0.85
"""Score from which a face stays that no patch shows."""
_SURER: Final = 0.03
"""By how much the first look must be surer than the last patch to be answered."""
_SMALL: Final = 36
"""Side of a face, in pixels of the first look, below which there may be others unseen."""
_FILLS: Final = 0.5
"""Share of a look's longer side from which a face fills the frame."""

_PATCH: Final = 192
_PATCH_TEMPLATE: Final = 0.5 + (TEMPLATE - 0.5) * 0.75
"""The chip in the middle of the patch: the face is about 120 pixels high."""
_UPRIGHT: Final = math.radians(3)
"""How far a face may lean in its patch for the patch to count as upright."""
_MAX_LOOKS: Final = 5
_HALF_STRIDE: Final = 4.0
"""Of the detector's finest grid, pixels."""

_MAX_OVERLAP: Final = 0.4
"""Intersection over union from which two finds are one face."""

Matrix = NDArray[np.float64]
"""`[2, 3]`: rotation, scale and shift."""


class Picture(Protocol):
    """A photo at any resolution."""

    @property
    def width(self) -> int:
        """Of the upright photo, in pixels."""

    @property
    def height(self) -> int:
        """Of the upright photo, in pixels."""

    def pixels(self, long_side: int | None = None) -> Pixels:
        """`[height, width, 3]`, its longer side at least `long_side` where the photo has that."""


class Finder:
    """Finds faces, and their landmarks steadily: wherever they lie on the grid of pixels."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def find(self, photo: Picture, most: int) -> tuple[list[Detection], int]:
        """The `most` largest faces in pixels of the photo, largest first, and how many there are.

        A box may reach beyond the photo, but lies in it with a pixel at least.
        """
        found = [face for face in self._coarse(photo) if _is_visible(face, photo)]
        groups = sorted(_grouped(found), key=lambda group: group[0].area, reverse=True)
        if not groups:
            return [], 0
        chosen, others = groups[:most], groups[most:]
        pixels = photo.pixels(_needed_side(photo, [group[0] for group in chosen]))
        factor = photo.width / pixels.shape[1]
        refined = []
        for group in chosen:
            # What the surest look saw may be no face, and what another saw there be one.
            looks = (self._refined(pixels, face.scaled(1 / factor)) for face in group)
            again = next((look for look in looks if look is not None), None)
            if again is not None and _is_visible(again.scaled(factor), photo):
                refined.append(again.scaled(factor))
        refined = [group[0] for group in _grouped(refined)]
        refined.sort(key=lambda face: face.area, reverse=True)
        return refined, len(refined) + len(others)

    def warm_up(self) -> None:
        """Runs the network at the sizes of an ordinary photo."""
        for height, width in ((SIDE * 3 // 4, SIDE), (_PATCH, _PATCH)):
            self._detector.detect(np.zeros((height, width, 3), np.uint8))

    def _coarse(self, photo: Picture) -> list[Detection]:
        longest = max(photo.width, photo.height)
        small = _scaled(photo.pixels(SIDE), SIDE)
        factor = longest / max(small.shape[:2])
        seen = [face.scaled(factor) for face in self._detector.detect(small, _TRACE)]
        found = [face for face in seen if face.score >= MIN_SCORE]
        if longest > _NARROW * min(photo.width, photo.height):
            narrow = math.ceil(longest * _TILE_SIDE / min(photo.width, photo.height))
            found += self._tiled(photo, min(longest, narrow))
        if not found or max(_side(face) for face in found) > _FILLS * longest:
            found += self._close_up(photo)
        little = min(map(_side, seen), default=0) < _SMALL * factor
        if little and longest > 1.5 * SIDE:
            found += self._tiled(photo, _FINE_SIDE)
        if max((face.score for face in found), default=0) < _WEAK:
            found += self._turned(small, factor)
        return found

    def _tiled(self, photo: Picture, side: int) -> Iterator[Detection]:
        """Faces at a scale whose longer side is too long for one look: memory stays as it was."""
        pixels = _scaled(photo.pixels(side), side)
        factor = max(photo.width, photo.height) / max(pixels.shape[:2])
        for top in _starts(pixels.shape[0]):
            for left in _starts(pixels.shape[1]):
                tile = pixels[top : top + _TILE, left : left + _TILE]
                for face in self._detector.detect(tile):
                    yield face.shifted(left, top).scaled(factor)

    def _close_up(self, photo: Picture) -> Iterator[Detection]:
        pixels = _scaled(photo.pixels(_CLOSE_SIDE), _CLOSE_SIDE)
        factor = max(photo.width, photo.height) / max(pixels.shape[:2])
        border = _CLOSE_BORDER
        framed = np.pad(pixels, ((border, border), (border, border), (0, 0)), mode="edge")
        for face in self._detector.detect(framed):
            yield face.shifted(-border, -border).scaled(factor)

    def _turned(self, pixels: Pixels, factor: float) -> Iterator[Detection]:
        height, width = pixels.shape[:2]
        for quarters in (1, 2, 3):
            turned = np.ascontiguousarray(np.rot90(pixels, quarters))
            for face in self._detector.detect(turned):
                yield _turned_back(face, quarters, width, height).scaled(factor)

    def _refined(self, pixels: Pixels, face: Detection) -> Detection | None:
        """The face as its upright patch shows it; None where that is judged to be none."""
        expected, best = face.landmarks, self._look(pixels, face.landmarks)
        if best is None or best.score < _SURE:
            turned = (self._in_patch(pixels, _expected_by_box(face, q)) for q in range(4))
            looks = [look for look in (best, *turned) if look is not None]
            best = max(looks, key=lambda look: look.score, default=None)
        if best is None:
            return face if face.score >= _TRUSTED else None
        for _ in range(_MAX_LOOKS):
            if _angle_between(expected, best.landmarks) < _UPRIGHT:
                break
            expected, again = best.landmarks, self._look(pixels, best.landmarks)
            if again is None:
                break
            best = again
        # A patch that reaches far beyond the photo shows less than the first look did.
        return face if face.score > best.score + _SURER else best

    def _look(self, pixels: Pixels, expected: Landmarks) -> Detection | None:
        """The mean of the patch and of its mirror image half a stride away: the two err apart.

        Over shifted crops the landmarks spread by 2.3 % of the eyes' distance with the first look
        alone, by 1.0 % with the patch, and by 0.9 % with both, which also halves what a mirrored
        photo moves.
        """
        looks = [
            self._in_patch(pixels, expected),
            self._in_patch(pixels, expected, shift=_HALF_STRIDE, mirrored=True),
        ]
        return _mean([look for look in looks if look is not None])

    def _in_patch(
        self, pixels: Pixels, expected: Landmarks, *, shift: float = 0, mirrored: bool = False
    ) -> Detection | None:
        """The face nearest the middle of the patch where landmarks are expected, in `pixels`.

        `shift` puts it elsewhere on the detector's grid, by so many pixels of the patch.
        """
        template = _PATCH_TEMPLATE + shift / _PATCH
        patch = align(pixels, expected, _PATCH, template, draft=True)
        faces = self._detector.detect(patch[:, ::-1] if mirrored else patch)
        faces = [face.mirrored(_PATCH) for face in faces] if mirrored else faces
        middle = _PATCH / 2 + shift

        def distance(face: Detection) -> float:
            return float(np.hypot(*(face.landmarks.mean(axis=0) - middle)))

        face = min(faces, key=distance, default=None)
        if face is None or distance(face) > _PATCH / 4:
            return None
        return _moved(face, similarity(template * _PATCH, expected))


def _needed_side(photo: Picture, faces: list[Detection]) -> int:
    """The longer side at which the smallest face is as large as in its patch."""
    smallest = min(map(_side, faces))
    longest = max(photo.width, photo.height)
    return max(SIDE, math.ceil(min(1.0, 120 / max(smallest, 1)) * longest))


def _starts(length: int) -> list[int]:
    """Where the tiles along a side begin, evenly spread."""
    count = max(1, math.ceil((length - _TILE_OVERLAP) / (_TILE - _TILE_OVERLAP)))
    starts: list[int] = np.linspace(0, max(0, length - _TILE), count).astype(int).tolist()
    return starts


def _scaled(pixels: Pixels, side: int) -> Pixels:
    height, width = pixels.shape[:2]
    factor = side / max(height, width)
    if factor >= 1:
        return pixels
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))


def _side(face: Detection) -> float:
    return math.sqrt(max(face.area, 0))


def _is_visible(face: Detection, photo: Picture) -> bool:
    left, top, right, bottom = face.box
    across = min(right, photo.width) - max(left, 0)
    return min(across, min(bottom, photo.height) - max(top, 0)) >= 1


def _grouped(faces: list[Detection]) -> list[list[Detection]]:
    """The finds of each face, the surest first."""
    boxes = np.array([face.box for face in faces], np.float32).reshape(-1, 4)
    left = sorted(range(len(faces)), key=lambda i: faces[i].score, reverse=True)
    groups = []
    while left:
        same = overlap(boxes[left[0]], boxes[left]) > _MAX_OVERLAP
        groups.append([faces[i] for i, one in zip(left, same, strict=True) if one])
        left = [i for i, one in zip(left, same, strict=True) if not one]
    return groups


def _mapped(points: Landmarks, matrix: Matrix) -> Landmarks:
    moved: Landmarks = points @ matrix[:, :2].T + matrix[:, 2]
    return moved


def _moved(face: Detection, matrix: Matrix) -> Detection:
    """The face under a similarity; its box is the upright one around the moved box."""
    left, top, right, bottom = face.box
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    centre = _mapped(corners, matrix).mean(axis=0)
    scale, angle = np.hypot(*matrix[:, 0]), math.atan2(matrix[1, 0], matrix[0, 0])
    cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
    width, height = scale * (right - left), scale * (bottom - top)
    half = np.array([width * cos + height * sin, width * sin + height * cos]) / 2
    low, high = (centre - half).tolist(), (centre + half).tolist()
    return Detection((*low, *high), _mapped(face.landmarks, matrix), face.score)


def _turned_back(face: Detection, quarters: int, width: int, height: int) -> Detection:
    """A face found in a picture of `width` x `height` that `numpy.rot90` had turned."""
    matrix = {
        1: np.array([[0.0, -1, width], [1, 0, 0]]),
        2: np.array([[-1.0, 0, width], [0, -1, height]]),
        3: np.array([[0.0, 1, 0], [-1, 0, height]]),
    }[quarters]
    return _moved(face, matrix)


def _expected_by_box(face: Detection, quarters: int) -> Landmarks:
    """Landmarks by the box alone, turned by quarters: those found of turned faces are wrong."""
    left, top, right, bottom = face.box
    centre = np.array([left + right, top + bottom]) / 2
    side, angle = _side(face) / 0.85, quarters * math.pi / 2
    cos, sin = math.cos(angle), math.sin(angle)
    linear = side * np.array([[cos, -sin], [sin, cos]])
    return _mapped(TEMPLATE, np.column_stack([linear, centre - linear @ (0.48, 0.46)]))


def _mean(looks: list[Detection]) -> Detection | None:
    """Of several looks at one face."""
    if not looks:
        return None
    left, top, right, bottom = np.mean([look.box for look in looks], axis=0).tolist()
    landmarks = np.mean([look.landmarks for look in looks], axis=0)
    return Detection((left, top, right, bottom), landmarks, max(look.score for look in looks))


def _angle_between(one: Landmarks, other: Landmarks) -> float:
    """Radians, 0 to pi, by which a similarity turns one set of landmarks into the other."""
    matrix = similarity(one, other)
    return abs(math.atan2(matrix[1, 0], matrix[0, 0]))

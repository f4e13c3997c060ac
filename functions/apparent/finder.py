"""Upright pixels -> the faces in them: at which scales and turns the detector looks.

The rules, each paid for only by photos that need it:

1. A photo is looked at with its longer side at 640 px. One that is more than twice as long as wide
   is looked at in overlapping tiles as well, its shorter side at 480 px or, where those would be
   more than 32, at less.
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
from PIL import Image

from apparent.arrays import Pixels
from apparent.detector import MIN_SCORE, Detection, Detector, overlap
from apparent.refinement import FACE_SIDE, Refiner

SIDE: Final = 640
"""Longer side of the first look, in pixels; smaller photos are not enlarged."""
_FINE_SIDE: Final = 1280
_TILE_SIDE: Final = 480
_TILE: Final = 640
_TILE_OVERLAP: Final = 128
"""Pixels; a face that is cut by the edge of one tile lies whole in the next."""
_NARROW: Final = 2.0
_MOST_TILES: Final = 32
"""A picture of one row and millions of columns would have tens of thousands."""
_CLOSE_SIDE: Final = 240
_CLOSE_BORDER: Final = 60

_TRACE: Final = 0.35
"""Least score of what may be a face at a finer scale."""
_WEAK: Final = 0.88
"""Score below which a photo's surest face may lie on its side."""
_SMALL: Final = 20
"""Side of a face, in pixels of the first look, below which there may be others unseen."""
_HUGE: Final = 16_000_000
"""Pixels from which every second one is enough to make a small picture."""
_FILLS: Final = 0.5
"""Share of a look's longer side from which a face fills the frame."""

_MAX_OVERLAP: Final = 0.4
"""Intersection over union from which two finds are one face."""


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
        self._refiner = Refiner(detector)

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
            looks = (self._refiner.refine(pixels, face.scaled(1 / factor)) for face in group)
            again = next((look for look in looks if look is not None), None)
            if again is not None and _is_visible(again.scaled(factor), photo):
                refined.append(again.scaled(factor))
        refined = [group[0] for group in _grouped(refined)]
        refined.sort(key=lambda face: face.area, reverse=True)
        return refined, len(refined) + len(others)

    def warm_up(self) -> None:
        """Runs the network at the sizes of an ordinary photo."""
        self._detector.detect(np.zeros((SIDE * 3 // 4, SIDE, 3), np.uint8))
        self._refiner.warm_up()

    def _coarse(self, photo: Picture) -> list[Detection]:
        longest = max(photo.width, photo.height)
        small = _scaled(photo.pixels(SIDE), SIDE)
        factor = longest / max(small.shape[:2])
        seen = [face.scaled(factor) for face in self._detector.detect(small, _TRACE)]
        found = [face for face in seen if face.score >= MIN_SCORE]
        if longest > _NARROW * min(photo.width, photo.height):
            narrow = math.ceil(longest * _TILE_SIDE / min(photo.width, photo.height))
            found += self._tiled(photo, min(longest, narrow, _MOST_TILES * (_TILE - _TILE_OVERLAP)))
        if not found or max(face.side for face in found) > _FILLS * longest:
            found += self._close_up(photo)
        little = min((face.side for face in seen), default=0) < _SMALL * factor
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


def _needed_side(photo: Picture, faces: list[Detection]) -> int:
    """The longer side at which the smallest face is as large as in its patch."""
    smallest = min(face.side for face in faces)
    longest = max(photo.width, photo.height)
    return max(SIDE, math.ceil(min(1.0, FACE_SIDE / max(smallest, 1)) * longest))


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
    if height * width > _HUGE and factor < 1 / 4:
        pixels = pixels[::2, ::2]  # Pillow's copy of all would take more memory than the photo
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))


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


def _turned_back(face: Detection, quarters: int, width: int, height: int) -> Detection:
    """A face found in a picture of `width` x `height` that `numpy.rot90` had turned."""
    matrix = {
        1: np.array([[0.0, -1, width], [1, 0, 0]]),
        2: np.array([[-1.0, 0, width], [0, -1, height]]),
        3: np.array([[0.0, 1, 0], [-1, 0, height]]),
    }[quarters]
    return face.transformed(matrix)

"""A face found -> the same face as an upright patch cut around it shows it: steady landmarks.

The detector errs with the place of a face on its grid, with its size and its tilt. In a patch all
three are the same for every face: turned by its eyes, the face at the size it knows best.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from apparent.alignment import TEMPLATE, align, similarity
from apparent.arrays import Landmarks, Pixels
from apparent.detector import Detection, Detector

_SURE: Final = 0.905
"""Score from which a patch shows an upright face: of 103 photos 95 % reached it, and none of them
upside down."""
_TRUSTED: Final = 0.85
"""Score from which a face stays that no patch shows."""
_SURER: Final = 0.03
"""By how much the first look must be surer than the last patch to be answered."""

FACE_SIDE: Final = 120
"""Height of the face in its patch, pixels."""
_PATCH: Final = 192
_SHIFT: Final = 4
"""Half a stride of the detector's finest grid, pixels."""
_CUT: Final = _PATCH + _SHIFT
_TEMPLATE: Final = 0.5 + (TEMPLATE - 0.5) * 0.75
"""The chip in the middle of the patch."""
_CUT_TEMPLATE: Final = (_TEMPLATE * _PATCH + _SHIFT) / _CUT

_UPRIGHT: Final = math.radians(3)
"""How far a face may lean in its patch for the patch to count as upright."""
_MAX_LOOKS: Final = 5


class Refiner:
    """Looks again at faces that were found."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def refine(self, pixels: Pixels, face: Detection) -> Detection | None:
        """The face as its upright patch shows it; None where that is judged to be none.

        `face` is in `pixels`, uint8 `[height, width, 3]` RGB. Where the patch is unsure, it is
        turned by quarters, and the surest counts; then it is turned further while the face leans.
        """
        expected, best = face.landmarks, self._look(pixels, face.landmarks)
        if best is None or best.score < _SURE:
            turned = (self._quick_look(pixels, _expected_by_box(face, q)) for q in range(4))
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

    def warm_up(self) -> None:
        """Runs the network at the patch's size."""
        self._detector.detect(np.zeros((_PATCH, _PATCH, 3), np.uint8))

    def _look(self, pixels: Pixels, expected: Landmarks) -> Detection | None:
        """The mean of the patch and of its mirror image half a stride away: the two err apart.

        Over shifted crops the landmarks spread by 2.3 % of the eyes' distance with the first look
        alone, by 1.0 % with the patch, and by 0.9 % with both, which also halves what a mirrored
        photo moves.
        """
        cut = align(pixels, expected, _CUT, _CUT_TEMPLATE, draft=True)
        mirrored = self._detector.detect(cut[:_PATCH, _PATCH - 1 :: -1])
        looks = (
            _in_the_middle(self._detector.detect(cut[_SHIFT:, _SHIFT:])),
            _in_the_middle(face.mirrored(_PATCH).shifted(-_SHIFT, -_SHIFT) for face in mirrored),
        )
        return _in_photo(_mean([look for look in looks if look is not None]), expected)

    def _quick_look(self, pixels: Pixels, expected: Landmarks) -> Detection | None:
        """The patch alone."""
        patch = align(pixels, expected, _PATCH, _TEMPLATE, draft=True)
        return _in_photo(_in_the_middle(self._detector.detect(patch)), expected)


def _in_the_middle(faces: Iterable[Detection]) -> Detection | None:
    """The face nearest the middle of a patch; None where none is near."""

    def distance(face: Detection) -> float:
        return float(np.hypot(*(face.landmarks.mean(axis=0) - _PATCH / 2)))

    face = min(faces, key=distance, default=None)
    return face if face is not None and distance(face) <= _PATCH / 4 else None


def _mean(looks: Sequence[Detection]) -> Detection | None:
    """Of several looks at one face; the surest look's score."""
    if not looks:
        return None
    left, top, right, bottom = np.mean([look.box for look in looks], axis=0).tolist()
    landmarks = np.mean([look.landmarks for look in looks], axis=0)
    return Detection((left, top, right, bottom), landmarks, max(look.score for look in looks))


def _in_photo(face: Detection | None, expected: Landmarks) -> Detection | None:
    """From the patch cut where landmarks were expected to the photo it was cut from."""
    return face and face.transformed(similarity(_TEMPLATE * _PATCH, expected))


def _expected_by_box(face: Detection, quarters: int) -> Landmarks:
    """Landmarks by the box alone, turned by quarters: those found of turned faces are wrong."""
    left, top, right, bottom = face.box
    centre = np.array([left + right, top + bottom]) / 2
    angle = quarters * math.pi / 2
    cos, sin = math.cos(angle), math.sin(angle)
    linear = face.side / 0.85 * np.array([[cos, -sin], [sin, cos]])
    expected: Landmarks = (TEMPLATE - (0.48, 0.46)) @ linear.T + centre
    return expected


def _angle_between(one: Landmarks, other: Landmarks) -> float:
    """Radians, 0 to pi, by which a similarity turns one set of landmarks into the other."""
    matrix = similarity(one, other)
    return abs(math.atan2(matrix[1, 0], matrix[0, 0]))

"""Upright pixels -> the faces in them, largest first: which scales the detector looks at.

A photo is looked at once, at `SIDE`.
"""

from typing import Final

import numpy as np
from PIL import Image

from apparent.arrays import Pixels
from apparent.detector import Detection, Detector

SIDE: Final = 640
"""Longer side, in pixels, of what the detector sees; smaller photos are not enlarged."""


class Finder:
    """Finds faces of at least about 10 pixels in a photo scaled to `SIDE`."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def find(self, pixels: Pixels) -> list[Detection]:
        """Faces in uint8 `[height, width, 3]` RGB, in its pixels, the largest box first.

        A box may reach beyond the picture, but lies in it with a pixel at least.
        """
        height, width = pixels.shape[:2]
        factor = min(1.0, SIDE / max(height, width))
        small = pixels
        if factor < 1:
            size = (max(1, round(width * factor)), max(1, round(height * factor)))
            small = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
        found = [face.scaled(1 / factor) for face in self._detector.detect(small)]
        visible = [face for face in found if _is_visible(face, width, height)]
        return sorted(visible, key=lambda face: face.area, reverse=True)


def _is_visible(face: Detection, width: int, height: int) -> bool:
    left, top, right, bottom = face.box
    return min(min(right, width) - max(left, 0), min(bottom, height) - max(top, 0)) >= 1

"""Face landmarks -> canonical chip: a similarity transform, with numpy and Pillow alone.

The chip has the geometry of UTKFace's aligned faces, so a face from any photo looks to the
estimator as the faces did that it was trained on. Training and serving both call `align`.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from apparent.arrays import Landmarks, Pixels

TEMPLATE: Final = np.array(
    [[0.292, 0.290], [0.684, 0.294], [0.475, 0.502], [0.315, 0.681], [0.643, 0.685]]
)
"""Right eye, left eye, nose, right and left mouth corner, as fractions of the chip's side:
the medians of YuNet's landmarks on UTKFace. 'Right' is the person's right, left in the picture."""

SUPERSAMPLING: Final = 2
"""How much finer than the chip it is cut, before it is averaged."""


def similarity(source: Landmarks, target: Landmarks) -> NDArray[np.float64]:
    """The `[2, 3]` matrix of rotation, uniform scale and shift that takes `source` to `target`.

    Least squares over points `[n, 2]`, never a reflection (Umeyama 1991, eq. 40 to 42, in 2-D,
    where complex numbers make it one division). Raises `ValueError` if all source points coincide.
    """
    source_centre, target_centre = source.mean(axis=0), target.mean(axis=0)
    p = (source - source_centre) @ (1, 1j)
    q = (target - target_centre) @ (1, 1j)
    spread = float((abs(p) ** 2).sum())
    if spread == 0:
        raise ValueError("The landmarks coincide: no similarity transform can be fitted to them.")
    turn = complex((p.conj() * q).sum() / spread)  # scale * exp(i * angle)
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.column_stack([linear, target_centre - linear @ source_centre])


def resolution(landmarks: Landmarks, chip_size: int, template: Landmarks = TEMPLATE) -> float:
    """Pixels of the photo per pixel of the chip; below 1 the chip is an enlargement."""
    to_photo = similarity(template * chip_size, landmarks)
    return float(np.hypot(to_photo[0, 0], to_photo[1, 0]))


def align(
    photo: Pixels,
    landmarks: Landmarks,
    chip_size: int,
    template: Landmarks = TEMPLATE,
    *,
    draft: bool = False,
) -> Pixels:
    """Cuts the chip of one face, uint8 `[chip_size, chip_size, 3]`.

    `photo` is uint8 `[height, width, 3]`; `landmarks` are `[5, 2]` (x, y) in its pixels, and
    `template` tells in the same order where they belong, as fractions of the chip's side. Where the
    chip reaches beyond the photo, its edge pixels are repeated. A `draft` costs a fifth, and
    is good enough for the detector.
    """
    supersampling = 1 if draft else SUPERSAMPLING
    resampling = Image.Resampling.BILINEAR if draft else Image.Resampling.BICUBIC
    fine_size = chip_size * supersampling
    to_photo = similarity(template * fine_size, landmarks)
    corners = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]]) * (fine_size, fine_size, 1)
    outline = corners @ to_photo.T
    low = np.floor(outline.min(axis=0)).astype(int) - 2
    high = np.ceil(outline.max(axis=0)).astype(int) + 2

    # The part of that window inside the photo (at least one pixel of it), shrunk to about the
    # resolution of the fine chip, so that a face of any size costs the same from here on.
    bounds = np.array(photo.shape[1::-1])
    inside_low = np.clip(low, 0, bounds - 1)
    inside_high = np.clip(high, inside_low + 1, bounds)
    (left, top), (right, bottom) = inside_low, inside_high
    window = Image.fromarray(np.ascontiguousarray(photo[top:bottom, left:right]))
    shrink = max(1.0, float(np.hypot(to_photo[0, 0], to_photo[1, 0])))
    if shrink > 1:
        small = np.maximum(1, np.rint((inside_high - inside_low) / shrink)).astype(int)
        window = window.resize((int(small[0]), int(small[1])), resampling)
    scale = np.array(window.size) / (inside_high - inside_low)

    # At least zero also where the whole window lies outside.
    low, high = np.minimum(low, inside_low), np.maximum(high, inside_high)
    before = np.ceil((inside_low - low) * scale).astype(int)
    after = np.ceil((high - inside_high) * scale).astype(int)
    padded = np.pad(
        np.asarray(window), ((before[1], after[1]), (before[0], after[0]), (0, 0)), mode="edge"
    )
    to_window = scale[:, None] * to_photo
    to_window[:, 2] += before - inside_low * scale
    fine = Image.fromarray(padded).transform(
        (fine_size, fine_size),
        Image.Transform.AFFINE,
        tuple(to_window.ravel()),
        resampling,
    )
    return np.asarray(fine.reduce(supersampling) if supersampling > 1 else fine)

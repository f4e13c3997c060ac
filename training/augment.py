"""Augmentation of a whole batch on its device: flip, rotation, crop jitter, colour jitter.

Rotation, zoom and shift imitate the error of face landmarks, so that a chip cut a little wrong gets
the same answer.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from training.recipe import Augment

_LUMA = (0.299, 0.587, 0.114)
_SUPERSAMPLING = 2  # as apparent/alignment.py cuts chips

DRAWS = 10
"""Random numbers that one face takes."""


def to_float(chips: Tensor, size: int) -> Tensor:
    """uint8 `[n, P, P, 3]` -> float `[n, 3, size, size]` in 0 to 1, unchanged but for the scale."""
    return F.interpolate(_channels_first(chips), (size, size), mode="area")


def augment(chips: Tensor, size: int, recipe: Augment, draws: Tensor) -> Tensor:
    """uint8 `[n, P, P, 3]` -> float `[n, 3, size, size]` in 0 to 1, each chip changed by its draws.

    `draws` is `[n, DRAWS]`, uniform in 0 to 1: what happens to a face is the caller's to decide, so
    that it need not depend on the batch or the process the face is in.
    """
    signed = 2 * draws - 1
    angle = signed[:, 0] * (recipe.rotation * math.pi / 180)
    zoom = 1 + recipe.scale * signed[:, 1]
    flip = torch.where(draws[:, 2] < 0.5, -1.0, 1.0)
    shift = 2 * recipe.shift * signed[:, 3:5]  # affine_grid's side is 2, not 1
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    linear = torch.stack([flip * cos, -sin, flip * sin, cos], dim=1).view(-1, 2, 2)
    theta = torch.cat([linear, shift[:, :, None]], dim=2)
    fine = [len(chips), 3, size * _SUPERSAMPLING, size * _SUPERSAMPLING]
    grid = F.affine_grid(theta, fine, align_corners=False)
    moved = F.grid_sample(_channels_first(chips), grid, padding_mode="border", align_corners=False)
    pixels = F.avg_pool2d(moved, _SUPERSAMPLING)

    def per_face(values: Tensor) -> Tensor:
        return values.view(-1, 1, 1, 1)

    coarse = F.interpolate(F.avg_pool2d(pixels, 2, ceil_mode=True), (size, size), mode="bilinear")
    pixels = torch.where(per_face(draws[:, 5]) < recipe.coarse, coarse, pixels)

    luma = torch.tensor(_LUMA, device=chips.device).view(1, 3, 1, 1)
    pixels = pixels * per_face(1 + recipe.brightness * signed[:, 6])
    mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
    pixels = mean + (pixels - mean) * per_face(1 + recipe.contrast * signed[:, 7])
    grey = (pixels * luma).sum(dim=1, keepdim=True)
    saturation = torch.where(draws[:, 8] < recipe.grey, 0, 1 + recipe.saturation * signed[:, 9])
    return (grey + (pixels - grey) * per_face(saturation)).clamp(0, 1)


def _channels_first(chips: Tensor) -> Tensor:
    return chips.permute(0, 3, 1, 2).float() / 255

"""Augmentation of a whole batch on its device: flip, rotation, crop jitter, colour jitter.

Rotation, zoom and shift imitate the error of face landmarks, so that a chip cut a little wrong gets
the same answer.
"""

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from training.recipe import Augment

_LUMA = (0.299, 0.587, 0.114)
_SUPERSAMPLING = 2  # as functions/predict/alignment.py cuts chips


def to_float(chips: Tensor, size: int) -> Tensor:
    """uint8 `[n, P, P, 3]` -> float `[n, 3, size, size]` in 0 to 1, unchanged but for the scale."""
    return F.interpolate(_channels_first(chips), (size, size), mode="area")


def augment(chips: Tensor, size: int, recipe: Augment, generator: Generator) -> Tensor:
    """uint8 `[n, P, P, 3]` -> float `[n, 3, size, size]` in 0 to 1, each chip changed at random."""

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        values = torch.rand(len(chips), *shape, generator=generator)  # on CPU: same on any device
        return (low + (high - low) * values).to(chips.device)

    angle = uniform(-recipe.rotation, recipe.rotation) * (math.pi / 180)
    zoom = uniform(1 - recipe.scale, 1 + recipe.scale)
    flip = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    shift = uniform(-2 * recipe.shift, 2 * recipe.shift, 2)  # affine_grid's side is 2, not 1
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    linear = torch.stack([flip * cos, -sin, flip * sin, cos], dim=1).view(-1, 2, 2)
    theta = torch.cat([linear, shift[:, :, None]], dim=2)
    fine = [len(chips), 3, size * _SUPERSAMPLING, size * _SUPERSAMPLING]
    grid = F.affine_grid(theta, fine, align_corners=False)
    moved = F.grid_sample(_channels_first(chips), grid, padding_mode="border", align_corners=False)
    pixels = F.avg_pool2d(moved, _SUPERSAMPLING)

    def factor(amount: float) -> Tensor:
        return uniform(1 - amount, 1 + amount, 1, 1, 1)

    coarse = F.interpolate(F.avg_pool2d(pixels, 2, ceil_mode=True), (size, size), mode="bilinear")
    pixels = torch.where(uniform(0, 1, 1, 1, 1) < recipe.coarse, coarse, pixels)

    luma = torch.tensor(_LUMA, device=chips.device).view(1, 3, 1, 1)
    pixels = pixels * factor(recipe.brightness)
    mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
    pixels = mean + (pixels - mean) * factor(recipe.contrast)
    grey = (pixels * luma).sum(dim=1, keepdim=True)
    saturation = factor(recipe.saturation)
    saturation = torch.where(uniform(0, 1, 1, 1, 1) < recipe.grey, 0.0, saturation)
    return (grey + (pixels - grey) * saturation).clamp(0, 1)


def _channels_first(chips: Tensor) -> Tensor:
    return chips.permute(0, 3, 1, 2).float() / 255

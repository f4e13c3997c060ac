"""Augmentation of a batch: what the world's photos do to a face, each part small, in the recipe.

Rotation, zoom and shift imitate the error of face landmarks, so that a chip cut a little wrong gets
the same answer; then come light, occlusion, a small or blurred picture, noise and recompression, in
the order in which they befall a photo.
"""

import io
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from apparent.arrays import Pixels
from training.recipe import Augment

_LUMA = (0.299, 0.587, 0.114)
_SUPERSAMPLING = 2  # as apparent/alignment.py cuts chips
_BLUR_RADIUS = 4  # of the kernel, pixels
_WEBP = 0.25
"""Share of WebP among recompressed faces."""
_SIDES = (24, 34, 48, 68, 96)
"""Sides in pixels of the small pictures that some faces come from."""

DRAWS = 36
"""Random numbers that one face takes."""


def to_float(chips: Tensor, size: int) -> Tensor:
    """uint8 `[n, P, P, 3]` -> float `[n, 3, size, size]` in 0 to 1, unchanged but for the scale."""
    return F.interpolate(channels_first(chips), (size, size), mode="area")


def augment(chips: Tensor, size: int, recipe: Augment, draws: Tensor) -> Tensor:
    """uint8 `[n, P, P, 3]` -> float `[n, 3, size, size]` in 0 to 1, each chip changed by its draws.

    `draws` is `[n, DRAWS]`, uniform in 0 to 1: what happens to a face is the caller's to decide, so
    that it need not depend on the batch or the process the face is in.
    """
    pixels = _moved(chips, size, recipe, draws[:, :5], draws[:, 34:36])
    pixels = _lit(pixels, recipe, draws[:, 5:14])
    if recipe.occlusion:
        pixels = _occluded(pixels, recipe, draws[:, 14:22])
    if recipe.small:
        pixels = _small(pixels, recipe.small, draws[:, 22:24])
    if recipe.blur:
        pixels = _blurred(pixels, recipe.blur * draws[:, 24])
    if recipe.motion:
        pixels = _shaken(pixels, recipe.motion, draws[:, 31:34])
    if recipe.noise:
        pixels = _noisy(pixels, recipe.noise * draws[:, 25], draws[:, 26:28])
    pixels = pixels.clamp(0, 1)
    if recipe.jpeg:
        pixels = _recompressed(pixels, recipe, draws[:, 28:31])
    return pixels


def _moved(chips: Tensor, size: int, recipe: Augment, draws: Tensor, edges: Tensor) -> Tensor:
    """Turned, zoomed, shifted and mirrored, at `size`; of some, whose `edges` are drawn, only 0.3
    to 0.9 of the side, with its edges repeated around it as apparent/alignment.py does.
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
    if recipe.close:
        kept = torch.where(edges[:, 0] < recipe.close, 0.3 + 0.6 * edges[:, 1], 1)
        grid = grid.clamp(-_per_face(kept), _per_face(kept))
    moved = F.grid_sample(channels_first(chips), grid, padding_mode="border", align_corners=False)
    return F.avg_pool2d(moved, _SUPERSAMPLING)


def _lit(pixels: Tensor, recipe: Augment, draws: Tensor) -> Tensor:
    """Another brightness, contrast, gamma, colour cast and saturation; some grey."""
    signed = 2 * draws - 1
    pixels = pixels * _per_face(1 + recipe.brightness * signed[:, 0])
    mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
    pixels = mean + (pixels - mean) * _per_face(1 + recipe.contrast * signed[:, 1])
    if recipe.gamma:
        pixels = pixels.clamp(1e-4, 1) ** _per_face((1 + recipe.gamma) ** signed[:, 2])
    pixels = pixels * (1 + recipe.cast * signed[:, 3:6])[:, :, None, None]
    luma = torch.tensor(_LUMA, device=pixels.device).view(1, 3, 1, 1)
    grey = (pixels * luma).sum(dim=1, keepdim=True)
    saturation = torch.where(draws[:, 6] < recipe.grey, 0, 1 + recipe.saturation * signed[:, 7])
    return grey + (pixels - grey) * _per_face(saturation)


def _occluded(pixels: Tensor, recipe: Augment, draws: Tensor) -> Tensor:
    """Some faces under a box of one colour, up to half the chip wide and high."""
    size = pixels.shape[-1]
    sides = (0.1 + 0.4 * draws[:, 1:3]) * size
    corner = draws[:, 3:5] * (size - sides)
    line = torch.arange(size, device=pixels.device)
    inside = (line >= corner[:, :, None]) & (line < (corner + sides)[:, :, None])
    box = inside[:, 0, :, None] & inside[:, 1, None, :]
    box &= (draws[:, 0] < recipe.occlusion)[:, None, None]
    return torch.where(box[:, None], draws[:, 5:8, None, None], pixels)


def _small(pixels: Tensor, share: float, draws: Tensor) -> Tensor:
    """Some faces as if cut from a small picture: down to one of `_SIDES` and up again."""
    size = pixels.shape[-1]
    which = torch.where(draws[:, 0] < share, (draws[:, 1] * len(_SIDES)).long(), -1)
    pixels = pixels.clone()
    for i, side in enumerate(_SIDES):
        faces = which == i
        if faces.any() and side < size:
            small = F.interpolate(pixels[faces], (side, side), mode="area")
            pixels[faces] = F.interpolate(small, (size, size), mode="bicubic")
    return pixels


def _blurred(pixels: Tensor, sigma: Tensor) -> Tensor:
    """Each face convolved with a Gaussian of its own `sigma`, in pixels."""
    n, channels, size, _ = pixels.shape
    line = torch.arange(-_BLUR_RADIUS, _BLUR_RADIUS + 1, device=pixels.device)
    kernel = torch.softmax(-(line**2) / (2 * sigma.clamp_min(0.05)[:, None] ** 2), dim=1)
    kernels = kernel.repeat_interleave(channels, dim=0)[:, None, None]
    flat = pixels.reshape(1, n * channels, size, size)
    for weight, pad in (
        (kernels, (_BLUR_RADIUS, _BLUR_RADIUS, 0, 0)),
        (kernels.transpose(2, 3), (0, 0, _BLUR_RADIUS, _BLUR_RADIUS)),
    ):
        flat = F.conv2d(F.pad(flat, pad, mode="replicate"), weight, groups=n * channels)
    return flat.view(n, channels, size, size)


def _shaken(pixels: Tensor, share: float, draws: Tensor) -> Tensor:
    """Some faces blurred along a line, as where the camera or the head moved."""
    moved = draws[:, 0] < share
    if not moved.any():
        return pixels
    line = torch.arange(-_BLUR_RADIUS, _BLUR_RADIUS + 1, device=pixels.device)
    length = 1 + (_BLUR_RADIUS - 1) * draws[moved, 1].view(-1, 1, 1)
    angle = math.pi * draws[moved, 2].view(-1, 1, 1)
    along = line * angle.cos() + line[:, None] * angle.sin()
    across = line * angle.sin() - line[:, None] * angle.cos()
    kernels = (1 - across.abs()).clamp_min(0) * (length + 1 - along.abs()).clamp(0, 1)
    kernels = kernels / kernels.sum(dim=(1, 2), keepdim=True)
    n, channels, size, _ = pixels[moved].shape
    flat = pixels[moved].reshape(1, n * channels, size, size)
    flat = F.pad(flat, (_BLUR_RADIUS,) * 4, mode="replicate")
    weight = kernels.repeat_interleave(channels, dim=0)[:, None]
    pixels = pixels.clone()
    pixels[moved] = F.conv2d(flat, weight, groups=n * channels).view(n, channels, size, size)
    return pixels


def _noisy(pixels: Tensor, sigma: Tensor, places: Tensor) -> Tensor:
    """Gaussian noise of each face's `sigma`: a window at its own place of one large sheet."""
    size = pixels.shape[-1]
    generator = torch.Generator().manual_seed(0)
    sheet = torch.randn(3, 2 * size, 2 * size, generator=generator).to(pixels.device)
    line = torch.arange(size, device=pixels.device)
    rows, columns = ((places * size).long()[:, :, None] + line).unbind(1)
    windows = sheet[:, rows[:, :, None], columns[:, None, :]].transpose(0, 1)
    return pixels + windows * _per_face(sigma)


def _recompressed(pixels: Tensor, recipe: Augment, draws: Tensor) -> Tensor:
    """Some faces through JPEG or, one in four, WebP at a quality of `recipe.jpeg_quality` to 95."""
    chosen = (draws[:, 0] < recipe.jpeg).nonzero()[:, 0]
    images = (pixels[chosen].permute(0, 2, 3, 1) * 255).round().to(torch.uint8).cpu().numpy()
    qualities = recipe.jpeg_quality + (95 - recipe.jpeg_quality) * draws[chosen, 1]
    formats = ["WEBP" if draw < _WEBP else "JPEG" for draw in draws[chosen, 2].tolist()]
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        decoded = list(pool.map(_through, images, qualities.tolist(), formats))
    if decoded:
        pixels = pixels.clone()
        pixels[chosen] = channels_first(torch.from_numpy(np.stack(decoded)).to(pixels.device))
    return pixels


def _through(image: Pixels, quality: float, kind: str) -> Pixels:
    """An image, uint8 `[S, S, 3]`, compressed and read again."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, quality=round(quality))
    return np.array(Image.open(file))


def _per_face(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)


def channels_first(chips: Tensor) -> Tensor:
    """uint8 `[n, S, S, 3]` -> float `[n, 3, S, S]` in 0 to 1."""
    return chips.permute(0, 3, 1, 2).float() / 255

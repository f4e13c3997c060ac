"""Masked autoencoder (He et al. 2021, arXiv 2111.06377) around a timm Vision Transformer.

Most patches of an image are hidden at random; the encoder sees the others only, and a light decoder
must paint the hidden ones. What the encoder learns from that needs no labels.
"""

from typing import Any

import torch
from torch import Tensor, nn

from training._timm import timm
from training.networks.model import normalised
from training.recipe import Pretraining

_EPSILON = 1e-6


class MaskedAutoencoder(nn.Module):
    """Encoder, decoder and their loss."""

    def __init__(self, backbone: Any, recipe: Pretraining) -> None:
        """`backbone` is a timm ViT without a head; it is trained in place."""
        super().__init__()
        self.backbone = backbone
        self.mask_ratio = recipe.mask_ratio
        self.patch: int = backbone.patch_embed.patch_size[0]
        self.grid: tuple[int, int] = backbone.patch_embed.grid_size
        self.prefix: int = backbone.num_prefix_tokens
        width, n_patches = recipe.decoder_width, self.grid[0] * self.grid[1]
        self.decoder_embed = nn.Linear(backbone.num_features, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.decoder_position = nn.Parameter(torch.zeros(1, self.prefix + n_patches, width))
        self.decoder = nn.Sequential(
            *(
                timm.models.vision_transformer.Block(width, recipe.decoder_heads, qkv_bias=True)
                for _ in range(recipe.decoder_depth)
            ),
            nn.LayerNorm(width),
            nn.Linear(width, 3 * self.patch**2),
        )
        nn.init.normal_(self.mask_token, std=0.02)
        nn.init.normal_(self.decoder_position, std=0.02)

    @property
    def patches(self) -> int:
        """How many patches L an image has."""
        return self.grid[0] * self.grid[1]

    def forward(self, chips: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Float chips `[n, 3, S, S]` in 0 to 1 -> loss, painted patches and mask.

        `noise` `[n, L]`, uniform, decides which patches are hidden: see `random_masking`.
        The patches are `[n, L, 3 * patch**2]`, normalised as `targets` are; the mask is `[n, L]`,
        1 where a patch was hidden. The loss is the mean squared error over hidden patches alone
        (section 3 of the paper, 'reconstruction target').
        """
        kept, mask, restore = random_masking(noise, self.mask_ratio)
        painted = self.decode(self.encode(chips, kept), restore)
        error = (painted.float() - targets(chips, self.patch)) ** 2
        loss = (error.mean(dim=2) * mask).sum() / mask.sum()
        return loss, painted, mask

    def encode(self, chips: Tensor, kept: Tensor) -> Tensor:
        """The encoder's tokens of the visible patches `kept` `[n, k]`, after the class token."""
        vit = self.backbone
        tokens = vit._pos_embed(vit.patch_embed(normalised(chips)))
        prefix, patches = tokens[:, : self.prefix], tokens[:, self.prefix :]
        visible = patches.gather(1, kept[:, :, None].expand(-1, -1, patches.shape[2]))
        seen = vit.norm_pre(torch.cat([prefix, visible], dim=1))
        encoded: Tensor = vit.norm(vit.blocks(seen))
        return encoded

    def decode(self, tokens: Tensor, restore: Tensor) -> Tensor:
        """Paints all patches `[n, L, 3 * patch**2]` from the encoder's tokens."""
        tokens = self.decoder_embed(tokens)
        prefix, visible = tokens[:, : self.prefix], tokens[:, self.prefix :]
        n_hidden = restore.shape[1] - visible.shape[1]
        hidden = self.mask_token.to(tokens.dtype).expand(len(tokens), n_hidden, -1)
        shuffled = torch.cat([visible, hidden], dim=1)
        patches = shuffled.gather(1, restore[:, :, None].expand(-1, -1, tokens.shape[2]))
        whole = torch.cat([prefix, patches], dim=1) + self.decoder_position
        painted: Tensor = self.decoder(whole)[:, self.prefix :]
        return painted


def random_masking(noise: Tensor, ratio: float) -> tuple[Tensor, Tensor, Tensor]:
    """Keeps the patches of least noise `[n, patches]` and hides `ratio` of them.

    Returns the indices of the kept patches `[n, k]`, the mask `[n, patches]` (1 = hidden), and the
    permutation that puts kept-then-hidden patches back in their places.
    """
    n_kept = max(1, round(noise.shape[1] * (1 - ratio)))
    shuffle = noise.argsort(dim=1)
    restore = shuffle.argsort(dim=1)
    return shuffle[:, :n_kept], (restore >= n_kept).float(), restore


def patchify(chips: Tensor, patch: int) -> Tensor:
    """`[n, 3, S, S] -> [n, L, 3 * patch**2]`, patches in reading order."""
    n, channels, height, width = chips.shape
    grid = chips.reshape(n, channels, height // patch, patch, width // patch, patch)
    return grid.permute(0, 2, 4, 3, 5, 1).reshape(n, -1, channels * patch**2)


def unpatchify(patches: Tensor, patch: int, grid: tuple[int, int]) -> Tensor:
    """The inverse of `patchify`."""
    rows, columns = grid
    pixels = patches.reshape(len(patches), rows, columns, patch, patch, 3)
    return pixels.permute(0, 5, 1, 3, 2, 4).reshape(len(patches), 3, rows * patch, columns * patch)


def targets(chips: Tensor, patch: int) -> Tensor:
    """Patches, each with mean 0 and variance 1 of its own."""
    patches = patchify(chips, patch)
    mean, variance = patches.mean(dim=2, keepdim=True), patches.var(dim=2, keepdim=True)
    return (patches - mean) / (variance + _EPSILON).sqrt()


def reconstruction(chips: Tensor, painted: Tensor, mask: Tensor, mae: MaskedAutoencoder) -> Tensor:
    """`[n, 3, S, S]`: visible patches as they are, hidden ones painted, at their true contrast."""
    patches = patchify(chips, mae.patch)
    mean, variance = patches.mean(dim=2, keepdim=True), patches.var(dim=2, keepdim=True)
    pixels = painted.float() * (variance + _EPSILON).sqrt() + mean
    mixed = torch.where(mask[:, :, None] > 0, pixels, patches)
    return unpatchify(mixed, mae.patch, mae.grid)

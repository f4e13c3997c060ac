"""Large values among a network's activations, before int8 gives each layer's one scale.

Of a ViT's layers, those behind the second LayerNorm of a block have channels far larger than the
others, and few have single tokens so: where 256 steps reach up to them, the rest share a handful.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from training.networks.model import AgeGenderNet

RATIO = 40.0
"""Of the largest value to the root mean square, from which on a layer's activations stay float."""


def smooth(net: AgeGenderNet, pixels: Tensor) -> None:
    """Divides channels before each block's first feed-forward layer, and multiplies its weights:
    the same answers, from activations and weights of like ranges (SmoothQuant, Xiao et al. 2023,
    section 4, at a strength of one half).

    LayerNorm's own gain and bias take the division up, so it costs nothing. `pixels` are float
    chips `[n, 3, S, S]`, 0 to 1, on which the ranges are found.
    """
    largest: dict[nn.Module, Tensor] = {}

    def look(layer: nn.Module, values: Tensor) -> None:
        largest[layer] = values.abs().flatten(0, -2).amax(dim=0)

    show_inputs(net, pixels, look)
    with torch.no_grad():
        for block in net.backbone.blocks:
            layer, norm = block.mlp.fc1, block.norm2
            activations = largest[layer].clamp(min=1e-5)
            weights = layer.weight.abs().amax(dim=0).clamp(min=1e-5)
            factors = (activations / weights).sqrt()
            factors /= factors.log().mean().exp()
            norm.weight /= factors
            norm.bias /= factors
            layer.weight *= factors


def spiky(net: AgeGenderNet, pixels: Tensor, ratio: float = RATIO) -> list[int]:
    """Places, in the order in which they run, of the linear layers into which single values go
    that are `ratio` times as large as most: on the mean over the chips `pixels`, float
    `[n, 3, S, S]`, 0 to 1.
    """
    ratios: list[float] = []

    def look(_: nn.Module, values: Tensor) -> None:
        each = values.flatten(1)
        ratios.append(float((each.abs().amax(dim=1) / each.square().mean(dim=1).sqrt()).mean()))

    show_inputs(net, pixels, look)
    return [place for place, found in enumerate(ratios) if found > ratio]


@torch.no_grad()
def show_inputs(net: nn.Module, pixels: Tensor, look: Callable[[nn.Linear, Tensor], None]) -> None:
    """Runs the network once, and shows each linear layer and its input in the order they run."""

    def hook(layer: nn.Linear, inputs: Any) -> None:
        look(layer, inputs[0])

    linear = [layer for layer in net.modules() if isinstance(layer, nn.Linear)]
    handles = [layer.register_forward_pre_hook(hook) for layer in linear]
    net(pixels)
    for handle in handles:
        handle.remove()

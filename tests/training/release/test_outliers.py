"""Outliers of activations, on a tiny network with one channel far larger than the others."""

import copy

import pytest
import torch
from torch import Tensor

from training.networks.model import AgeGenderNet
from training.recipe import Model
from training.release.outliers import smooth, spiky


@pytest.fixture
def net() -> AgeGenderNet:
    torch.manual_seed(0)
    net = AgeGenderNet(Model(backbone="test_vit", image_size=64, start="random", head_width=16))
    for block in net.backbone.blocks:
        with torch.no_grad():
            block.norm2.weight[3] = 50
    return net.eval()


@pytest.fixture
def pixels() -> Tensor:
    return torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def ranges_before_fc1(net: AgeGenderNet, pixels: Tensor) -> list[float]:
    found: list[float] = []
    for block in net.backbone.blocks:
        block.mlp.fc1.register_forward_pre_hook(
            lambda _, inputs: found.append(float(inputs[0].abs().max() / inputs[0].abs().mean()))
        )
    with torch.no_grad():
        net(pixels)
    return found


def test_a_smoothed_network_answers_the_same_from_activations_of_like_ranges(
    net: AgeGenderNet, pixels: Tensor
) -> None:
    smoothed = copy.deepcopy(net)
    smooth(smoothed, pixels)
    with torch.no_grad():
        for one, other in zip(net(pixels), smoothed(pixels), strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    before, after = ranges_before_fc1(net, pixels), ranges_before_fc1(smoothed, pixels)
    assert all(new < 0.5 * old for new, old in zip(after, before, strict=True))


def test_only_a_layer_behind_a_single_large_value_is_spiky(
    net: AgeGenderNet, pixels: Tensor
) -> None:
    assert spiky(net, pixels, 20) == []
    layer = net.backbone.blocks[2].mlp.fc1
    seen: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    with torch.no_grad():
        net(pixels)
    handle.remove()
    tokens = seen[0].mean(dim=0)
    first, others = tokens[0], tokens[1:].mean(dim=0)
    with torch.no_grad():  # a neuron that the first token alone excites
        layer.weight[0] = 1e4 * (first - others)
        layer.bias[0] = -1e4 * (first - others) @ (first + others) / 2
    assert spiky(net, pixels, 20) == [4 * 2 + 3]  # that block's last layer

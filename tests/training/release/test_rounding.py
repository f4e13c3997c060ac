import copy

import pytest
import torch
from torch import Tensor, nn

from training.release.rounding import LEVELS, round_weights


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(64, 64), nn.Linear(64, 4)

    def forward(self, pixels: Tensor) -> Tensor:
        answer: Tensor = self.second(self.first(pixels).relu())
        return answer


@pytest.fixture
def net() -> Two:
    torch.manual_seed(0)
    return Two()


def pixels(seed: int) -> Tensor:
    """`[64, 3, 16, 64]`, of which four numbers tell each row, as a network's inputs are alike."""
    mix = torch.randn(4, 64, generator=torch.Generator().manual_seed(0))
    return torch.randn(64, 3, 16, 4, generator=torch.Generator().manual_seed(seed)) @ mix


def levels(layer: nn.Linear, steps: Tensor) -> Tensor:
    return layer.weight.detach().double() / steps


def steps(layer: nn.Linear) -> Tensor:
    return layer.weight.detach().double().abs().amax(dim=1, keepdim=True) / LEVELS


@torch.no_grad()
def test_answers_are_nearer_than_with_each_weight_at_its_nearest_step(net: Two) -> None:
    layer, nearest = net.first, copy.deepcopy(net.first)
    nearest.weight.copy_(levels(layer, steps(layer)).round() * steps(layer))
    expected = layer(pixels(2))
    round_weights(net, pixels(1))
    near, far = ((other(pixels(2)) - expected).abs().mean() for other in (layer, nearest))
    assert near < 0.5 * far


def test_every_weight_lies_on_the_steps_that_its_row_had(net: Two) -> None:
    before = [steps(net.first), steps(net.second)]
    round_weights(net, pixels(1))
    for layer, of in zip((net.first, net.second), before, strict=True):
        torch.testing.assert_close(steps(layer), of)
        found = levels(layer, of)
        torch.testing.assert_close(found, found.round(), atol=1e-3, rtol=0)


def test_layers_that_stay_float_are_left_as_they_are(net: Two) -> None:
    before = copy.deepcopy(net)
    round_weights(net, pixels(1), [1])
    assert torch.equal(net.second.weight, before.second.weight)
    assert not torch.equal(net.first.weight, before.first.weight)

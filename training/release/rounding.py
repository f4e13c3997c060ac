"""Weights that lie on int8's steps already, each column's error made good by those behind it.

GPTQ (Frantar et al. 2023, section 3): a weight rounded to its nearest step shifts the layer's
answer; those not rounded yet take up of that what they can, by the second moments of the input.
"""

from collections.abc import Collection
from typing import Final

import torch
from torch import Tensor, nn

from training.release.outliers import show_inputs

LEVELS: Final = 64
"""Steps on either side of 0: the 7 bits of `training.release.quantize`, whose scale of a row is its
largest weight by this."""
_DAMPING: Final = 0.01
"""Of the mean second moment, added to each; as the paper's."""
_BATCH: Final = 32


@torch.no_grad()
def round_weights(net: nn.Module, pixels: Tensor, floats: Collection[int] = ()) -> None:
    """Rounds the linear layers' weights in place, but for those at the places `floats` among them.

    `pixels` are float chips `[n, 3, S, S]`, 0 to 1, unlike those that the result is measured on.
    """
    moments: dict[nn.Linear, Tensor] = {}

    def look(layer: nn.Linear, values: Tensor) -> None:
        rows = values.flatten(0, -2).double()
        moments[layer] = moments.get(layer, torch.tensor(0.0)) + rows.T @ rows

    for batch in pixels.split(_BATCH):
        show_inputs(net, batch, look)
    for place, (layer, moment) in enumerate(moments.items()):  # in the order in which they run
        if place not in floats:
            layer.weight.copy_(_rounded(layer.weight.double(), moment))


def _rounded(weight: Tensor, moment: Tensor) -> Tensor:
    """`[out, in]` float64, with the second moments of the input `[in, in]` -> the same, rounded."""
    left, result = weight.clone(), torch.empty_like(weight)
    steps = weight.abs().amax(dim=1).clamp(min=1e-12) / LEVELS
    largest = weight.abs().argmax(dim=1)
    damping = _DAMPING * moment.diagonal().mean().clamp(min=1e-12)
    damped = moment + damping * torch.eye(len(moment), dtype=moment.dtype)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    factor = torch.linalg.cholesky(inverse, upper=True)
    for i in range(weight.shape[1]):
        levels = (left[:, i] / steps).round().clamp(-LEVELS, LEVELS)
        # The largest stays where it is, and with it the steps that the int8 file will have.
        result[:, i] = torch.where(largest == i, weight[:, i], levels * steps)
        error = (left[:, i] - result[:, i]) / factor[i, i]
        left[:, i + 1 :] -= error[:, None] * factor[i, i + 1 :]
    return result

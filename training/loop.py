"""What all training loops share: seeds, precision, the rate's schedule, one epoch of steps.

What befalls a face in an epoch depends on the seed, the epoch and the face alone, so that a batch
may be cut into parts or spread over processes, and a run stopped and resumed, with one result.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR
from tqdm import tqdm

from training.parallel import Workers, without_exchange
from training.recipe import PretrainRecipe, Recipe, Schedule

AnyRun = Recipe | PretrainRecipe


class Draws:
    """The random numbers of one epoch, a row for each face."""

    def __init__(self, seed: int, epoch: int, faces: int, width: int) -> None:
        rng = np.random.default_rng([seed, epoch, width])
        self._rows = rng.random((faces, width), dtype=np.float32)

    def of(self, indices: NDArray[np.int64], device: torch.device) -> Tensor:
        """`[n, width]`, uniform in 0 to 1."""
        return torch.from_numpy(self._rows[indices]).to(device)


def autocast(recipe: AnyRun, device: torch.device) -> Any:
    """The context in which the network runs at the recipe's precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16")


def one_cycle(optimizer: Optimizer, schedule: Schedule, faces: int) -> OneCycleLR:
    """Warm-up and cosine decay of each parameter group's rate, over all steps of the run.

    Raises `ValueError` where the faces do not fill one batch.
    """
    steps = faces // schedule.batch_size
    if steps == 0:
        raise ValueError(f"{faces} faces do not fill one batch of {schedule.batch_size}.")
    return OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=schedule.epochs * steps,
        pct_start=schedule.warmup,
        cycle_momentum=False,
    )


def train_epoch(
    recipe: AnyRun,
    epoch: int,
    faces: int,
    net: nn.Module,
    loss_of: Callable[[NDArray[np.int64]], Tensor],
    optimizer: Optimizer,
    scheduler: OneCycleLR,
    workers: Workers,
    after_step: Callable[[], None] = lambda: None,
) -> float:
    """One pass over `faces` faces in an order that only seed and epoch decide; the mean loss.

    `loss_of` takes the indices of some faces and returns their mean loss; `net` is what it runs, as
    `Workers.share` returned it. What is left over after the last whole batch waits for another
    epoch. Raises `ValueError` where a batch cannot be cut evenly.
    """
    size, parts = recipe.schedule.batch_size, recipe.schedule.accumulate
    if size % (parts * workers.count):
        raise ValueError(
            f"A batch of {size} faces cannot be cut into {parts} parts for each of {workers.count} "
            "processes. Change batch_size or accumulate."
        )
    torch.manual_seed((recipe.seed * 1000 + epoch) * 1000 + workers.rank)  # dropout's draws
    order = np.random.default_rng([recipe.seed, epoch]).permutation(faces)
    batches = order[: faces // size * size].reshape(
        -1, parts, workers.count, size // parts // workers.count
    )
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    losses = []
    bar = tqdm(batches, desc=f"epoch {epoch + 1}", unit="batch", disable=not workers.first)
    for batch in bar:
        loss = 0.0
        for part in range(parts):
            last = part == parts - 1
            with nullcontext() if last else without_exchange(net):
                part_loss = loss_of(batch[part, workers.rank]) / parts
                part_loss.backward()
            loss += part_loss.item()
        nn.utils.clip_grad_norm_(parameters, recipe.schedule.clip_norm)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        after_step()
        losses.append(loss)
        bar.set_postfix(loss=f"{np.mean(losses[-50:]):.3f}")
    return workers.mean(float(np.mean(losses)))

"""What all training loops share: seeds, precision, the rate's schedule, one epoch of steps."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR
from tqdm import tqdm

from training.recipe import PretrainRecipe, Recipe, Schedule

AnyRun = Recipe | PretrainRecipe


def seeded(seed: int, epoch: int) -> Generator:
    """Seeds everything that an epoch draws at random, so that a resumed run draws the same."""
    torch.manual_seed(seed * 1000 + epoch)
    return Generator().manual_seed(seed * 1000 + epoch)


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
    loss_of: Callable[[NDArray[np.int64]], Tensor],
    optimizer: Optimizer,
    scheduler: OneCycleLR,
    after_step: Callable[[], None] = lambda: None,
) -> float:
    """One pass over `faces` faces in an order that only seed and epoch decide; the mean loss.

    `loss_of` takes the indices of a batch. What is left over after the last whole batch waits for
    another epoch.
    """
    size = recipe.schedule.batch_size
    order = np.random.default_rng([recipe.seed, epoch]).permutation(faces)
    batches = order[: faces // size * size].reshape(-1, size)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    losses = []
    for indices in (bar := tqdm(batches, desc=f"epoch {epoch + 1}", unit="batch")):
        loss = loss_of(indices)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, recipe.schedule.clip_norm)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        after_step()
        losses.append(loss.item())
        bar.set_postfix(loss=f"{np.mean(losses[-50:]):.3f}")
    return float(np.mean(losses))

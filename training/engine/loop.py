"""What all training loops share: seeds, precision, parameter groups, the rate, an epoch of steps.

What befalls a face in an epoch depends on the seed, the epoch and its place in the epoch alone, and
dropout's draws on the step, so that a batch may be cut into parts or spread over processes, and a
run stopped anywhere and resumed, with one result.
"""

import math
import time
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

from training._timm import timm
from training.engine.checkpoint import Progress, RunFolder
from training.engine.distributed import Workers, without_exchange
from training.engine.prefetch import Batch, prefetched
from training.recipe import PretrainRecipe, Recipe, Schedule

AnyRun = Recipe | PretrainRecipe


class Draws:
    """The random numbers of one epoch, a row for each place in it."""

    def __init__(self, seed: int, epoch: int, faces: int, width: int) -> None:
        rng = np.random.default_rng([seed, epoch, width])
        self._rows = rng.random((faces, width), dtype=np.float32)

    def of(self, places: NDArray[np.int64], device: torch.device) -> Tensor:
        """`[n, width]`, uniform in 0 to 1."""
        return torch.from_numpy(self._rows[places]).to(device)


def adamw(backbone: Any, others: list[tuple[str, nn.Parameter]], schedule: Schedule) -> Optimizer:
    """AdamW with layer-wise rates over a timm ViT; `others`, by name, learn at the full rate.

    Biases, norms, LayerScale, tokens and positions do not decay (He et al. 2021, A.1).
    """
    if schedule.frozen_blocks:
        for part in (backbone.patch_embed, *backbone.blocks[: schedule.frozen_blocks]):
            part.requires_grad_(False)
        backbone.cls_token.requires_grad_(False)
        backbone.pos_embed.requires_grad_(False)
    groups = timm.optim.param_groups_layer_decay(
        backbone,
        weight_decay=schedule.weight_decay,
        layer_decay=schedule.layer_decay,
        no_weight_decay_list=backbone.no_weight_decay(),
    )
    for group in groups:
        group["lr_scale"] *= schedule.backbone_rate
    still = {name for name, p in others if p.ndim <= 1 or name.endswith(("token", "position"))}
    for decay, members in (
        (schedule.weight_decay, [p for name, p in others if name not in still]),
        (0.0, [p for name, p in others if name in still]),
    ):
        groups.append({"params": members, "weight_decay": decay})
    for group in groups:
        group["lr"] = schedule.rate * group.pop("lr_scale", 1.0)
        group.pop("param_names", None)
    fused = groups[0]["params"][0].is_cuda  # one kernel for all of them
    return torch.optim.AdamW(groups, betas=schedule.betas, fused=fused)


def one_cycle(optimizer: Optimizer, schedule: Schedule, faces: int) -> OneCycleLR:
    """Warm-up and cosine decay of each parameter group's rate, over all steps of the run.

    Raises `ValueError` where the `faces` of an epoch do not fill one batch.
    """
    steps = faces // schedule.batch_size
    if steps == 0:
        raise ValueError(f"{faces} faces do not fill one batch of {schedule.batch_size}.")
    total, warmup = schedule.epochs * steps, schedule.warmup
    if warmup * total == 1:  # OneCycleLR divides by the steps after the first
        warmup += 1e-9
    return OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=total,
        pct_start=warmup,
        cycle_momentum=False,
    )


def train_epoch(
    recipe: AnyRun,
    progress: Progress,
    faces: int,
    net: nn.Module,
    batch_of: Callable[[NDArray[np.int64]], Batch],
    loss_of: Callable[[Batch], Tensor],
    optimizer: Optimizer,
    scheduler: OneCycleLR,
    workers: Workers,
    run: RunFolder,
    after_step: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """The rest of an epoch of `faces` places; the epoch's mean loss, gradient norm, rate and speed.

    `batch_of` makes a batch of some places of the epoch, perhaps ahead of its turn and in another
    thread; `loss_of` takes it and returns the mean loss of its faces; `net` is what that runs, as
    `Workers.share` returned it. What is left over after the last full batch is not
    seen. Raises `ValueError` where a batch cannot be cut evenly, or the loss is not finite: then
    what was written last stands.
    """
    size, parts = recipe.schedule.batch_size, recipe.schedule.accumulate
    if size % (parts * workers.count):
        raise ValueError(
            f"A batch of {size} faces cannot be cut into {parts} parts for each of {workers.count} "
            "processes. Change batch_size or accumulate."
        )
    epoch, steps = progress.epochs, faces // size
    batches = np.arange(steps * size).reshape(
        steps, parts, workers.count, size // parts // workers.count
    )
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    mine = batches[progress.steps :, :, workers.rank].reshape(-1, batches.shape[-1])
    made = prefetched(batch_of, mine, workers.device)
    bar = tqdm(
        range(progress.steps, steps),
        desc=f"epoch {epoch + 1}",
        unit="batch",
        initial=progress.steps,
        total=steps,
        disable=not workers.first,
        mininterval=5,
    )
    for step in bar:
        started = time.monotonic()
        _seed(recipe.seed, epoch, step, workers.rank)
        losses = []
        for part in range(parts):
            last = part == parts - 1
            with nullcontext() if last else without_exchange(net):
                part_loss = loss_of(next(made)) / parts
                part_loss.backward()
            losses.append(part_loss.detach())
        norm = nn.utils.clip_grad_norm_(parameters, recipe.schedule.clip_norm).item()
        loss = workers.mean(torch.stack(losses).sum().item())
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise ValueError(
                f"The loss is {loss} and the gradient's norm {norm} in epoch {epoch + 1} at step "
                f"{step + 1}. Nothing was overwritten; lower learning_rate and start again."
            )
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        after_step()
        progress.step_done(loss, norm, time.monotonic() - started)
        if workers.first:
            run.save_now_and_then(progress)
        bar.set_postfix(loss=f"{progress.loss / progress.steps:.3f}", refresh=False)
    return {
        "loss": progress.loss / steps,
        "gradient_norm": progress.gradient_norm / steps,
        "learning_rate": float(max(scheduler.get_last_lr())),
        "seconds": progress.seconds,
        "faces_per_second": steps * size / progress.seconds,
    }


def _seed(*numbers: int) -> None:
    """Dropout's draws from here on, from these numbers alone."""
    torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1, np.uint32)[0]))

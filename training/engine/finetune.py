"""Fine-tunes the network on prepared sets; resumes after a kill.

    python -m training finetune training/recipes/vits14-140.toml --data runs/data

Writes to runs/<recipe name>/ the files of `training.engine.checkpoint.RunFolder` and run.json;
model.pt holds the averaged weights.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from apparent.ages import median_age
from training import provenance
from training._timm import timm
from training.data.augment import DRAWS, augment, to_float
from training.data.dataset import LABELS, Faces, read_faces
from training.data.labels import FEMALE, UNKNOWN, read_labels
from training.engine import loop
from training.engine.checkpoint import RunFolder
from training.engine.distributed import Workers
from training.engine.losses import age_gender_loss, departure, disagreement, targets
from training.networks import model
from training.recipe import Precision, Recipe, Source, located


class _Batch(NamedTuple):
    """Some faces, each as often as it has views."""

    pixels: Tensor
    """`[n, 3, S, S]` in 0 to 1, changed."""
    plain: Tensor | None
    """Each face once, unchanged, for the averaged weights to answer."""
    age_low: Tensor
    age_high: Tensor
    genders: Tensor
    soft: Tensor | None
    """A teacher's answers."""


def finetune(recipe: Recipe, data: Path, out: Path, workers: Workers) -> Path:
    """Runs the recipe, from its last checkpoint on, and returns the path of the weights."""
    device, schedule = workers.device, recipe.schedule
    teacher = located(recipe.teacher, out.parent) if recipe.teacher else None
    faces = read_faces(data, recipe.sources, recipe.train_splits, merge=True, teacher=teacher)
    held_out = _validation_sets(recipe, data)
    torch.manual_seed(recipe.seed)
    start = str(located(recipe.model.start, out.parent))
    net = model.build(recipe.model.model_copy(update={"start": start})).to(device)
    optimizer = loop.adamw(net.backbone, list(net.head.named_parameters()), schedule)
    average = timm.utils.ModelEmaV3(  # at first the plain mean of all steps so far
        net, decay=schedule.ema_decay, use_warmup=True, warmup_power=1.0
    )
    shared = workers.share(net)
    scheduler = loop.one_cycle(optimizer, schedule, faces.per_epoch)
    parts: dict[str, Any] = {
        "net": net,
        "average": average,
        "optimizer": optimizer,
        "scheduler": scheduler,
    }
    run = RunFolder(out, recipe, parts)
    progress = run.resume(device)
    views = 2 if recipe.loss.consistency else 1
    if workers.first and progress.epochs < schedule.end:
        provenance.record(out, recipe, data, faces.counts, run.seconds())
    while progress.epochs < schedule.end:
        epoch = progress.epochs
        if epoch >= schedule.epochs - schedule.full_token_epochs:
            net.see_all_patches()
        order = faces.epoch(recipe.seed, epoch)
        draws = loop.Draws(recipe.seed, epoch, len(order), views * DRAWS)
        net.train()

        def batch_of(
            places: NDArray[np.int64],
            order: NDArray[np.int64] = order,
            draws: loop.Draws = draws,
        ) -> _Batch:
            chosen = np.tile(order[places], views)

            def of(array: NDArray[Any]) -> Tensor:
                return torch.from_numpy(array[chosen]).to(device)

            size = recipe.model.image_size
            chips = torch.from_numpy(faces.chips(chosen)).to(device)
            jitter = torch.cat(draws.of(places, device).split(DRAWS, dim=1))
            return _Batch(
                augment(chips, size, recipe.augment, jitter),
                to_float(chips[: len(places)], size) if recipe.loss.mean_teacher else None,
                of(faces.age_low),
                of(faces.age_high),
                of(faces.genders),
                None if faces.soft is None else of(faces.soft),
            )

        def loss_of(batch: _Batch) -> Tensor:
            age_logits, female_logits = model.predict(shared, batch.pixels, recipe.precision)
            labels = batch.age_low, batch.age_high, batch.genders
            right = targets(*labels, batch.soft, age_logits.shape[1], recipe.loss)
            loss = age_gender_loss(age_logits, female_logits, right, recipe.loss)
            if recipe.loss.consistency:
                loss = loss + recipe.loss.consistency * disagreement(age_logits, female_logits)
            if batch.plain is not None:
                taught = _taught(average.module, batch.plain, recipe.precision, views)
                answered = (age_logits, female_logits)
                loss = loss + recipe.loss.mean_teacher * departure(answered, taught)
            return loss

        figures = loop.train_epoch(
            recipe,
            progress,
            faces.per_epoch,
            shared,
            batch_of,
            loss_of,
            optimizer,
            scheduler,
            workers,
            run,
            after_step=lambda: average.update(net, step=scheduler.last_epoch),
        )
        progress = progress.next_epoch()
        if workers.first:
            for name, some in held_out.items():
                found = validate(average.module, some, recipe, device)
                figures |= {f"{name}/{figure}": value for figure, value in found.items()}
            run.finish_epoch(progress, figures, average.module.state_dict())
            provenance.record(out, recipe, data, faces.counts, run.seconds())
    return run.weights


@torch.no_grad()
def _taught(
    teacher: nn.Module, pixels: Tensor, precision: Precision, views: int
) -> tuple[Tensor, Tensor]:
    """A teacher's logits of ages and female, those of a face once for each of its views."""
    ages, female = model.predict(teacher, pixels, precision)
    return ages.repeat(views, 1), female.repeat(views)


def _validation_sets(recipe: Recipe, data: Path) -> dict[str, Faces]:
    """The split val of each source that has one, and of the sets that the recipe names beside."""
    names = [
        source.name
        for source in recipe.sources
        if "val" in read_labels(data / source.name / LABELS).splits
    ]
    return {
        name: read_faces(data, (Source(name=name),), ("val",))
        for name in dict.fromkeys([*names, *recipe.validation])
    }


@torch.no_grad()
def validate(
    net: nn.Module, faces: Faces, recipe: Recipe, device: torch.device
) -> dict[str, float]:
    """Uncalibrated figures of what the labels tell: years off an exact age; years outside a range
    and share of medians in it; gender accuracy.
    """
    net.eval()
    ages, female = [], []
    count = min(recipe.validation_faces or len(faces), len(faces))
    answering = np.arange(count) * len(faces) // count
    for some in np.split(answering, range(128, count, 128)):
        chips = torch.from_numpy(faces.chips(some)).to(device)
        pixels = to_float(chips, recipe.model.image_size)
        age_logits, female_logits = model.predict(net, pixels, recipe.precision)
        ages.append(median_age(age_logits.softmax(dim=1).cpu().numpy()))
        female.append((female_logits > 0).cpu().numpy())
    answered = np.concatenate(ages)
    low, high, genders = (of[answering] for of in (faces.age_low, faces.age_high, faces.genders))
    known = low != UNKNOWN
    exact, ranged = known & (low == high), known & (low < high)
    told = genders != UNKNOWN
    figures = {}
    if exact.any():
        figures["age_mae"] = float(np.abs(answered - low)[exact].mean())
    if ranged.any():
        outside = np.maximum(np.maximum(low - answered, answered - high), 0)[ranged]
        year = np.rint(answered)
        figures["years_outside"] = float(outside.mean())
        figures["range_exact"] = float(((low <= year) & (year <= high))[ranged].mean())
    if told.any():
        right = np.concatenate(female) == (genders == FEMALE)
        figures["gender_accuracy"] = float(right[told].mean())
    return figures

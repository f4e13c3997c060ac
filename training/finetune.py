"""Fine-tunes the network on prepared chips; resumes after a kill.

    python -m training finetune training/recipes/vits14-140.toml --chips runs/data/utkface

Writes `training.checkpoint.RunFolder`'s files to runs/<recipe name>/; model.pt holds the averaged
weights.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from apparent.ages import median_age
from training import dataset, loop, model
from training._timm import timm
from training.augment import DRAWS, augment, to_float
from training.checkpoint import RunFolder
from training.dataset import Dataset
from training.losses import age_gender_loss, targets
from training.parallel import Workers
from training.recipe import Recipe


def finetune(recipe: Recipe, chips: Path, gender_chips: Path, out: Path, workers: Workers) -> Path:
    """Runs the recipe, from its last finished epoch on, and returns the path of the weights."""
    device = workers.device
    teacher = Path(recipe.teacher) if recipe.teacher else None
    train = dataset.read(chips, recipe.train_splits, settle=True, teacher=teacher)
    val = dataset.read(chips, ("val",))
    if recipe.gender_faces:
        extra = dataset.read_genders(gender_chips, recipe.gender_faces, recipe.seed, teacher)
        train = dataset.joined(train, extra)
    torch.manual_seed(recipe.seed)
    net = model.build(recipe.model).to(device)
    average = timm.utils.ModelEmaV3(  # at first the plain mean of all steps so far
        net, decay=recipe.schedule.ema_decay, use_warmup=True, warmup_power=1.0
    )
    shared = workers.share(net)
    optimizer = torch.optim.AdamW(_parameter_groups(net, recipe))
    scheduler = loop.one_cycle(optimizer, recipe.schedule, len(train))
    parts: dict[str, Any] = {
        "net": net,
        "average": average,
        "optimizer": optimizer,
        "scheduler": scheduler,
    }
    run = RunFolder(out, recipe.model_dump_json(), parts)
    for epoch in range(run.resume(device), recipe.schedule.epochs):
        if epoch >= recipe.schedule.epochs - recipe.schedule.full_token_epochs:
            net.see_all_patches()
        started = time.monotonic()
        draws = loop.Draws(recipe.seed, epoch, len(train), DRAWS)
        net.train()

        def loss_of(indices: NDArray[np.int64], draws: loop.Draws = draws) -> Tensor:
            def of(array: NDArray[Any]) -> Tensor:
                return torch.from_numpy(array[indices]).to(device)

            size, jitter = recipe.model.image_size, draws.of(indices, device)
            pixels = augment(of(train.chips), size, recipe.augment, jitter)
            taught = None if train.taught is None else of(train.taught)
            age_logits, female_logits = predict(shared, pixels, recipe)
            ages, female = of(train.ages), of(train.female)
            right = targets(ages, female, taught, age_logits.shape[1], recipe.loss)
            return age_gender_loss(age_logits, female_logits, *right, recipe.loss)

        loss = loop.train_epoch(
            recipe,
            epoch,
            len(train),
            shared,
            loss_of,
            optimizer,
            scheduler,
            workers,
            after_step=lambda: average.update(net, step=scheduler.last_epoch),
        )
        seconds = time.monotonic() - started
        if workers.first:
            figures = validate(average.module, val, recipe, device)
            figures = {"loss": loss, "seconds": seconds, **figures}
            run.finish_epoch(epoch + 1, figures, average.module.state_dict())
    return run.weights


def predict(net: nn.Module, pixels: Tensor, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Age logits `[n, 101]` and female logits `[n]`, float32, from the recipe's precision."""
    with loop.autocast(recipe, pixels.device):
        age_logits, female_logits = net(pixels)
    return age_logits.float(), female_logits.float()


@torch.no_grad()
def validate(
    net: nn.Module, faces: Dataset, recipe: Recipe, device: torch.device
) -> dict[str, float]:
    """Mean absolute error of the median age (years) and gender accuracy, uncalibrated."""
    net.eval()
    ages, female = [], []
    for start in range(0, len(faces), 128):
        chips = torch.from_numpy(faces.chips[start : start + 128]).to(device)
        age_logits, female_logits = predict(net, to_float(chips, recipe.model.image_size), recipe)
        ages.append(median_age(age_logits.softmax(dim=1).cpu().numpy()))
        female.append((female_logits > 0).cpu().numpy())
    return {
        "val_age_mae": float(np.abs(np.concatenate(ages) - faces.ages).mean()),
        "val_gender_accuracy": float((np.concatenate(female) == faces.female).mean()),
    }


def _parameter_groups(net: model.AgeGenderNet, recipe: Recipe) -> list[dict[str, Any]]:
    """Layer-wise rate decay over the backbone (He et al. 2021, A.1); the head at the full rate."""
    schedule = recipe.schedule
    groups = timm.optim.param_groups_layer_decay(
        net.backbone, weight_decay=schedule.weight_decay, layer_decay=schedule.layer_decay
    )
    head = list(net.head.parameters())
    groups.append(
        {"params": [p for p in head if p.ndim > 1], "weight_decay": schedule.weight_decay}
    )
    groups.append({"params": [p for p in head if p.ndim == 1], "weight_decay": 0.0})
    for group in groups:
        group["lr"] = schedule.learning_rate * group.pop("lr_scale", 1.0)
        group.pop("param_names", None)
    return list(groups)

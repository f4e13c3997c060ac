"""Fine-tunes the network on prepared chips; resumes after a kill.

    python -m training finetune training/recipes/vits14-140.toml --chips runs/data/utkface

Writes to runs/<recipe name>/: checkpoint.pt (to resume), model.pt (averaged weights), log.jsonl and
curves.png, after every epoch.
"""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from functions.predict.estimator import median_age
from training import dataset, model, plots
from training._timm import timm
from training.augment import augment, to_float
from training.dataset import Dataset
from training.losses import age_gender_loss
from training.recipe import Recipe


def finetune(recipe: Recipe, chips: Path, out: Path, device: torch.device) -> Path:
    """Runs the recipe, from its last finished epoch on, and returns the path of the weights."""
    train, val = dataset.read(chips, recipe.train_splits), dataset.read(chips, ("val",))
    torch.manual_seed(recipe.seed)
    net = model.build(recipe.model).to(device)
    average = timm.utils.ModelEmaV3(net, decay=recipe.schedule.ema_decay, use_warmup=True)
    optimizer = torch.optim.AdamW(_parameter_groups(net, recipe))
    steps_per_epoch = len(train) // recipe.schedule.batch_size
    if steps_per_epoch == 0:
        raise ValueError(
            f"{len(train)} faces do not fill one batch of {recipe.schedule.batch_size}."
        )
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=recipe.schedule.epochs * steps_per_epoch,
        pct_start=recipe.schedule.warmup,
        cycle_momentum=False,
    )
    parts: dict[str, Any] = {
        "net": net,
        "average": average,
        "optimizer": optimizer,
        "scheduler": scheduler,
    }
    out.mkdir(parents=True, exist_ok=True)
    checkpoint, log = out / "checkpoint.pt", out / "log.jsonl"
    done = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        if saved["recipe"] != recipe.model_dump_json():
            raise ValueError(
                f"{checkpoint} is of another recipe. Move {out} away or rename the recipe."
            )
        for name, part in parts.items():
            part.load_state_dict(saved[name])
        done = saved["epochs_done"]
    else:
        log.unlink(missing_ok=True)

    for epoch in range(done, recipe.schedule.epochs):
        if epoch >= recipe.schedule.epochs - recipe.schedule.full_token_epochs:
            net.see_all_patches()
        started = time.monotonic()
        loss = _train_epoch(epoch, recipe, train, parts, device)
        seconds = time.monotonic() - started
        figures = validate(average.module, val, recipe, device)
        entry = {"epoch": epoch + 1, "loss": loss, "seconds": seconds, **figures}
        _save(
            {name: part.state_dict() for name, part in parts.items()}
            | {"epochs_done": epoch + 1, "recipe": recipe.model_dump_json()},
            checkpoint,
        )
        _save(
            {"model": average.module.state_dict(), "recipe": recipe.model_dump_json()},
            out / "model.pt",
        )
        with log.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        plots.curves(log, out / "curves.png")
        print(json.dumps(entry), flush=True)
    return out / "model.pt"


def _train_epoch(
    epoch: int, recipe: Recipe, train: Dataset, parts: dict[str, Any], device: torch.device
) -> float:
    """One pass in an order, and with random choices, that only seed and epoch decide."""
    net, average = parts["net"], parts["average"]
    optimizer, scheduler = parts["optimizer"], parts["scheduler"]
    torch.manual_seed(recipe.seed * 1000 + epoch)
    generator = torch.Generator().manual_seed(recipe.seed * 1000 + epoch)
    size = recipe.schedule.batch_size
    order = np.random.default_rng([recipe.seed, epoch]).permutation(len(train))
    batches = order[: len(order) // size * size].reshape(-1, size)
    net.train()
    losses = []
    for indices in (bar := tqdm(batches, desc=f"epoch {epoch + 1}", unit="batch")):
        chips = torch.from_numpy(train.chips[indices]).to(device)
        pixels = augment(chips, recipe.model.image_size, recipe.augment, generator)
        ages = torch.from_numpy(train.ages[indices]).to(device)
        female = torch.from_numpy(train.female[indices]).to(device)
        age_logits, female_logits = predict(net, pixels, recipe)
        loss = age_gender_loss(age_logits, female_logits, ages, female, recipe.loss)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), recipe.schedule.clip_norm)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        average.update(net, step=scheduler.last_epoch)
        losses.append(loss.item())
        bar.set_postfix(loss=f"{np.mean(losses[-50:]):.3f}")
    return float(np.mean(losses))


def predict(net: nn.Module, pixels: Tensor, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Age logits `[n, 101]` and female logits `[n]`, float32, from the recipe's precision."""
    enabled = recipe.precision == "bf16"
    with torch.autocast(pixels.device.type, torch.bfloat16, enabled=enabled):
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


def _save(state: dict[str, Any], path: Path) -> None:
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)

"""Pretrains the backbone as a masked autoencoder on faces without labels; resumes after a kill.

    python -m training pretrain RECIPE --chips runs/data/utkface runs/data/celeba

Writes `training.checkpoint.RunFolder`'s files to runs/<recipe name>/; model.pt holds the backbone,
which a fine-tuning recipe names as its `start`. reconstructions.png shows what it paints.
"""

import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training import loop, model, plots
from training.augment import DRAWS, augment, to_float
from training.checkpoint import RunFolder
from training.dataset import Unlabelled
from training.mae import MaskedAutoencoder, reconstruction
from training.parallel import Workers
from training.recipe import PretrainRecipe

SHOWN = 8


def pretrain(recipe: PretrainRecipe, chips: list[Path], out: Path, workers: Workers) -> Path:
    """Runs the recipe on the faces of all folders, held-out ones left out; returns the weights."""
    device = workers.device
    faces = Unlabelled(chips, recipe.train_splits)
    torch.manual_seed(recipe.seed)
    mae = MaskedAutoencoder(model.build(recipe.model).backbone, recipe.pretraining).to(device)
    shared, schedule = workers.share(mae), recipe.schedule
    optimizer = torch.optim.AdamW(
        mae.parameters(),
        lr=schedule.learning_rate,
        weight_decay=schedule.weight_decay,
        betas=(0.9, 0.95),
    )
    scheduler = loop.one_cycle(optimizer, schedule, len(faces))
    parts = {"net": mae, "optimizer": optimizer, "scheduler": scheduler}
    run = RunFolder(out, recipe.model_dump_json(), parts)
    for epoch in range(run.resume(device), schedule.epochs):
        started = time.monotonic()
        draws = loop.Draws(recipe.seed, epoch, len(faces), DRAWS + mae.patches)
        mae.train()

        def loss_of(indices: NDArray[np.int64], draws: loop.Draws = draws) -> Tensor:
            batch = torch.from_numpy(faces[indices]).to(device)
            drawn = draws.of(indices, device)
            jitter, noise = drawn[:, :DRAWS], drawn[:, DRAWS:]
            pixels = augment(batch, recipe.model.image_size, recipe.augment, jitter)
            with loop.autocast(recipe, device):
                loss: Tensor = shared(pixels, noise)[0]
            return loss

        loss = loop.train_epoch(
            recipe, epoch, len(faces), shared, loss_of, optimizer, scheduler, workers
        )
        if workers.first:
            figures = {"loss": loss, "seconds": time.monotonic() - started}
            _show(mae, faces, recipe, device, out / "reconstructions.png")
            run.finish_epoch(epoch + 1, figures, mae.backbone.state_dict())
    return run.weights


@torch.no_grad()
def _show(
    mae: MaskedAutoencoder,
    faces: Unlabelled,
    recipe: PretrainRecipe,
    device: torch.device,
    out: Path,
) -> None:
    """Plots the first faces whole, masked and painted."""
    mae.eval()
    chips = torch.from_numpy(faces[np.arange(min(SHOWN, len(faces)))]).to(device)
    pixels = to_float(chips, recipe.model.image_size)
    noise = torch.rand(
        len(pixels), mae.patches, generator=torch.Generator().manual_seed(recipe.seed)
    )
    _, painted, mask = mae(pixels, noise.to(device))
    hidden = reconstruction(pixels, torch.zeros_like(painted), mask, mae)
    rows = {
        "face": pixels,
        "visible": hidden,
        "painted": reconstruction(pixels, painted, mask, mae),
    }
    plots.rows_of_images(
        {title: row.permute(0, 2, 3, 1).cpu().numpy() for title, row in rows.items()}, out
    )

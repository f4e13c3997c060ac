"""Pretrains the backbone as a masked autoencoder on faces without labels; resumes after a kill.

    python -m training pretrain RECIPE --data runs/data

Writes to runs/<recipe name>/ the files of `training.engine.checkpoint.RunFolder` and run.json;
model.pt holds the backbone, and the head that its start brought along: what a fine-tuning recipe
names as its `start`. reconstructions.png shows what it paints.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training import provenance
from training.data.augment import DRAWS, augment, to_float
from training.data.dataset import Faces, read_faces
from training.engine import curves, loop
from training.engine.checkpoint import RunFolder
from training.engine.distributed import Workers
from training.networks import model
from training.networks.mae import MaskedAutoencoder, reconstruction
from training.networks.pretrained import has_head
from training.recipe import PretrainRecipe, located

SHOWN = 8


class _Batch(NamedTuple):
    """Some faces."""

    pixels: Tensor
    """`[n, 3, S, S]` in 0 to 1."""
    noise: Tensor
    """`[n, patches]`, by which patches are hidden."""


def pretrain(recipe: PretrainRecipe, data: Path, out: Path, workers: Workers) -> Path:
    """Runs the recipe, from its last checkpoint on, and returns the path of the weights."""
    device, schedule = workers.device, recipe.schedule
    faces = read_faces(data, recipe.sources, recipe.train_splits)
    torch.manual_seed(recipe.seed)
    start = str(located(recipe.model.start, out.parent))
    brings_head = start not in model.HEADLESS and has_head(Path(start))
    net = model.build(recipe.model.model_copy(update={"start": start})).to(device)
    mae = MaskedAutoencoder(net.backbone, recipe.pretraining).to(device)
    decoder = [(n, p) for n, p in mae.named_parameters() if not n.startswith("backbone.")]
    optimizer = loop.adamw(mae.backbone, decoder, schedule)
    shared = workers.share(mae)
    scheduler = loop.one_cycle(optimizer, schedule, faces.per_epoch)
    parts = {"net": mae, "optimizer": optimizer, "scheduler": scheduler}
    run = RunFolder(out, recipe, parts)
    progress = run.resume(device)
    if workers.first and progress.epochs < schedule.epochs:
        provenance.record(out, recipe, data, faces.counts, run.seconds())
    while progress.epochs < schedule.epochs:
        order = faces.epoch(recipe.seed, progress.epochs)
        draws = loop.Draws(recipe.seed, progress.epochs, len(order), DRAWS + mae.patches)
        mae.train()

        def batch_of(
            places: NDArray[np.int64],
            order: NDArray[np.int64] = order,
            draws: loop.Draws = draws,
        ) -> _Batch:
            chips = torch.from_numpy(faces.chips(order[places])).to(device)
            drawn = draws.of(places, device)
            jitter, noise = drawn[:, :DRAWS], drawn[:, DRAWS:]
            return _Batch(augment(chips, recipe.model.image_size, recipe.augment, jitter), noise)

        def loss_of(batch: _Batch) -> Tensor:
            with model.autocast(recipe.precision, device):
                loss: Tensor = shared(batch.pixels, batch.noise)[0]
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
        )
        progress = progress.next_epoch()
        if workers.first:
            _show(mae, faces, recipe, device, out / "reconstructions.png")
            trained = net if brings_head else mae.backbone
            run.finish_epoch(progress, figures, trained.state_dict())
            provenance.record(out, recipe, data, faces.counts, run.seconds())
    return run.weights


@torch.no_grad()
def _show(
    mae: MaskedAutoencoder,
    faces: Faces,
    recipe: PretrainRecipe,
    device: torch.device,
    out: Path,
) -> None:
    """Plots the first faces as they are, masked and painted."""
    mae.eval()
    chips = torch.from_numpy(faces.chips(np.arange(min(SHOWN, len(faces))))).to(device)
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
    curves.rows_of_images(
        {title: row.permute(0, 2, 3, 1).cpu().numpy() for title, row in rows.items()}, out
    )

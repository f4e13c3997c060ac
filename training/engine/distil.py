"""Soft targets: what an ensemble of own models answers for chips, labelled or not.

    python -m training soft-targets runs/A/model.pt --chips runs/data/celeba --out runs/teacher

A recipe that names runs/teacher as its `teacher` learns from them (Hinton, Vinyals, Dean 2015; for
faces whose age nobody told, self-training).
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from apparent.ages import AGES
from apparent.atomic import atomic_write
from training.data.augment import DRAWS, augment, to_float
from training.data.dataset import CHIPS, LABELS, soft_targets
from training.data.labels import HELD_OUT, read_labels
from training.networks import model
from training.recipe import Augment, Recipe

_BATCH = 128
_JITTER = Augment(
    rotation=6, scale=0.06, shift=0.03, brightness=0, contrast=0, saturation=0, grey=0
)
"""About twice what the finder errs by."""


def write_soft_targets(
    weights: list[Path], folder: Path, out: Path, device: torch.device, jittered: int = 0
) -> Path:
    """Writes float16 `[chips, AGES + 1]`, age probabilities and female probability; its path.

    Each answer is the mean over the models and over the chip, its mirror image, and as many
    `jittered` views, cut as if the landmarks lay elsewhere: a student that sees one view learns to
    answer as for all. Of held-out faces, from which nothing may be learnt, it is NaN.
    """
    chips = np.load(folder / CHIPS, mmap_mode="r")
    labels = read_labels(folder / LABELS)
    rows = np.flatnonzero(~np.isin(labels.splits, list(HELD_OUT)))
    models = [model.trained(path) for path in weights]
    answers = np.full((len(chips), AGES + 1), np.nan, np.float16)
    for start in tqdm(range(0, len(rows), _BATCH), desc=folder.name, unit="batch", disable=None):
        some = rows[start : start + _BATCH]
        batch = torch.from_numpy(chips[some]).to(device)
        draws = np.random.default_rng([start, jittered]).random(
            (jittered, len(some), DRAWS), dtype=np.float32
        )
        parts = [_answers(net.to(device), recipe, batch, draws) for net, recipe in models]
        answers[some] = np.mean(parts, axis=0)
    path = soft_targets(out, folder)
    out.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as partial, partial.open("wb") as file:
        np.save(file, answers)
    return path


@torch.no_grad()
def _answers(
    net: model.AgeGenderNet, recipe: Recipe, chips: torch.Tensor, draws: NDArray[np.float32]
) -> NDArray[np.float32]:
    """`[n, AGES + 1]` for uint8 chips `[n, P, P, 3]`; `draws` is `[jittered views, n, DRAWS]`."""
    size = recipe.model.image_size
    pixels = to_float(chips, size)
    jittered = (
        augment(chips, size, _JITTER, torch.from_numpy(view).to(chips.device)) for view in draws
    )
    answers = []
    for view in (pixels, pixels.flip(3), *jittered):
        age_logits, female_logits = model.predict(net, view, recipe.precision)
        answers.append(
            torch.cat([age_logits.softmax(dim=1), female_logits.sigmoid()[:, None]], dim=1)
        )
    answer: NDArray[np.float32] = torch.stack(answers).mean(dim=0).cpu().numpy()
    return answer

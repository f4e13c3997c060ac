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
from training.data.augment import to_float
from training.data.dataset import CHIPS, LABELS, soft_targets
from training.data.labels import HELD_OUT, read_labels
from training.networks import model
from training.recipe import Recipe

_BATCH = 128


def write_soft_targets(weights: list[Path], folder: Path, out: Path, device: torch.device) -> Path:
    """Writes float16 `[chips, AGES + 1]`, age probabilities and female probability; its path.

    Each answer is the mean over the models and over the chip and its mirror image; of held-out
    faces, from which nothing may be learnt, it is NaN.
    """
    chips = np.load(folder / CHIPS, mmap_mode="r")
    labels = read_labels(folder / LABELS)
    rows = np.flatnonzero(~np.isin(labels.splits, list(HELD_OUT)))
    models = [model.trained(path) for path in weights]
    answers = np.full((len(chips), AGES + 1), np.nan, np.float16)
    for start in tqdm(range(0, len(rows), _BATCH), desc=folder.name, unit="batch", disable=None):
        some = rows[start : start + _BATCH]
        batch = torch.from_numpy(chips[some]).to(device)
        parts = [_answers(net.to(device), recipe, batch) for net, recipe in models]
        answers[some] = np.mean(parts, axis=0)
    path = soft_targets(out, folder)
    out.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as partial, partial.open("wb") as file:
        np.save(file, answers)
    return path


@torch.no_grad()
def _answers(net: model.AgeGenderNet, recipe: Recipe, chips: torch.Tensor) -> NDArray[np.float32]:
    """`[n, AGES + 1]` for uint8 chips `[n, P, P, 3]`."""
    pixels = to_float(chips, recipe.model.image_size)
    both = []
    for view in (pixels, pixels.flip(3)):
        age_logits, female_logits = model.predict(net, view, recipe.precision)
        both.append(torch.cat([age_logits.softmax(dim=1), female_logits.sigmoid()[:, None]], dim=1))
    answer: NDArray[np.float32] = torch.stack(both).mean(dim=0).cpu().numpy()
    return answer

"""A recipe from photos to a scored model bundle; what is there already is not made again.

    python -m training run training/recipes/NAME.toml --data ../shared/data

Leaves runs/NAME/model.pt and, of a fine-tuning run, the bundle runs/NAME/bundle: calibrated on the
split `calibration` of the recipe's sets and scored on their `val`.
"""

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from apparent.model import store
from apparent.model.writer import describe
from training import recipe as recipes
from training.data.dataset import LABELS
from training.data.labels import EXCLUDED, UNKNOWN, read_labels
from training.data.prepare import are_cut_so, prepare
from training.engine import distributed
from training.engine.finetune import finetune
from training.engine.pretrain import pretrain
from training.release.answers import Source
from training.release.calibrate import Options, calibrate
from training.release.evaluate import evaluate, record, shown
from training.release.export import export
from training.release.folders import require_place

CHIP_SIZE = 160
"""Side in pixels of a stored chip: somewhat more than the shipped network sees."""


def run(path: Path, data: Path, runs: Path) -> Path:
    """Does all steps of the recipe at `path`; returns the weights of a pretraining run, else the
    bundle.

    `data` has a folder with images.zip and labels.csv for each set.
    """
    recipe = recipes.load_any(path)
    names = [source.name for source in recipe.sources]
    sources = sources_of(data, names)
    with_ages = [source for source in sources if _has_ages(source.labels, "calibration")]
    with_val = [source for source in sources if "val" in read_labels(source.labels).splits]
    if isinstance(recipe, recipes.Recipe) and not (with_ages and with_val):
        raise ValueError(
            f"Of {', '.join(names)} one needs ages in its split calibration, and one a split val: "
            "the model is calibrated and scored on them."
        )
    prepare_sets(sets_of(recipe), data, runs)
    _train(recipe, path, runs)
    weights = runs / recipe.name / "model.pt"
    if isinstance(recipe, recipes.PretrainRecipe):
        return weights
    bundle = weights.with_name("bundle")
    if bundle.exists() and _weights_of(bundle) == describe(weights).sha256:
        return bundle
    export(weights, runs / "data" / with_val[0].name, unfinished(bundle))
    finish_bundle(bundle, with_ages, Options(), with_val, ["val"])
    return bundle


def sources_of(data: Path, names: Iterable[str]) -> list[Source]:
    """The labelled photos of sets, a folder of `data` each."""
    return [Source(data / name / "images.zip", data / name / LABELS) for name in names]


def unfinished(bundle: Path) -> Path:
    """Where `finish_bundle` wants a bundle's export."""
    return bundle.with_name("bundle.unfinished")


def finish_bundle(
    bundle: Path,
    calibrate_on: Sequence[Source],
    options: Options,
    score_on: Sequence[Source],
    splits: Sequence[str],
) -> None:
    """Calibrates the export beside `bundle`, scores it, and puts it in the place of `bundle`."""
    require_place(bundle)
    made = unfinished(bundle)
    calibrate(made, calibrate_on, "calibration", options)
    result = evaluate(made, score_on, splits, "photos")
    record(made, result)
    print(shown(result))
    shutil.rmtree(bundle, ignore_errors=True)
    made.rename(bundle)


def _weights_of(bundle: Path) -> str | None:
    """Of which the bundle was made, as sha256."""
    return store.load(bundle.resolve().as_uri()).manifest.provenance.weights_sha256


def sets_of(recipe: recipes.Recipe | recipes.PretrainRecipe) -> list[str]:
    """Those that the recipe names, each once."""
    beside = recipe.validation if isinstance(recipe, recipes.Recipe) else ()
    return list(dict.fromkeys([*(source.name for source in recipe.sources), *beside]))


def prepare_sets(names: Iterable[str], data: Path, runs: Path) -> None:
    """Chips of each set, where there are none yet."""
    prepared = runs / "data"
    prepared.mkdir(parents=True, exist_ok=True)
    with (prepared / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another run may be at the same set; let go at its end
        for name in names:
            _prepare_set(data / name, prepared / name)


def _prepare_set(photos: Path, chips: Path) -> None:
    if not chips.exists():
        misses = prepare(photos / "images.zip", photos / LABELS, chips, CHIP_SIZE)
        print(f"{chips}: {misses}")
    elif not are_cut_so(chips, CHIP_SIZE):
        raise ValueError(
            f"{chips} was cut by another alignment than today's. Remove it, and runs that learnt "
            "from it and are to go on."
        )
    elif (photos / LABELS).exists() and not _are_of(photos / LABELS, chips / LABELS):
        raise ValueError(
            f"{photos / LABELS} is not what {chips} was made of. Remove {chips}, and runs that "
            "learnt from it, to use the labels of today."
        )


def _are_of(labels: Path, prepared: Path) -> bool:
    """Whether chips are of these labels; `prepare` moves what it cannot decode to `excluded`."""
    now, then = read_labels(labels), read_labels(prepared)
    arrays = ("age_low", "age_high", "genders")
    return (
        now.files == then.files
        and now.clusters == then.clusters
        and all(np.array_equal(getattr(now, name), getattr(then, name)) for name in arrays)
        and all(b in (a, EXCLUDED) for a, b in zip(now.splits, then.splits, strict=True))
    )


def _has_ages(labels: Path, split: str) -> bool:
    every = read_labels(labels)
    return any(
        age != UNKNOWN and found == split
        for age, found in zip(every.age_low.tolist(), every.splits, strict=True)
    )


def _train(recipe: recipes.Recipe | recipes.PretrainRecipe, path: Path, runs: Path) -> None:
    """Here, or in a process for each of several GPUs."""
    if torch.cuda.device_count() > 1:
        step = "finetune" if isinstance(recipe, recipes.Recipe) else "pretrain"
        launch = ["torch.distributed.run", "--standalone", "--nproc-per-node=gpu", "-m", "training"]
        folders = ["--data", str(runs / "data"), "--runs", str(runs)]
        command = [sys.executable, "-m", *launch, step, str(path), *folders]
        if subprocess.run(command, check=False).returncode:
            raise ValueError(f"The step {step} did not end well; what it printed says why.")
        return
    train(recipe, runs)


def train(recipe: recipes.Recipe | recipes.PretrainRecipe, runs: Path) -> None:
    """Here, in this process; a run that has ended is left as it is."""
    with distributed.workers() as workers:
        out = runs / recipe.name
        if isinstance(recipe, recipes.Recipe):
            finetune(recipe, runs / "data", out, workers)
        else:
            pretrain(recipe, runs / "data", out, workers)

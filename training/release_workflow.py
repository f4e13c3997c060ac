"""All that a shipped model takes, from photos to the installed, scored bundle.

    python -m training release NAME

Each step is done once: what is there already is not made again, and a training run that was stopped
goes on where it was. The bundle is left in runs/NAME/bundle.
"""

import hashlib
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from apparent.atomic import atomic_write, write_text
from apparent.model import EMBEDDED
from apparent.model.writer import describe
from training import recipe as recipes
from training.data.dataset import LABELS, soft_targets
from training.engine import distributed
from training.engine.average import average
from training.engine.checkpoint import has_ended
from training.engine.distil import write_soft_targets
from training.provenance import require_start
from training.recipe import Section
from training.release.export import export
from training.release.install import install
from training.release_recipe import Average, FromHistory, Release, Teach, Train, load
from training.workflow import finish_bundle, prepare_sets, sets_of, sources_of, train, unfinished

_ROOT = Path(__file__).parents[1]


def release(path: Path, data: Path, runs: Path, target: Path | None = None) -> Path:
    """Does all steps of the release at `path` and installs its bundle, whose folder is returned.

    `data` has a folder with images.zip and labels.csv for each set. With a `target` the bundle, the
    model card and a table are put there, not in the library's and the repository's own places.
    """
    plan = load(path)
    for step in plan.steps:
        match step:
            case FromHistory():
                _from_history(step, runs)
            case Train():
                _train(step, path.parent, data, runs)
            case Average():
                _average(step, runs)
            case Teach():
                _teach(step, data, runs)
    bundle = _bundle(plan, data, runs)
    if target is None:
        card, readme = _ROOT / "training" / "MODEL_CARD.md", _ROOT / "README.md"
        install(bundle, EMBEDDED, card, readme)
    else:
        target.mkdir(parents=True, exist_ok=True)
        readme = target / "README.md"
        shutil.copy(_ROOT / "README.md", readme)
        install(bundle, target / "embedded", target / "MODEL_CARD.md", readme)
    return bundle


def _weights(runs: Path, name: str) -> Path:
    """Of a run, or a file of weights below runs/."""
    return runs / name if Path(name).suffix in (".pt", ".onnx") else runs / name / "model.pt"


def _done(out: Path, step: Section, inputs: Iterable[Path]) -> bool:
    """Whether `out` is there; raises `ValueError` where it was made of another step or files."""
    made_of = "\n".join([step.model_dump_json(), *(describe(path).sha256 for path in inputs)])
    stamp = out.with_name(f"{out.name}.made-of")
    if out.exists():
        if stamp.exists() and stamp.read_text() != made_of:
            raise ValueError(
                f"{out} was made of what has changed since. Remove it to make it anew."
            )
        return True
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(stamp, made_of)
    return False


def _from_history(step: FromHistory, runs: Path) -> None:
    out = runs / step.out
    if out.exists():
        if describe(out).sha256 != step.sha256:
            raise ValueError(f"{out} is not the file that the release names. Remove it.")
        return
    command = ["git", "-C", str(_ROOT), "show", f"{step.commit}:{step.path}"]
    shown = subprocess.run(command, check=False, capture_output=True)
    if shown.returncode or hashlib.sha256(shown.stdout).hexdigest() != step.sha256:
        raise ValueError(
            f"{step.path} of commit {step.commit} is not in this clone as the release wants it. "
            "Fetch the whole history."
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(out) as partial:
        partial.write_bytes(shown.stdout)


def _train(step: Train, folder: Path, data: Path, runs: Path) -> None:
    recipe = recipes.load_any(folder / step.recipe)
    if not step.seeds:
        _train_one(recipe, data, runs)
    elif isinstance(recipe, recipes.Recipe):
        for seed in step.seeds:
            _train_one(recipes.with_seed(recipe, seed), data, runs)
    else:
        raise ValueError(f"{step.recipe} pretrains: give a seed in the recipe.")


def _train_one(recipe: recipes.Recipe | recipes.PretrainRecipe, data: Path, runs: Path) -> None:
    out = runs / recipe.name
    if has_ended(out, recipe, recipe.schedule.end):
        require_start(out, recipe)
        return
    prepare_sets(sets_of(recipe), data, runs)
    train(recipe, runs)


def _average(step: Average, runs: Path) -> None:
    out, members = runs / step.out / "model.pt", [_weights(runs, name) for name in step.of]
    if not _done(out, step, members):
        average(members, out)


def _teach(step: Teach, data: Path, runs: Path) -> None:
    prepare_sets(step.sets, data, runs)
    teachers = [_weights(runs, name) for name in step.teachers]
    with distributed.workers() as workers:
        for name in step.sets:
            chips = runs / "data" / name
            inputs = [*teachers, chips / LABELS]
            if not _done(soft_targets(runs / step.out, chips), step, inputs):
                write_soft_targets(teachers, chips, runs / step.out, workers.device, step.jittered)


def _bundle(plan: Release, data: Path, runs: Path) -> Path:
    bundle = runs / plan.name / "bundle"
    weights = _weights(runs, plan.ship)
    labels = [data / name / LABELS for name in (*plan.calibrate_on, *plan.report_on)]
    if _done(bundle, plan, [weights, *labels]):
        return bundle
    prepare_sets(plan.report_on[:1], data, runs)
    chips = runs / "data" / plan.report_on[0]
    export(weights, chips, unfinished(bundle), mirrored=plan.mirrored)
    finish_bundle(
        bundle,
        sources_of(data, plan.calibrate_on),
        plan.calibration,
        sources_of(data, plan.report_on),
        plan.report_splits,
    )
    return bundle

"""run.json: what a run was made of, written by code alone."""

import hashlib
import json
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from apparent.atomic import write_text
from training.data.dataset import LABELS
from training.recipe import PretrainRecipe, Recipe, located

RUN = "run.json"


def record(
    out: Path,
    recipe: Recipe | PretrainRecipe,
    data: Path,
    faces: dict[str, int],
    seconds: float,
) -> None:
    """Writes `out`/run.json: recipe and its hash, commit, data, versions, hardware, time.

    `faces` is how many of each set the run may learn from; `seconds` how long it has trained so
    far. Of a run that other code resumed, all commits are named. `data` is also what the weights
    learnt from that it starts from. Raises `ValueError` where the run began from other weights, or
    from other labels.
    """
    start, path = located(recipe.model.start, out.parent), out / RUN
    before: dict[str, Any] = {"commit": "", "data": {}}
    if path.exists():
        before |= json.loads(path.read_text())
    own = {
        name: {"labels_sha256": _sha256(data / name / LABELS), "faces": count}
        for name, count in faces.items()
    }
    start_sha256 = require_start(out, recipe)
    if any(before["data"].get(name, source) != source for name, source in own.items()):
        raise ValueError(f"{out} learns from other labels than at first. Move it away to go on.")
    content: dict[str, Any] = {
        **_recipe(recipe),
        "start_sha256": start_sha256,
        "commit": _joined([before["commit"], _commit()]),
        "data": _learnt_before(start) | own,
        "versions": _versions(),
        "hardware": _hardware(),
        "seconds": round(seconds),
    }
    write_text(path, json.dumps(content, indent=2) + "\n")


def require_start(out: Path, recipe: Recipe | PretrainRecipe) -> str | None:
    """The sha256 of the file that the run in `out` starts from, if there is one, or was.

    Raises `ValueError` where the run began from other weights than it holds today.
    """
    start, path = located(recipe.model.start, out.parent), out / RUN
    began: str | None = None
    if path.exists():
        began = json.loads(path.read_text()).get("start_sha256")
    if not start.is_file():
        return began
    today = _sha256(start)
    if began not in (None, today):
        raise ValueError(
            f"{out} began from other weights than {start} holds today. Move it away to train anew."
        )
    return today


def record_average(out: Path, recipe: Recipe, members: list[Path]) -> None:
    """Writes `out`/run.json for the mean of the weights `members`, from the records beside them.

    The data is that of all of them, `seconds` the sum; an exported file is told by its hash alone.
    Raises `ValueError` where a run has no record, or two were trained on different labels of one
    set.
    """
    exported = [path for path in members if path.suffix == ".onnx"]
    records = [path.with_name(RUN) for path in members if path not in exported]
    by_path: dict[Path, Any] = {}
    for path in records:
        if not path.exists():
            raise ValueError(f"There is no {path}, which says what the run was made of.")
        by_path[path] = json.loads(path.read_text())
    runs = by_path.values()  # each once, also one that weighs twice
    data: dict[str, Any] = {}
    for run in runs:
        for name, source in run["data"].items():
            if data.setdefault(name, source)["labels_sha256"] != source["labels_sha256"]:
                raise ValueError(f"The runs were trained on different labels of {name}.")
    content = {
        **_recipe(recipe),
        "members": [
            *(by_path[path] for path in records),
            *({"exported_sha256": _sha256(path)} for path in exported),
        ],
        "commit": _joined([run["commit"] for run in runs]),
        "data": data,
        "versions": _versions(),
        "hardware": _joined([run["hardware"] for run in runs]),
        "seconds": sum(run["seconds"] for run in runs),
    }
    write_text(out / RUN, json.dumps(content, indent=2) + "\n")


def _learnt_before(start: Path) -> dict[str, Any]:
    """What the weights that a run starts from learnt from, as far as a record beside them says."""
    path = start.with_name(RUN)
    if not start.is_file() or not path.exists():
        return {}
    data: dict[str, Any] = json.loads(path.read_text())["data"]
    return data


def _recipe(recipe: Recipe | PretrainRecipe) -> dict[str, Any]:
    written = recipe.model_dump(mode="json")
    canonical = json.dumps(written, sort_keys=True).encode()
    return {"recipe": written, "recipe_sha256": hashlib.sha256(canonical).hexdigest()}


def _joined(texts: list[str]) -> str:
    """Each once, in order."""
    parts = [part for text in texts for part in text.split("; ") if part]
    return "; ".join(dict.fromkeys(parts))


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("torch", "timm", "numpy", "pillow")}
    return {"python": platform.python_version(), **packages}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _commit() -> str:
    """Of the code that runs, marked where training or the library differ from it."""
    root = Path(__file__).parents[1]

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        try:
            result = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError:  # there is no git
            return ""
        return result.stdout.strip() if result.returncode == 0 else ""

    head = git("rev-parse", "HEAD")
    changed = git("status", "--porcelain", "--", "training", "functions/apparent")
    return (head or "unknown") + (" with changes" if changed else "")


def _hardware() -> str:
    """The processor, or the GPUs."""
    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(": ")[1] for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor()
    return f"{name}, {torch.get_num_threads()} threads a process"

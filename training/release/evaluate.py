"""Scores a model bundle on labelled photos.

    python -m training evaluate --model DIR --images images.zip --labels labels.csv --split test

`--through photos` sends each file's bytes through the whole served pipeline; `--through chips`
takes the file as an aligned face already, which shows what detection and alignment cost.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from apparent.model import store
from apparent.model.writer import write_card, write_manifest
from training.release.answers import Answers, Source, Through, collect
from training.release.folders import changed
from training.release.metrics import report
from training.release.stability import stability

Result = dict[str, Any]

UNSERVED: Final = "Only figures of the served road are recorded: evaluate --through photos."


def evaluate(
    folder: Path,
    sources: Sequence[Source],
    splits: Sequence[str],
    through: Through,
    *,
    steady: bool = False,
) -> Result:
    """The figures of a bundle for all faces of some splits of some collections.

    Where there are several collections or splits, `results` has those of each apart, and of each
    collection. `steady` adds figures of stability, at ten times the time.
    """
    bundle = store.load(folder.resolve().as_uri())
    answers = collect(bundle, sources, splits, through)
    model = {"name": bundle.manifest.name, "version": bundle.manifest.version}

    def figures(of: Answers, data: str, split: str) -> Result:
        scored = report(of, bundle.manifest.policy)
        return {"data": data, "split": split, "through": through, **scored}

    names = " + ".join(source.name for source in sources)
    results = []
    for source in sources:
        of_source = answers.where(answers.sources == source.name)
        present = [split for split in splits if (of_source.splits == split).any()]
        for split in present if len(present) > 1 else ():
            results.append(figures(of_source.where(of_source.splits == split), source.name, split))
        results.append(figures(of_source, source.name, " + ".join(present)))
        if steady:
            results[-1] |= stability(bundle, [source], present, through)
    if len(results) == 1:
        return {"model": model, **results[0], "results": []}
    return {"model": model, **figures(answers, names, " + ".join(splits)), "results": results}


def record(folder: Path, result: Result) -> None:
    """Puts the figures into the bundle's card, in place of older ones of the same faces."""
    if result["through"] != "photos":
        raise ValueError(UNSERVED)
    bundle = store.load(folder.resolve().as_uri())
    new = result["results"] or [{k: v for k, v in result.items() if k not in ("model", "results")}]
    places = {(one["data"], one["split"]) for one in new}
    kept = [one for one in bundle.card.figures if (one["data"], one["split"]) not in places]
    card = bundle.card.model_copy(update={"figures": [*kept, *new]})
    with changed(folder) as made:
        described = write_card(made, card)
        write_manifest(made, bundle.manifest.model_copy(update={"card": described}))


def shown(result: Result) -> str:
    """A line for each collection and split: the plain figures."""
    lines = []
    for one in result["results"] or [result]:
        plain = {
            name: value
            for name, value in one.items()
            if not isinstance(value, dict | list | tuple | str) and not name.endswith("_ci")
        }
        known = [f"{name} {value}" for name, value in plain.items() if value is not None]
        lines.append("  ".join([f"{one['data']} {one['split']}:", *known]))
    return "\n".join(lines)

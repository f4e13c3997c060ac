"""Writes the model card and its plots, and the README's table, from results files alone.

    python -m training report training/model_card/*.json

Results files are those of `training evaluate --json` for the very model folder described; the one
with the most faces is told by groups.
"""

import json
from pathlib import Path
from typing import Any

from apparent.atomic import write_text
from apparent.model import ESTIMATOR, store
from apparent.model.bundle import Manifest
from training import plots

START, END = "<!-- figures: python -m training report -->", "<!-- end of figures -->"

_WORDS = Path(__file__).with_name("model_card.template.md")

Results = dict[str, Any]

_TITLES = {
    "by_age_band": "Age",
    "by_gender": "Gender",
    "by_race": "Race, as labelled in UTKFace",
    "by_age_gender_race": "Age, gender and race",
}


def report(results: list[Path], model: Path, card: Path, readme: Path) -> None:
    """Writes `card`, plots into the folder beside it, and the part of `readme` between its markers.

    Raises `ValueError` where a results file is of another model than the folder `model`.
    """
    manifest = store.load(model.resolve().as_uri()).manifest
    scored = sorted((_read(path, manifest) for path in results), key=lambda one: int(one["n"]))
    text = readme.read_text()
    if START not in text or END not in text:
        raise ValueError(f"{readme} does not have the lines {START} and {END}.")
    largest = scored[-1]
    pictures = card.with_name(card.stem.lower())
    pictures.mkdir(exist_ok=True)
    plots.error_by_group(largest["by_age_band"], pictures / "error.png")
    plots.coverage_by_group(
        largest["by_age_band"], manifest.interval.coverage, pictures / "coverage.png"
    )
    plots.reliability(largest["gender_reliability"], pictures / "reliability.png")
    write_text(card, _card(manifest, scored, pictures.name))
    before, after = text.split(START)[0], text.split(END)[1]
    write_text(readme, f"{before}{START}\n{overall(manifest, scored)}\n{END}{after}")


def overall(manifest: Manifest, scored: list[Results]) -> str:
    """A table with a row for each results file, smallest first."""
    rows = [
        [
            f"`{one['split']}`",
            f"{one['n']:,}",
            str(one["misses"]),
            _years(one, "age_mae"),
            _years(one, "age_mae_protocol"),
            _percent(one, "gender_accuracy"),
            _percent(one, "interval_coverage"),
            f"{one['interval_width']:.1f}",
        ]
        for one in scored
    ]
    header = (
        "split, faces, missed, age error, protocol age error, gender, interval holds, its width"
    )
    version = f"Version `{manifest.version}`; in brackets 95 % bootstrap intervals."
    return f"{_table(header, rows)}\n\n{version}"


def _card(manifest: Manifest, scored: list[Results], pictures: str) -> str:
    largest, file = scored[-1], manifest.files[ESTIMATOR]
    right = largest["gender_accuracy_answered"]  # None where every answer is 'uncertain'
    regions = [
        [str(region.first_age), f"{region.lowest:.3f}", f"{region.highest:.3f}"]
        for region in manifest.interval.regions
    ]
    tables = [f"### {title}\n\n{_groups(largest[name])}" for name, title in _TITLES.items()]
    return _WORDS.read_text().format(
        manifest=manifest,
        estimator=ESTIMATOR,
        megabytes=file.bytes / 1e6,
        sha256=file.sha256,
        overall=overall(manifest, scored),
        pictures=pictures,
        regions=_table("from age, lowest share, highest share", regions),
        largest=largest,
        answered=f"{1 - largest['gender_uncertain']:.1%}",
        right="no" if right is None else f"{right:.1%}",
        tables="\n\n".join(tables),
    )


def _read(path: Path, manifest: Manifest) -> Results:
    results: Results = json.loads(path.read_text())
    if results["model"]["version"] != manifest.version:
        raise ValueError(
            f"{path} is of version {results['model']['version']}, the model folder holds "
            f"{manifest.version}. Evaluate the folder again."
        )
    return results


def _groups(groups: dict[str, Results]) -> str:
    rows = [
        [
            name,
            f"{one['n']:,}",
            _years(one, "age_mae"),
            f"{one['age_bias']:+.1f}",
            _percent(one, "gender_accuracy"),
            _percent(one, "interval_coverage"),
            f"{one['interval_width']:.1f}",
        ]
        for name, one in groups.items()
    ]
    return _table("group, n, age error, bias, gender, interval holds, its width", rows)


def _years(one: Results, name: str) -> str:
    if one[name] is None:
        return ""
    low, high = one[f"{name}_ci"]
    return f"{one[name]:.2f} ({low:.2f} to {high:.2f})"


def _percent(one: Results, name: str) -> str:
    low, high = one[f"{name}_ci"]
    return f"{one[name]:.1%} ({low:.1%} to {high:.1%})"


def _table(header: str, rows: list[list[str]]) -> str:
    titles = header.split(", ")
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

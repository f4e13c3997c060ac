"""Writes the model card and its plots, and the README's table, from a bundle alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from apparent.atomic import write_text
from apparent.model import store
from training.release import plots
from training.release.licences import title

START, END = "<!-- figures: python -m training install -->", "<!-- end of figures -->"

_WORDS = Path(__file__).with_name("model_card.template.md")

Result = dict[str, Any]

_MIVOLO = "[MiVOLO](https://github.com/WildChlamydia/MiVOLO)"
_PUBLISHED = {
    "utkface": "ages 21 to 60 by the usual protocol: {age_mae_protocol:.2f}; "
    f"{_MIVOLO} 4.23 and 97.7%",
    "fairface": f"{_MIVOLO}, which sees bodies, too: 61.1% and 95.7%",
}
"""By collection: figures of the best that others have published, as they give them."""

_GENDERS = """\
Of {named}: the gender's probability has an expected calibration error of
{ece:.3f}. Below {below:.2f} the answer is `uncertain`; the other
{answered} of answers are right in {right} of cases. The tables count the
likelier gender of all faces."""

_GROUPS = {
    "by_age_band": "age",
    "by_range": "labelled range of ages",
    "by_gender": "gender",
    "by_race": "race, as labelled",
    "by_age_gender_race": "age, gender and race",
}


def write_card(bundle: store.Bundle, card: Path, readme: Path) -> None:
    """Writes `card`, plots into the folder beside it, and the part of `readme` between its markers.

    Raises `ValueError` where the bundle has no figures or the README no markers.
    """
    results = reported(bundle.card.figures)
    if not results:
        raise ValueError(
            f"The bundle {bundle.manifest.name} {bundle.manifest.version} has no figures: run "
            "`python -m training evaluate ... --record` first."
        )
    text = require_markers(readme)
    pictures = card.with_name(card.stem.lower())
    pictures.mkdir(exist_ok=True)
    aged = [one for one in results if one["by_age_band"]]
    if aged:
        largest = max(aged, key=lambda one: int(one["n"]))
        bands, coverage = largest["by_age_band"], bundle.manifest.policy.interval.coverage
        plots.error_by_group(bands, pictures / "error.png")
        plots.coverage_by_group(bands, coverage, pictures / "coverage.png")
    gendered = max(results, key=lambda one: len(one["gender_reliability"]))
    plots.reliability(gendered["gender_reliability"], pictures / "reliability.png")
    write_text(card, _card(bundle, results, pictures.name))
    before, after = text.split(START)[0], text.split(END)[1]
    write_text(readme, f"{before}{START}\n{_summary(bundle, results)}\n{END}{after}")


def require_markers(readme: Path) -> str:
    """Its text; raises `ValueError` where the table has no place in it."""
    text = readme.read_text()
    if START not in text or END not in text:
        raise ValueError(f"{readme} does not have the lines {START} and {END}.")
    return text


def reported(figures: list[Result]) -> list[Result]:
    """The results that are told: not those on val, alone or with others, where the same collection
    has some without, for they flatter what was chosen by them.
    """
    held_out = {one["data"] for one in figures if not _of_val(one)}
    return [one for one in figures if not _of_val(one) or one["data"] not in held_out]


def _of_val(one: Result) -> bool:
    return "val" in one["split"].split(" + ")


def _summary(bundle: store.Bundle, results: list[Result]) -> str:
    """The README's table: a row for each collection, beside what others have published."""
    rows = [
        [
            title(one["data"]),
            f"{one['n']:,}",
            f"{one['age_mae']:.2f}" if _has(one, "age_mae") else "",
            _share(one, "range_exact"),
            _share(one, "gender_accuracy"),
            _share(one, "interval_coverage") or _share(one, "range_touched"),
            _beside(one),
        ]
        for one in _largest_of_each(results)
    ]
    header = "faces of, faces, age error, right range, gender, interval holds, others"
    return f"{_table(header, rows)}\n\nVersion `{bundle.manifest.version}`."


def _beside(one: Result) -> str:
    if one["data"] == "utkface" and not _has(one, "age_mae_protocol"):
        return ""
    return _PUBLISHED.get(one["data"], "").format(**one)


def overall(bundle: store.Bundle, results: list[Result]) -> str:
    """A table with a row for each result."""
    rows = [
        [
            title(one["data"]),
            f"`{one['split']}`",
            f"{one['n']:,}",
            str(one["misses"]),
            _years(one, "age_mae"),
            _percent(one, "age_cs5"),
            _years(one, "age_mae_protocol") if one["data"] == "utkface" else "",
            _percent(one, "range_exact"),
            _percent(one, "range_within_one"),
            _percent(one, "gender_accuracy"),
            _percent(one, "interval_coverage") or _percent(one, "range_touched"),
            f"{one['interval_width']:.1f}" if _has_ages(one) else "",
        ]
        for one in results
    ]
    header = (
        "faces of, split, faces, missed, age error, within 5 years, protocol age error, "
        "right range, right or next, gender, interval holds, its width"
    )
    version = f"Version `{bundle.manifest.version}`; in brackets 95 % bootstrap intervals."
    return f"{_table(header, rows)}\n\n{version}"


def _card(bundle: store.Bundle, results: list[Result], pictures: str) -> str:
    manifest = bundle.manifest
    regions = [
        [str(region.first_age), f"{region.lowest:.3f}", f"{region.highest:.3f}"]
        for region in manifest.policy.interval.regions
    ]
    return _WORDS.read_text().format(
        manifest=manifest,
        card=bundle.card,
        estimator=manifest.estimator.path,
        megabytes=manifest.estimator.bytes / 1e6,
        sha256=manifest.estimator.sha256,
        calibrated=_calibrated_on(manifest.provenance.calibration),
        provenance=_provenance(bundle),
        overall=overall(bundle, results),
        pictures=pictures,
        regions=_table("answered age from, lowest, highest", regions),
        genders=_genders(bundle, max(results, key=_main_genders)),
        tables="\n\n".join(_tables(one) for one in _largest_of_each(results)),
    )


def _main_genders(one: Result) -> tuple[bool, bool, int]:
    return _has(one, "gender_accuracy"), one["data"] == "utkface", int(one["n"])


def _genders(bundle: store.Bundle, one: Result) -> str:
    """What the probability of a gender is worth, on one collection."""
    if not _has(one, "gender_accuracy"):
        return "No gender of these faces was told."
    right = one["gender_accuracy_answered"]  # None where every answer is 'uncertain'
    return _GENDERS.format(
        named=f"{title(one['data'])} `{one['split']}`",
        ece=one["gender_ece"],
        below=bundle.manifest.policy.gender.uncertain_below,
        answered=f"{1 - one['gender_uncertain']:.1%}",
        right="no" if right is None else f"{right:.1%}",
    )


def _provenance(bundle: store.Bundle) -> str:
    known = bundle.manifest.provenance
    facts = {
        "commit": known.commit,
        "recipe, sha256": known.recipe_sha256,
        "weights it began with, sha256": known.start_sha256,
        "weights, sha256": known.weights_sha256,
        **{f"labels of {title(n)}, sha256": d.labels_sha256 for n, d in known.data.items()},
    }
    lines = [f"- {name}: `{value}`" for name, value in facts.items() if value]
    if known.seconds:
        lines.append(f"- training: {known.seconds / 3600:.2f} hours")
    if known.note:
        lines.append(f"- {known.note}")
    return "\n".join(lines)


def _calibrated_on(calibration: dict[str, Any]) -> str:
    data: dict[str, Any] = calibration.get("data", {})
    return ", ".join(f"{one['faces']:,} of {title(name)}" for name, one in data.items()) or "none"


def _largest_of_each(results: list[Result]) -> list[Result]:
    largest: dict[str, Result] = {}
    for one in results:
        if int(one["n"]) > int(largest.get(one["data"], {"n": -1})["n"]):
            largest[one["data"]] = one
    return list(largest.values())


def _tables(one: Result) -> str:
    return "\n\n".join(
        f"### {title(one['data'])} `{one['split']}`, by {words}\n\n{_groups(one[name])}"
        for name, words in _GROUPS.items()
        if one.get(name)
    )


Column = Callable[[Result], str]

_AGE_COLUMNS: dict[str, Column] = {
    "age error": lambda one: _years(one, "age_mae"),
    "bias": lambda one: "" if one["age_bias"] is None else f"{one['age_bias']:+.1f}",
    "interval holds": lambda one: _percent(one, "interval_coverage"),
}
_RANGE_COLUMNS: dict[str, Column] = {
    "right range": lambda one: _percent(one, "range_exact"),
    "right or next": lambda one: _percent(one, "range_within_one"),
    "interval touches it": lambda one: _percent(one, "range_touched"),
}


def _groups(groups: dict[str, Result]) -> str:
    columns: dict[str, Column] = {"n": lambda one: f"{one['n']:,}"}
    if any(_has(one, "age_mae") for one in groups.values()):
        columns |= _AGE_COLUMNS
    if any(_has(one, "range_exact") for one in groups.values()):
        columns |= _RANGE_COLUMNS
    if any(_has(one, "gender_accuracy") for one in groups.values()):
        columns["gender"] = lambda one: _percent(one, "gender_accuracy")
    if len(columns) > 2:
        columns["interval's width"] = lambda one: (
            f"{one['interval_width']:.1f}" if _has(one, "interval_width") else ""
        )
    rows = [[name, *(cell(one) for cell in columns.values())] for name, one in groups.items()]
    return _table(", ".join(["group", *columns]), rows)


def _has(one: Result, name: str) -> bool:
    return one.get(name) is not None


def _has_ages(one: Result) -> bool:
    return _has(one, "age_mae") or _has(one, "range_exact")


def _years(one: Result, name: str) -> str:
    if not _has(one, name):
        return ""
    low, high = one[f"{name}_ci"]
    return f"{one[name]:.2f} ({low:.2f} to {high:.2f})"


def _percent(one: Result, name: str) -> str:
    if not _has(one, name):
        return ""
    low, high = one[f"{name}_ci"]
    return f"{one[name]:.1%} ({low:.1%} to {high:.1%})"


def _share(one: Result, name: str) -> str:
    return f"{one[name]:.1%}" if _has(one, name) else ""


def _table(header: str, rows: list[list[str]]) -> str:
    titles = header.split(", ")
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

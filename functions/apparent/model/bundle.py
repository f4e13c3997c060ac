"""Model bundle, version 1: a folder of networks, `manifest.json` and `card.json`.

The manifest is all that a service needs to know: which files, with which hashes, and how their
answers are read. The card is for people: figures, data, intended use. Both are written by code.
"""

from collections.abc import Iterator
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

SCHEMA_VERSION: Final = 1

SERVED: Final = "int8"
"""The variant of the estimator that answers, and whose hash is the bundle's version."""
DETECTOR_VARIANT: Final = "fp32"

Role = Literal["detector", "estimator"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class File(_Part):
    """One file of the folder."""

    path: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """A plain name: the folder has no others below it."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(gt=0)


class Input(_Part):
    """The chip the estimator takes: uint8 `[N, chip_size, chip_size, 3]` RGB."""

    chip_size: int = Field(gt=0)
    template: tuple[tuple[float, float], ...] = Field(min_length=5, max_length=5)
    """Where the five landmarks belong, as fractions of the chip's side."""


class AgeRegion(_Part):
    """Which years belong to the interval of a face whose answered age, rounded, is in a region.

    Year a does while the share of the face's distribution below it, half of its own included, lies
    between the two levels.
    """

    first_age: int = Field(ge=0)
    """Years; the region ends where the next begins."""
    lowest: float = Field(ge=0, le=1)
    highest: float = Field(ge=0, le=1)


class Interval(_Part):
    """How an age interval is made from a face's distribution: see `training.release.calibrate`."""

    coverage: float = Field(gt=0, lt=1)
    """Share of faces whose age the interval is meant to hold."""
    regions: tuple[AgeRegion, ...] = Field(min_length=1)
    """In the order of their ages, the first from age 0."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        firsts = [region.first_age for region in self.regions]
        if firsts != sorted(set(firsts)) or firsts[0] != 0:
            raise ValueError("regions must be in the order of their ages, the first from age 0")
        return self


class GenderPolicy(_Part):
    """How a probability becomes a label."""

    uncertain_below: float = Field(ge=0.5, le=1)
    """A likelier label below this probability is answered as `uncertain`."""


class Policy(_Part):
    """How the networks' probabilities become answers."""

    interval: Interval
    gender: GenderPolicy


class DataSource(_Part):
    """A collection of faces that took part in training."""

    labels_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    faces: int = Field(ge=0)


class Provenance(_Part):
    """Where the weights come from, as the code that made them recorded it; empty where unknown."""

    recipe: JsonValue = None
    """The training run's recipe or release, or its name."""
    recipe_sha256: str | None = None
    start_sha256: str | None = None
    """Of the file of weights that training began with."""
    commit: str | None = None
    """Of the code that trained."""
    data: dict[str, DataSource] = {}
    """By the name of the collection."""
    versions: dict[str, str] = {}
    """Of Python and the packages that trained."""
    hardware: JsonValue = None
    seconds: float | None = None
    """Of training."""
    weights_sha256: str | None = None
    mirrored: bool = False
    """Whether the graph answers with the mean over a chip and its mirror image."""
    calibration: dict[str, JsonValue] = {}
    """Data, options, what was fitted, and the coverage reached."""
    note: str = ""


class Manifest(_Part):
    """`manifest.json`."""

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str = Field(min_length=1)
    version: str = Field(pattern=r"^[0-9a-f]{12}$")
    """First 12 hex digits of the sha256 of the int8 estimator."""
    files: dict[Role, dict[str, File]]
    """By role and variant."""
    card: File
    input: Input
    policy: Policy
    licence: str = Field(min_length=1)
    """One or two sentences, from the data that was used."""
    provenance: Provenance

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for role, variant in (("estimator", SERVED), ("detector", DETECTOR_VARIANT)):
            if variant not in self.files.get(role, {}):  # type: ignore[call-overload]
                raise ValueError(f"files does not list the {role}, variant {variant}")
        if not self.estimator.sha256.startswith(self.version):
            raise ValueError("version is not the beginning of the int8 estimator's sha256")
        paths = [file.path for file in self.listed()]
        if len(set(paths)) < len(paths):
            raise ValueError("files lists one path twice")
        return self

    @property
    def estimator(self) -> File:
        """The variant that is served."""
        return self.files["estimator"][SERVED]

    @property
    def detector(self) -> File:
        """The face detector."""
        return self.files["detector"][DETECTOR_VARIANT]

    def listed(self) -> Iterator[File]:
        """Every file of the bundle but the manifest itself."""
        for variants in self.files.values():
            yield from variants.values()
        yield self.card


class Card(BaseModel):
    """`card.json`: what people should know; readers ignore keys that they do not know."""

    model_config = ConfigDict(frozen=True)

    intended_use: str
    data: str = ""
    """What it learnt from, in a sentence or two."""
    figures: list[dict[str, Any]] = []
    """Results of `python -m training evaluate` for this very estimator, one for each collection
    (`data`) and split (`split`)."""


_FIGURES: Final = (
    *("data", "split", "n", "misses", "age_mae", "age_mae_protocol", "age_bias", "age_cs5"),
    *("range_exact", "range_within_one", "range_years_outside", "gender_accuracy"),
    *("gender_accuracy_answered", "gender_uncertain", "interval_coverage", "interval_width"),
    *("stability_sd_median", "stability_sd_p95", "stability_label_turns"),
)
_FIGURES_BY_AGE: Final = ("n", "age_mae", "interval_coverage")


def public(manifest: Manifest, card: Card) -> dict[str, Any]:
    """What `GET /api/v1/model` answers, a few kB: who the model is, its hashes, licence, intended
    use and main figures. Without the tables by group, but for ages, and without provenance.
    """
    return {
        "schema_version": manifest.schema_version,
        "name": manifest.name,
        "version": manifest.version,
        "files": {
            role: {variant: file.model_dump() for variant, file in variants.items()}
            for role, variants in manifest.files.items()
        },
        "interval": {"coverage": manifest.policy.interval.coverage},
        "gender": manifest.policy.gender.model_dump(),
        "licence": manifest.licence,
        "intended_use": card.intended_use,
        "figures": [
            {name: one[name] for name in _FIGURES if one.get(name) is not None}
            | {
                "by_age_band": {
                    band: {name: group.get(name) for name in _FIGURES_BY_AGE}
                    for band, group in one.get("by_age_band", {}).items()
                }
            }
            for one in card.figures
        ],
    }

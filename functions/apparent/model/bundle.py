"""The description that travels with a model: what it is, how to use it, how well it does."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class File(_Part):
    """One file of the model folder."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(gt=0)


class Input(_Part):
    """The chip the estimator takes: uint8 `[N, chip_size, chip_size, 3]` RGB."""

    chip_size: int = Field(gt=0)
    template: tuple[tuple[float, float], ...] = Field(min_length=5, max_length=5)
    """Where the five landmarks belong, as fractions of the chip's side."""


class AgeRegion(_Part):
    """Which ages of one region belong to the interval of a face.

    Age a does while the share of the face's distribution below it, half of its own included, lies
    between the two.
    """

    first_age: int = Field(ge=0)
    """Years; the region ends where the next begins."""
    lowest: float = Field(ge=0, le=1)
    highest: float = Field(ge=0, le=1)


class Interval(_Part):
    """How an age interval is made: from the first to the last age that its region lets in.

    Label-conditional conformal prediction (Vovk, Gammerman, Shafer 2005, section 4.5): what is let
    in was fitted for each region of true ages apart, so that the interval holds for children and
    the old as for others.
    """

    coverage: float = Field(gt=0, lt=1)
    """Share of faces whose age the interval is meant to hold."""
    regions: tuple[AgeRegion, ...] = Field(min_length=1)
    """In the order of their ages, the first from age 0."""


class GenderPolicy(_Part):
    """How a probability becomes a label."""

    uncertain_below: float = Field(ge=0.5, le=1)
    """A likelier label below this probability is answered as `uncertain`."""


class Manifest(_Part):
    """`manifest.json`, also the answer of `GET /api/v1/model`."""

    name: str
    version: str = Field(pattern=r"^[0-9a-f]{12}$")
    """First 12 hex digits of the estimator file's sha256."""
    files: dict[str, File]
    input: Input
    interval: Interval
    gender: GenderPolicy
    metrics: dict[str, Any] = {}
    """By split: figures of `python -m training evaluate` for exactly this file."""
    training: dict[str, Any] = {}
    """Recipe, data, starting weights, temperatures."""
    licence: str
    intended_use: str

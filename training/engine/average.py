"""Averages the weights of runs that started from the same ones (model soup, Wortsman et al. 2022).

python -m training average runs/A/model.pt runs/B/model.pt --out runs/mean/model.pt
"""

from pathlib import Path

import torch

from apparent.atomic import atomic_write
from training import provenance
from training.recipe import Recipe


def average(weights: list[Path], out: Path) -> None:
    """Writes a model.pt whose every weight is the mean of the others', and the record of all runs.

    Raises `ValueError` where they are not of one shape. It carries the recipe of the first, named
    after its own folder.
    """
    saved = [torch.load(path, map_location="cpu", weights_only=True) for path in weights]
    states = [run["model"] for run in saved]
    for path, state in zip(weights, states, strict=True):
        if {n: w.shape for n, w in state.items()} != {n: w.shape for n, w in states[0].items()}:
            raise ValueError(f"{path} holds another network than {weights[0]}.")
    mean = {name: torch.stack([s[name] for s in states]).mean(dim=0) for name in states[0]}
    recipes = [Recipe.model_validate_json(run["recipe"]) for run in saved]
    members = ", ".join(recipe.name for recipe in recipes)
    recipe = recipes[0].model_copy(
        update={"name": out.parent.name, "description": f"The mean of {members}."}
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(out) as partial:
        torch.save({"model": mean, "recipe": recipe.model_dump_json()}, partial)
    provenance.record_average(out.parent, recipe, [path.parent for path in weights])

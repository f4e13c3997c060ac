"""Averages the weights of runs that started from the same ones (model soup, Wortsman et al. 2022).

    python -m training average runs/A/model.pt runs/B/model.pt --out runs/mean/model.pt

The start that all went on from may be one of them, an exported estimator (.onnx) or a run: it holds
what they forget (Wortsman et al. 2022, 'Robust fine-tuning of zero-shot models').
"""

from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from apparent.atomic import atomic_write
from training import provenance
from training.networks import model
from training.networks.pretrained import weights_of
from training.recipe import Model, RunName


def average(weights: list[Path], out: Path) -> None:
    """Writes a model.pt whose every weight is the mean of the others', and the record of all runs.

    Raises `ValueError` where they are not of one shape, or the first is not a run's: its recipe,
    named after the folder of `out`, goes with the mean. That folder is no member's.
    """
    name = _name_of(out.absolute().parent)
    if any(path.resolve().parent == out.resolve().parent for path in weights):
        raise ValueError(f"{out.parent} has a record of its own: give the mean another folder.")
    if weights[0].suffix == ".onnx":
        raise ValueError(f"Name a run before {weights[0]}: its recipe goes with the mean.")
    _, recipe = model.saved_run(weights[0])
    states = [_weights_for(recipe.model, path) for path in weights]
    for path, state in zip(weights, states, strict=True):
        if {n: w.shape for n, w in state.items()} != {n: w.shape for n, w in states[0].items()}:
            raise ValueError(f"{path} holds another network than {weights[0]}.")
    mean = {name: torch.stack([s[name] for s in states]).mean(dim=0) for name in states[0]}
    members = ", ".join(path.parent.name if path.suffix == ".pt" else path.name for path in weights)
    recipe = recipe.model_copy(update={"name": name, "description": f"The mean of {members}."})
    out.parent.mkdir(parents=True, exist_ok=True)
    provenance.record_average(out.parent, recipe, weights)  # first: it may refuse
    with atomic_write(out) as partial:
        torch.save({"model": mean, "recipe": recipe.model_dump_json()}, partial)


def _weights_for(network: Model, path: Path) -> dict[str, Tensor]:
    """As they are, but for a folded network: then what a run that starts from them begins with."""
    weights = weights_of(path)
    if not network.folded:
        return weights
    begun = model.build(network.model_copy(update={"start": str(path)})).state_dict()
    return {name: begun[name] for name in begun if name in weights}  # a head it lacks is chance


def _name_of(folder: Path) -> str:
    try:
        return TypeAdapter[str](RunName).validate_python(folder.name)
    except ValidationError:
        raise ValueError(
            f"'{folder.name}' is no name of a run: small letters, digits, dots and hyphens are. "
            "Give the mean another folder."
        ) from None

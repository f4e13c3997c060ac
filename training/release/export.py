"""Weights -> model bundle: one graph, uint8 chips in, probabilities out, int8 and fp32, checked.

    python -m training export runs/NAME/model.pt --chips runs/data/utkface --out runs/NAME/int8

Temperatures and bias are initialisers of the graph, 1 and 0 until `training calibrate` sets them.
"""

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from pydantic import ValidationError
from torch import Tensor, nn

from apparent.ages import AGES, median_age
from apparent.alignment import TEMPLATE
from apparent.estimator import Estimates, Estimator
from apparent.model import DETECTOR, EMBEDDED
from apparent.model.bundle import (
    DETECTOR_VARIANT,
    AgeRegion,
    Card,
    DataSource,
    GenderPolicy,
    Input,
    Interval,
    Manifest,
    Policy,
    Provenance,
)
from apparent.model.writer import describe, write_card, write_manifest
from training.data.augment import channels_first, to_float
from training.data.labels import read_labels
from training.networks import model
from training.release import licences, outliers, rounding
from training.release.folders import replaced, require_place
from training.release.quantize import quantize

INT8, FP32 = "age_gender.onnx", "age_gender.fp32.onnx"
RUN_RECORD = "run.json"
_RECORDED = (
    *("recipe", "recipe_sha256", "start_sha256"),
    *("commit", "versions", "hardware", "seconds"),
)

OPSET = 23
"""Of ONNX: the first with attention as one operator."""

CHECKED = 256
"""Val chips, at most, on which the variants are compared."""
PROBED = 32
"""Of them, those on which the ranges of activations are found."""
ROUNDED = 300
"""Train chips, at most, for which weights are rounded."""
MAX_AGE_DIFFERENCE = 0.1
"""Years of mean absolute difference between torch and the fp32 graph above which export fails."""
MAX_INT8_DIFFERENCE = 0.5


class ExportError(ValueError):
    """The exported graph does not answer as the network does."""


class _Uint8Net(nn.Module):
    """The network with the chip as it is served in front of it.

    Mirrored, it answers with the mean of the logits for the chip and for its mirror image.
    """

    def __init__(self, net: model.AgeGenderNet, mirrored: bool) -> None:
        super().__init__()
        self.net, self.mirrored = net, mirrored

    def forward(self, chips: Tensor) -> tuple[Tensor, Tensor]:
        """`[n, S, S, 3]` uint8 -> age logits `[n, 101]`, female logits `[n]`."""
        pixels = channels_first(chips)
        if not self.mirrored:
            logits: tuple[Tensor, Tensor] = self.net(pixels)
            return logits
        age, female = self.net(torch.cat([pixels, pixels.flip(3)]))
        return age.unflatten(0, (2, -1)).mean(dim=0), female.unflatten(0, (2, -1)).mean(dim=0)


@dataclass(frozen=True)
class Check:
    """How far two estimators are apart on the same chips."""

    age_difference: float
    """Mean absolute difference of the median age, years."""
    gender_agreement: float
    """Share of chips with the same likelier gender."""


def export(
    weights: Path,
    chips: Path,
    out: Path,
    *,
    mirrored: bool = False,
    recorded: bool = True,
) -> dict[str, Check]:
    """Writes `out`, an uncalibrated bundle with an int8 and an fp32 variant of the same answers.

    `mirrored` folds the mean over a chip and its mirror image into the graph, at twice the time.
    `recorded` wants the run's own record, run.json beside the weights: where its data comes from.

    The int8 variant's weights are rounded for the set's train chips (`rounding`). Both variants are
    checked on val chips; raises `ExportError` where they differ too much, and `ValueError` where
    `out` holds something else than a bundle.
    """
    require_place(out)
    net, recipe = model.trained(weights)
    if mirrored and recipe.model.folded:
        raise ExportError(
            f"{weights} answers a mirror image alike already: export it without the mirror."
        )
    provenance = read_provenance(weights, recorded).model_copy(update={"mirrored": mirrored})
    served = _Uint8Net(net, mirrored).eval()
    size = recipe.model.image_size
    val_chips = _chips(chips, size, "val", CHECKED)

    with replaced(out) as partial:
        fp32, int8 = partial / FP32, partial / INT8
        pixels = channels_first(val_chips[:PROBED])
        outliers.smooth(net, pixels)
        floats = outliers.spiky(net, pixels)
        with torch.no_grad():
            batches = [served(batch) for batch in val_chips.split(64)]
        age_logits, female_logits = (torch.cat(parts) for parts in zip(*batches, strict=True))
        expected = Estimates(age_logits.softmax(dim=1).numpy(), female_logits.sigmoid().numpy())
        _to_onnx(served, val_chips[:2], fp32)
        rounding.round_weights(net, channels_first(_chips(chips, size, "train", ROUNDED)), floats)
        rounded = partial / "rounded.onnx"
        _to_onnx(served, val_chips[:2], rounded)
        quantize(rounded, int8, floats)
        rounded.unlink()
        for path in (fp32, int8):
            end_in_probabilities(path)

        checks = {
            "fp32": _compare(fp32, val_chips.numpy(), expected, MAX_AGE_DIFFERENCE),
            "int8": _compare(int8, val_chips.numpy(), expected, MAX_INT8_DIFFERENCE),
        }
        card = Card(
            intended_use=licences.INTENDED_USE,
            data=licences.description(provenance.data),
            figures=[],
        )
        estimator = {"int8": describe(int8), "fp32": describe(fp32)}
        manifest = Manifest(
            name=f"apparent-{recipe.name}",
            version=estimator["int8"].sha256[:12],
            files={
                "estimator": estimator,
                "detector": {DETECTOR_VARIANT: describe(EMBEDDED / DETECTOR)},
            },
            card=write_card(partial, card),
            input=Input(chip_size=size, template=tuple(map(tuple, TEMPLATE.tolist()))),
            policy=Policy(
                interval=Interval(
                    coverage=0.9, regions=(AgeRegion(first_age=0, lowest=0.05, highest=0.95),)
                ),
                gender=GenderPolicy(uncertain_below=0.5),
            ),
            licence=licences.licence(provenance.data),
            provenance=provenance,
        )
        write_manifest(partial, manifest)
    return checks


def read_provenance(weights: Path, recorded: bool) -> Provenance:
    """What the run that made the weights recorded of itself; raises `ExportError` without it."""
    path = weights.with_name(RUN_RECORD)
    digest = describe(weights).sha256
    if not path.exists():
        if recorded:
            raise ExportError(
                f"There is no {path}, which says where {weights.name} comes from. Train again, or, "
                "where the run is older than such records, export with --without-record."
            )
        return Provenance(
            weights_sha256=digest, note="Made before runs recorded their data, commit and versions."
        )
    run = json.loads(path.read_text())
    known = {name: run[name] for name in _RECORDED if name in run}
    data = {
        name: {key: source[key] for key in DataSource.model_fields if key in source}
        for name, source in run.get("data", {}).items()
    }
    if not data:
        raise ExportError(f"{path} names no data. Train again.")
    try:
        return Provenance.model_validate({**known, "data": data, "weights_sha256": digest})
    except ValidationError as error:
        raise ExportError(f"{path} is not the record of a run: {error}.") from error


def _to_onnx(net: nn.Module, chips: Tensor, out: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of torch's own deprecated calls
        torch.onnx.export(
            net,
            (chips,),
            out,
            input_names=["chips"],
            output_names=["age_logits", "female_logits"],
            dynamic_shapes={"chips": {0: torch.export.Dim("n", min=1)}},
            external_data=False,
            verbose=False,
            opset_version=OPSET,
        )


def _chips(folder: Path, size: int, split: str, count: int) -> Tensor:
    """Some chips of a split, as served: uint8 `[n, size, size, 3]`."""
    rows = read_labels(folder / "labels.csv").rows((split,))
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, count).round().astype(int))]
    chips = np.load(folder / "chips.npy", mmap_mode="r")[rows]
    pixels = to_float(torch.from_numpy(chips), size).permute(0, 2, 3, 1) * 255
    return pixels.round().to(torch.uint8)


def end_in_probabilities(path: Path) -> None:
    """Appends softmax and sigmoid with temperatures and a bias, which `calibrate` finds by name.

    Added after optimisation and quantisation, which would fold a temperature of 1 away.
    """
    graph_model = onnx.load(str(path))
    graph = graph_model.graph
    one, none = np.ones((), np.float32), np.zeros(AGES, np.float32)
    ages = _then(graph, "age_logits", "Div", "age_temperature", one)
    ages = _then(graph, ages, "Add", "age_bias", none)
    female = _then(graph, "female_logits", "Div", "gender_temperature", one)
    del graph.output[:]
    _end(graph, ages, "Softmax", "age_probabilities", ("n", AGES))
    _end(graph, female, "Sigmoid", "female_probability", ("n",))
    onnx.checker.check_model(graph_model)
    onnx.save(graph_model, str(path))


def _then(
    graph: onnx.GraphProto, last: str, operation: str, name: str, value: NDArray[np.float32]
) -> str:
    """Appends `last` (operation) `value`, an initialiser called `name`; the result's name."""
    graph.initializer.append(numpy_helper.from_array(value, name))
    result = f"{last}_{name}"
    graph.node.append(helper.make_node(operation, [last, name], [result]))
    return result


def _end(
    graph: onnx.GraphProto, last: str, function: str, name: str, shape: Sequence[str | int]
) -> None:
    """Appends an output: function(`last`), float32 of a shape."""
    graph.node.append(helper.make_node(function, [last], [name]))
    graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))


def _compare(path: Path, chips: NDArray[np.uint8], expected: Estimates, limit: float) -> Check:
    found = Estimator(path.read_bytes()).estimate(chips)
    difference = median_age(found.age_probabilities) - median_age(expected.age_probabilities)
    agrees = (found.female_probability > 0.5) == (expected.female_probability > 0.5)
    check = Check(float(np.abs(difference).mean()), float(agrees.mean()))
    if not check.age_difference <= limit:
        raise ExportError(
            f"{path.name} differs from the network by {check.age_difference:.2f} years on average; "
            f"at most {limit} are accepted."
        )
    return check

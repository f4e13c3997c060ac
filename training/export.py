"""Weights -> model folder: one graph, uint8 chips in, probabilities out, int8, checked.

    python -m training export runs/NAME/model.pt --chips runs/data/utkface --out runs/NAME/int8

Temperatures and bias are initialisers of the graph, 1 and 0 until `training calibrate` sets them.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from apparent.ages import AGES, median_age
from apparent.estimator import Estimates, Estimator
from apparent.model import ESTIMATOR
from training import dataset, model
from training.augment import to_float
from training.model_folder import sha256, uncalibrated, write_manifest
from training.quantize import quantize

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
        pixels = chips.permute(0, 3, 1, 2).float() / 255
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


def export(weights: Path, chips: Path, out: Path, mirrored: bool = False) -> dict[str, Check]:
    """Writes `out` (int8) and `out` + '-fp32', model folders with the same answers.

    `mirrored` folds the mean over a chip and its mirror image into the graph, at twice the time.

    Both are checked on the val chips; raises `ExportError` where they differ too much.
    """
    net, recipe = model.trained(weights)
    served = _Uint8Net(net, mirrored).eval()
    size = recipe.model.image_size
    faces = dataset.read(chips, ("val",))
    pixels = to_float(torch.from_numpy(faces.chips), size).permute(0, 2, 3, 1) * 255
    val_chips = pixels.round().to(torch.uint8)

    fp32_out = out.with_name(out.name + "-fp32")
    folders = {folder: folder.with_name(folder.name + ".partial") for folder in (fp32_out, out)}
    for partial in folders.values():
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    fp32, int8 = (partial / ESTIMATOR for partial in folders.values())
    torch.onnx.export(
        served,
        (val_chips[:2],),
        fp32,
        input_names=["chips"],
        output_names=["age_logits", "female_logits"],
        dynamic_shapes={"chips": {0: torch.export.Dim("n", min=1)}},
        external_data=False,
    )
    quantize(fp32, int8)
    for path in (fp32, int8):
        end_in_probabilities(path)

    with torch.no_grad():
        batches = [served(batch) for batch in val_chips.split(64)]
    age_logits, female_logits = (torch.cat(parts) for parts in zip(*batches, strict=True))
    expected = Estimates(age_logits.softmax(dim=1).numpy(), female_logits.sigmoid().numpy())
    checks = {
        "fp32": _compare(fp32, val_chips.numpy(), expected, MAX_AGE_DIFFERENCE),
        "int8": _compare(int8, val_chips.numpy(), expected, MAX_INT8_DIFFERENCE),
    }
    trained_on = dataset.read_labels(chips / dataset.LABELS, recipe.train_splits)
    data = f"{chips.name}: {len(trained_on)} faces with age and gender"
    if recipe.gender_faces:
        ages = "ages by own models" if recipe.teacher else "no age"
        data += f"; {recipe.gender_faces} of CelebA with gender, {ages}"
    training = {
        "data": data,
        "recipe": recipe.model_dump(mode="json"),
        "mirrored": mirrored,
        "weights_sha256": sha256(weights),
    }
    for folder, partial in folders.items():
        write_manifest(partial, uncalibrated(f"apparent-{recipe.name}", partial, size, training))
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    return checks


def end_in_probabilities(path: Path) -> None:
    """Appends softmax and sigmoid with temperatures and a bias, which `calibrate` finds by name.

    Added after optimisation and quantisation, which would fold a temperature of 1 away.
    """
    graph_model = onnx.load(str(path))
    graph = graph_model.graph
    one, none = np.ones((), np.float32), np.zeros(AGES, np.float32)
    shape: Sequence[str | int]
    outputs = []
    for logits, steps, function, probability, shape in (
        (
            "age_logits",
            [("Div", "age_temperature", one), ("Add", "age_bias", none)],
            *("Softmax", "age_probabilities", ("n", AGES)),
        ),
        (
            "female_logits",
            [("Div", "gender_temperature", one)],
            *("Sigmoid", "female_probability", ("n",)),
        ),
    ):
        last = logits
        for operation, name, value in steps:
            graph.initializer.append(numpy_helper.from_array(value, name))
            graph.node.append(helper.make_node(operation, [last, name], [f"{logits}_{name}"]))
            last = f"{logits}_{name}"
        graph.node.append(helper.make_node(function, [last], [probability]))
        outputs.append(helper.make_tensor_value_info(probability, TensorProto.FLOAT, shape))
    del graph.output[:]
    graph.output.extend(outputs)
    onnx.checker.check_model(graph_model)
    onnx.save(graph_model, str(path))


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

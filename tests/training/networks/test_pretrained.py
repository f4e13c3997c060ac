import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from PIL import Image, ImageOps

from apparent.ages import median_age
from apparent.alignment import align
from apparent.estimator import Estimator
from apparent.model import DETECTOR, EMBEDDED
from apparent.pipeline import Pipeline
from tests.conftest import SAMPLES
from training._timm import timm
from training.networks.model import build
from training.networks.pretrained import load_backbone, weights_of
from training.recipe import Model


def test_a_position_grid_of_another_size_is_resampled() -> None:
    large, small = (
        timm.create_model("test_vit", img_size=side, num_classes=0) for side in (64, 32)
    )
    torch.nn.init.constant_(large.pos_embed, 0.5)
    load_backbone(small, large.state_dict())
    assert small.pos_embed.shape[1] == 1 + 4
    torch.testing.assert_close(small.pos_embed, torch.full_like(small.pos_embed, 0.5))
    torch.testing.assert_close(small.blocks[0].mlp.fc1.weight, large.blocks[0].mlp.fc1.weight)


@pytest.mark.parametrize("start", ["whole", "folded"])
def test_a_folded_network_takes_the_positions_of_the_left_half(start: str) -> None:
    whole, folded, loaded = (
        timm.create_model("test_vit", img_size=size, num_classes=0)
        for size in (64, (64, 32), (64, 32))
    )
    grid = whole.pos_embed[:, 1:].unflatten(1, (4, 4))
    left = torch.cat([whole.pos_embed[:, :1], grid[:, :, :2].flatten(1, 2)], dim=1)
    load_backbone(folded, whole.state_dict())
    load_backbone(loaded, {"whole": whole, "folded": folded}[start].state_dict())
    torch.testing.assert_close(folded.pos_embed, left)
    torch.testing.assert_close(loaded.pos_embed, left)


def test_a_folded_grid_of_another_size_is_resampled_and_not_unfolded() -> None:
    large, small, whole = (
        timm.create_model("test_vit", img_size=size, num_classes=0)
        for size in ((96, 48), (64, 32), 64)
    )
    rows = torch.arange(6.0)[:, None].expand(6, 3).reshape(1, 18, 1)  # each patch tells its row
    torch.nn.init.zeros_(large.pos_embed)
    with torch.no_grad():
        large.pos_embed[:, 1:] += rows
    load_backbone(small, large.state_dict())
    grid = small.pos_embed[0, 1:, 0].unflatten(0, (4, 2))
    torch.testing.assert_close(grid[:, 0], grid[:, 1])
    assert (grid[1:] - grid[:-1] > 1).all()
    with pytest.raises(RuntimeError, match="pos_embed"):
        load_backbone(whole, large.state_dict())


def test_weights_that_do_not_fit_are_refused_by_name() -> None:
    backbone = timm.create_model("test_vit", img_size=32, num_classes=0)
    weights = backbone.state_dict()
    del weights["norm.bias"]
    weights["extra"] = torch.ones(1)
    with pytest.raises(ValueError, match=r"missing \['norm.bias'\], left over \['extra'\]"):
        load_backbone(backbone, weights)


def test_the_shipped_file_reads_back_as_the_network_that_it_was_made_of(
    pipeline: Pipeline,
) -> None:
    """Its medians agree within the rounding of activations, once calibrated as the graph is."""
    photos = [Image.open(SAMPLES / name) for name in ("eileen_collins.jpg", "grace_hopper.jpg")]
    cuts = []
    for photo in [*photos, *map(ImageOps.mirror, photos)]:
        landmarks = pipeline(photo)[0].landmarks
        middle = landmarks.mean(axis=0)
        for size in (0.9, 1.1):
            cuts.append(align(np.asarray(photo), size * (landmarks - middle) + middle, 140))
    chips = np.stack(cuts)
    path = EMBEDDED / "age_gender.onnx"
    net = build(Model(image_size=140, start=str(path))).eval()
    with torch.no_grad():
        age_logits, female_logits = net(torch.from_numpy(chips).permute(0, 3, 1, 2) / 255)
    graph = onnx.load(str(path)).graph
    fitted = {
        t.name: torch.from_numpy(numpy_helper.to_array(t).copy())
        for t in graph.initializer
        if t.name in ("age_temperature", "age_bias", "gender_temperature")
    }
    ages = (age_logits / fitted["age_temperature"] + fitted["age_bias"]).softmax(dim=1).numpy()
    female = (female_logits / fitted["gender_temperature"]).sigmoid().numpy()
    served = Estimator(path.read_bytes()).estimate(chips)
    assert np.abs(median_age(ages) - median_age(served.age_probabilities)).mean() < 0.5
    assert np.abs(female - served.female_probability).mean() < 0.05


def test_another_graph_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"face_detector\.onnx has 0 products with weights"):
        weights_of(EMBEDDED / DETECTOR)

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from apparent.estimator import Estimator
from apparent.model import EMBEDDED, store
from tests.training.release.conftest import RUN, untrained
from training.networks.pretrained import weights_of
from training.release import rounding
from training.release.export import INT8, ExportError, export
from training.release.quantize import FUSED_PRODUCT, dequantize, quantize


def graphs(folder: Path) -> tuple[bytes, bytes]:
    """int8 and fp32."""
    bundle = store.load(folder.as_uri())
    variants = bundle.manifest.files["estimator"]
    return bundle.read(variants["int8"]), bundle.read(variants["fp32"])


def test_int8_answers_as_fp32_does_and_is_smaller(exported: Path) -> None:
    rng = np.random.default_rng(0)
    chips = rng.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    int8, fp32 = graphs(exported)
    assert len(int8) < 0.6 * len(fp32)  # a tiny network has much that is no matrix
    twin = dequantize(int8)
    a, b, c = (Estimator(graph).estimate(chips) for graph in (int8, fp32, twin))
    np.testing.assert_allclose(a.age_probabilities, b.age_probabilities, atol=0.005)
    np.testing.assert_allclose(c.age_probabilities, b.age_probabilities, atol=0.005)
    np.testing.assert_allclose(a.female_probability, b.female_probability, atol=0.02)


def test_a_layer_left_float_is_read_back_to_the_bit_and_the_others_within_their_rounding(
    weights: Path, exported: Path, tmp_path: Path
) -> None:
    _, fp32 = graphs(exported)
    (tmp_path / "fp32.onnx").write_bytes(fp32)
    quantize(tmp_path / "fp32.onnx", tmp_path / "int8.onnx", [4 + 3])
    trained, read = weights_of(weights), weights_of(tmp_path / "int8.onnx")
    layers = [f"backbone.blocks.{block}.mlp.fc2.weight" for block in range(6)]
    assert [name for name in layers if torch.equal(trained[name], read[name])] == layers[1:2]
    for name in layers:
        torch.testing.assert_close(trained[name], read[name], atol=0.01, rtol=0)


def test_a_run_s_own_folder_is_not_replaced_by_its_export(weights: Path, chips: Path) -> None:
    before = sorted(path.name for path in weights.parent.iterdir())
    with pytest.raises(ValueError, match="holds something else than a model bundle"):
        export(weights, chips, weights.parent)
    assert sorted(path.name for path in weights.parent.iterdir()) == before


def test_the_int8_file_holds_the_weights_as_they_were_rounded(
    weights: Path, chips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its steps are those that the rounding counted on, or they would undo it."""
    rounded: dict[str, torch.Tensor] = {}
    really = rounding.round_weights

    def rounding_them(net: torch.nn.Module, *more: Any) -> None:
        really(net, *more)
        rounded.update({name: weight.clone() for name, weight in net.state_dict().items()})

    monkeypatch.setattr(rounding, "round_weights", rounding_them)
    export(weights, chips, tmp_path / "int8")
    read = weights_of(tmp_path / "int8" / INT8)
    changed = [name for name in read if not torch.equal(read[name], weights_of(weights)[name])]
    assert len(changed) > 20
    for name in changed:
        torch.testing.assert_close(read[name], rounded[name], atol=1e-6, rtol=0)


def test_no_processor_overflows_at_two_products_of_16_bits(exported: Path) -> None:
    """x86 without VNNI adds an activation times a weight to its neighbour's in 16 bits."""
    for model in (graphs(exported)[0], store.load(EMBEDDED.as_uri()).estimator):
        graph = onnx.load_model_from_string(model).graph
        constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        products = [node for node in graph.node if node.op_type == FUSED_PRODUCT]
        assert len(products) >= 8
        for product in products:
            weight = constants[product.input[1]].astype(int) - constants[product.input[3]]
            assert 2 * 255 * abs(weight).max() < 2**15


def test_a_mirrored_export_answers_the_same_for_a_chip_and_its_mirror_image(
    exported: Path, weights: Path, chips: Path, tmp_path: Path
) -> None:
    export(weights, chips, tmp_path / "mirrored", mirrored=True)
    plain, mirrored = (Estimator(graphs(f)[1]) for f in (exported, tmp_path / "mirrored"))
    faces = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    flipped = np.ascontiguousarray(faces[:, :, ::-1])
    one, other = mirrored.estimate(faces), mirrored.estimate(flipped)
    np.testing.assert_allclose(one.age_probabilities, other.age_probabilities, atol=1e-5)
    both = [np.log(plain.estimate(view).age_probabilities) for view in (faces, flipped)]
    mean = np.exp(np.mean(both, axis=0))
    mean /= mean.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(one.age_probabilities, mean, atol=1e-5)
    manifest = store.manifest_of(tmp_path / "mirrored")
    assert manifest.provenance.mirrored


def test_a_folded_network_is_exported_for_any_chip_and_its_mirror_image(
    chips: Path, tmp_path: Path
) -> None:
    weights = untrained(tmp_path, folded=True, join_block=2)
    export(weights, chips, tmp_path / "folded")
    faces = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    flipped = np.ascontiguousarray(faces[:, :, ::-1])
    int8 = Estimator(graphs(tmp_path / "folded")[0])
    one, other = int8.estimate(faces), int8.estimate(flipped)
    np.testing.assert_allclose(one.age_probabilities, other.age_probabilities, atol=1e-5)
    np.testing.assert_allclose(one.female_probability, other.female_probability, atol=1e-5)
    assert np.ptp(one.age_probabilities, axis=0).max() > 1e-5
    trained, read = weights_of(weights), weights_of(tmp_path / "folded" / "age_gender.onnx")
    shapes = {name: weight.shape for name, weight in trained.items()}
    assert {name: weight.shape for name, weight in read.items()}.items() <= shapes.items()


def test_a_folded_network_has_no_need_of_a_mirrored_export(chips: Path, tmp_path: Path) -> None:
    weights = untrained(tmp_path, folded=True)
    with pytest.raises(ExportError, match="answers a mirror image alike"):
        export(weights, chips, tmp_path / "out", mirrored=True)
    assert not (tmp_path / "out").exists()


def test_what_the_run_recorded_is_the_bundle_s_provenance(exported: Path) -> None:
    bundle = store.load(exported.as_uri())
    provenance = bundle.manifest.provenance
    assert provenance.commit == RUN["commit"]
    assert provenance.recipe_sha256 == RUN["recipe_sha256"]
    assert provenance.data["utkface"].faces == 24
    assert provenance.seconds == RUN["seconds"]
    assert "UTKFace" in bundle.manifest.licence
    assert "non-commercial" in bundle.manifest.licence
    assert "CelebA" not in bundle.manifest.licence
    assert "UTKFace (24 faces)" in bundle.card.data


@pytest.mark.parametrize("record", [None, {}, {"data": {"utkface": {"faces": 3}}}])
def test_weights_without_a_sound_record_are_refused(
    weights: Path, chips: Path, tmp_path: Path, record: dict[str, object] | None
) -> None:
    copy = Path(shutil.copy(weights, tmp_path))
    if record is not None:
        (tmp_path / "run.json").write_text(json.dumps(record))
    with pytest.raises(ExportError, match=r"run\.json"):
        export(copy, chips, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_run_older_than_records_is_exported_when_asked_and_says_so(
    weights: Path, chips: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copy(weights, tmp_path))
    export(copy, chips, tmp_path / "out", recorded=False)
    manifest = store.manifest_of(tmp_path / "out")
    assert manifest.provenance.data == {}
    assert "before runs recorded" in manifest.provenance.note
    assert "was not recorded" in manifest.licence

import json
import shutil
from pathlib import Path

import pytest
import torch

from apparent.model import EMBEDDED
from tests.training.conftest import recipe, weights
from training.__main__ import main
from training.networks.pretrained import weights_of


@pytest.fixture(scope="module")
def runs(sets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of one recipe."""
    folder = tmp_path_factory.mktemp("runs")
    path = recipe(folder, epochs=1)
    for more in ([], ["--seed", "2"]):
        arguments = ["--data", str(sets), "--runs", str(folder), *more]
        assert main(["finetune", str(path), *arguments]) == 0
    return folder


def average(runs: Path, out: Path) -> int:
    members = [str(runs / name / "model.pt") for name in ("tiny", "tiny-seed2")]
    return main(["average", *members, "--out", str(out)])


def test_an_average_that_is_refused_leaves_no_weights(runs: Path, tmp_path: Path) -> None:
    others = tmp_path / "runs"
    shutil.copytree(runs, others)
    record = others / "tiny-seed2" / "run.json"
    record.write_text(record.read_text().replace('"labels_sha256": "', '"labels_sha256": "0'))
    assert average(others, tmp_path / "mean" / "model.pt") == 1
    assert not (tmp_path / "mean" / "model.pt").exists()


@pytest.mark.parametrize(
    ("folder", "told"), [("mean_9", "'mean_9' is no name of a run"), ("tiny", "another folder")]
)
def test_a_mean_whose_name_is_no_runs_or_another_runs_is_refused(
    runs: Path, folder: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    record = (runs / "tiny" / "run.json").read_text()
    assert average(runs, runs / folder / "mean.pt") == 1
    assert told in capsys.readouterr().err
    assert (runs / "tiny" / "run.json").read_text() == record
    assert not list(runs.glob("*/mean.pt"))


def test_every_weight_is_the_mean_and_both_runs_are_recorded(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "mean"
    assert average(runs, out / "model.pt") == 0
    one, other, mean = (weights(f) for f in (runs / "tiny", runs / "tiny-seed2", out))
    for name, weight in mean.items():
        torch.testing.assert_close(weight, (one[name] + other[name]) / 2)
    record = json.loads((out / "run.json").read_text())
    assert [member["recipe"]["seed"] for member in record["members"]] == [1, 2]
    assert record["recipe"]["name"] == "mean"
    assert record["data"]["exact"]["faces"] == 24
    assert record["seconds"] == sum(member["seconds"] for member in record["members"])


def test_an_exported_file_may_be_a_member_but_not_the_first(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where a run went on from the shipped estimator."""
    exported = EMBEDDED / "age_gender.onnx"
    made = recipe(tmp_path, epochs=1, start=exported)
    text = made.read_text().replace("test_vit", "vit_small_patch14_dinov2")
    text = text.replace("image_size = 32", "image_size = 140").replace("head_width = 16", "")
    made.write_text(text.split("[[sources]]")[0] + '[[sources]]\nname = "exact"\nfaces = 8\n')
    assert main(["finetune", str(made), "--data", str(sets), "--runs", str(tmp_path)]) == 0
    run, out = str(tmp_path / "tiny" / "model.pt"), tmp_path / "mean"
    assert main(["average", run, str(exported), "--out", str(out / "model.pt")]) == 0
    name = "backbone.blocks.3.attn.qkv.weight"
    mean = (weights(tmp_path / "tiny")[name] + weights_of(exported)[name]) / 2
    torch.testing.assert_close(weights(out)[name], mean)
    record = json.loads((out / "run.json").read_text())
    assert len(record["members"][1]["exported_sha256"]) == 64
    assert record["data"].keys() == {"exact"}
    assert main(["average", str(exported), run, "--out", str(out / "model.pt")]) == 1
    assert "Name a run before" in capsys.readouterr().err


def test_a_folded_run_and_what_it_started_from_have_a_mean(
    runs: Path, sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = runs / "tiny" / "model.pt"
    path = recipe(tmp_path, "folded", epochs=1, start=start)
    path.write_text(path.read_text().replace("image_size = 32", "image_size = 32\nfolded = true"))
    assert main(["finetune", str(path), "--data", str(sets), "--runs", str(tmp_path)]) == 0
    folded, out = tmp_path / "folded" / "model.pt", tmp_path / "mean" / "model.pt"
    assert main(["average", str(folded), str(start), "--out", str(out)]) == 0
    name = "backbone.pos_embed"
    one, other, mean = (weights_of(weights)[name] for weights in (folded, start, out))
    assert one.shape != other.shape
    torch.testing.assert_close(mean[:, 0], (one[:, 0] + other[:, 0]) / 2)  # of the class token
    torch.testing.assert_close(mean[:, 2], (one[:, 2] + other[:, 3]) / 2)  # below, to the left

    backbone = {n: w for n, w in weights_of(start).items() if n.startswith("backbone.")}
    torch.save({"model": backbone}, tmp_path / "headless.pt")
    members = [str(folded), str(tmp_path / "headless.pt")]
    assert main(["average", *members, "--out", str(tmp_path / "other" / "model.pt")]) == 1
    assert "another network" in capsys.readouterr().err


def test_models_of_other_shapes_have_no_mean(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = runs / "tiny" / "model.pt"
    saved = torch.load(path, weights_only=True)
    first = next(iter(saved["model"]))
    other = tmp_path / "other.pt"
    torch.save(saved | {"model": saved["model"] | {first: torch.zeros(1)}}, other)
    assert main(["average", str(path), str(other), "--out", str(tmp_path / "m" / "m.pt")]) == 1
    assert "another network" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_what_is_no_run_is_a_sentence(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = tmp_path / "plain.pt"
    torch.save({"a": torch.zeros(1)}, plain)
    assert main(["average", str(plain), str(plain), "--out", str(tmp_path / "m" / "m.pt")]) == 1
    assert "plain.pt is not the model.pt of a fine-tuning run" in capsys.readouterr().err


def test_a_run_that_weighs_twice_took_its_time_once(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "mean" / "model.pt"
    members = [str(runs / name / "model.pt") for name in ("tiny", "tiny", "tiny-seed2")]
    assert main(["average", *members, "--out", str(out)]) == 0
    told = json.loads((tmp_path / "mean" / "run.json").read_text())
    assert len(told["members"]) == 3
    records = [
        json.loads((runs / name / "run.json").read_text()) for name in ("tiny", "tiny-seed2")
    ]
    assert told["seconds"] == sum(record["seconds"] for record in records)


def test_runs_on_other_labels_have_no_common_record(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = runs / "tiny-seed2" / "run.json"
    text = path.read_text()
    record = json.loads(text)
    record["data"]["exact"]["labels_sha256"] = "0" * 64
    path.write_text(json.dumps(record))
    try:
        assert average(runs, tmp_path / "mean" / "model.pt") == 1
        assert "different labels of exact" in capsys.readouterr().err
    finally:
        path.write_text(text)

"""A whole training run of a few steps on made faces, from photos to a served, scored model."""

import csv
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from apparent.estimator import Estimator
from apparent.model import store
from apparent.photo import Photo
from apparent.pipeline import Pipeline
from tests.conftest import ROOT, SAMPLES, encoded
from training.calibrate import KNEE
from training.quantize import dequantize
from training.report import END, START

RECIPE = """
name = "tiny"
precision = "fp32"
[model]
backbone = "test_vit"
image_size = 32
start = "random"
patch_drop = 0.25
head_width = 16
[schedule]
epochs = {epochs}
batch_size = 8
"""


def training(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-m", "training", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def succeed(*arguments: object) -> str:
    result = training(*arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos made of the two portraits, brighter with age; one of them shows no face."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    portraits = [
        Image.fromarray(Photo((SAMPLES / name).read_bytes(), 10**8).pixels())
        for name in ("eileen_collins.jpg", "grace_hopper.jpg")
    ]
    splits = ["train"] * 24 + ["val"] * 8 + ["calibration"] * 12 + ["test"] * 8
    with (
        zipfile.ZipFile(folder / "images.zip", "w") as images,
        (folder / "labels.csv").open("w", newline="") as labels,
    ):
        writer = csv.writer(labels)
        writer.writerow(["file", "age", "gender", "race", "split", "cluster"])
        for i, split in enumerate(splits):
            age = int(rng.integers(1, 116))
            picture = (
                portraits[i % 2].resize((200, 200)).point(lambda v, a=age: v * (0.4 + a / 200))
            )
            if i == 0:
                picture = Image.new("RGB", (200, 200), "grey")
            images.writestr(f"{i}.jpg", encoded(picture, "JPEG"))
            writer.writerow([f"{i}.jpg", age, ("female", "male")[i % 2], "", split, i])
    return folder


@pytest.fixture(scope="module")
def chips(data: Path) -> Path:
    out = data / "chips"
    arguments = ("--images", data / "images.zip", "--labels", data / "labels.csv", "--size", 64)
    printed = succeed("prepare", *arguments, "--out", out)
    assert "no face was found in 1 photos" in printed
    assert np.load(out / "chips.npy").shape == (52, 64, 64, 3)
    return out


@pytest.fixture(scope="module")
def run(data: Path, chips: Path) -> Path:
    """A finished run: weights, and the int8 and fp32 folders."""
    (data / "tiny.toml").write_text(RECIPE.format(epochs=2))
    succeed("finetune", data / "tiny.toml", "--chips", chips, "--runs", data / "runs")
    out = data / "runs" / "tiny"
    succeed("export", out / "model.pt", "--chips", chips, "--out", out / "int8")
    return out


def labelled(data: Path, split: str) -> list[object]:
    return ["--images", data / "images.zip", "--labels", data / "labels.csv", "--split", split]


def test_a_run_leaves_its_log_curves_and_weights(run: Path) -> None:
    entries = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [entry["epoch"] for entry in entries] == [1, 2]
    assert {"loss", "seconds", "val_age_mae", "val_gender_accuracy"} <= entries[0].keys()
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert not list(run.glob("*.partial*"))


def test_a_run_cut_short_ends_as_if_it_had_not_been(run: Path, data: Path, chips: Path) -> None:
    """Killed after its first epoch: the checkpoint of a run stopped there, resumed."""
    once = data / "again"
    stopped = data / "stopped.py"
    stopped.write_text(
        "import sys, training.checkpoint as f\n"
        "save = f._save\n"
        "def save_then_die(state, path):\n"
        "    save(state, path)\n"
        "    if path.name == 'model.pt': sys.exit(9)\n"
        "f._save = save_then_die\n"
        "from training.__main__ import main\n"
        "main()\n"
    )
    arguments = ["finetune", data / "tiny.toml", "--chips", chips, "--runs", once]
    command = [sys.executable, "-W", "ignore", str(stopped), *map(str, arguments)]
    env = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    assert (
        subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=False).returncode == 9
    )
    succeed(*arguments)
    whole, resumed = (
        torch.load(folder / "model.pt", weights_only=True)["model"]
        for folder in (run, once / "tiny")
    )
    for name, weight in whole.items():
        torch.testing.assert_close(resumed[name], weight, msg=name)


def test_a_changed_recipe_does_not_continue_another_s_run(
    run: Path, data: Path, chips: Path
) -> None:
    other = data / "other" / "tiny.toml"
    other.parent.mkdir()
    other.write_text(RECIPE.format(epochs=3))
    result = training("finetune", other, "--chips", chips, "--runs", data / "runs")
    assert result.returncode == 1
    assert "another recipe" in result.stderr


def test_a_pretrained_backbone_is_a_start_for_fine_tuning(data: Path, chips: Path) -> None:
    model = '[model]\nbackbone = "test_vit"\nimage_size = 32\n'
    (data / "mae.toml").write_text(
        'name = "mae"\nprecision = "fp32"\n'
        + model
        + 'start = "random"\n[pretraining]\ndecoder_width = 24\ndecoder_heads = 2\n'
        "decoder_depth = 1\n[schedule]\nepochs = 2\nbatch_size = 8\n"
    )
    runs = data / "pretraining"
    succeed("pretrain", data / "mae.toml", "--chips", chips, chips, "--runs", runs)
    assert (runs / "mae" / "reconstructions.png").read_bytes().startswith(b"\x89PNG")
    start = runs / "mae" / "model.pt"
    for name in ("from-mae", "from-finetuned"):
        text = RECIPE.format(epochs=1).replace('start = "random"', f'start = "{start}"')
        (data / f"{name}.toml").write_text(text.replace("tiny", name))
        succeed("finetune", data / f"{name}.toml", "--chips", chips, "--runs", runs)
        start = runs / name / "model.pt"
        assert start.exists()


def test_int8_answers_as_fp32_does_and_is_smaller(run: Path) -> None:
    rng = np.random.default_rng(0)
    chips = rng.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    int8, fp32 = ((run / name / "age_gender.onnx").read_bytes() for name in ("int8", "int8-fp32"))
    assert len(int8) < 0.6 * len(fp32)  # a tiny network has much that is no matrix
    twin = dequantize(onnx.load_model_from_string(int8)).SerializeToString()
    a, b, c = (Estimator(graph).estimate(chips) for graph in (int8, fp32, twin))
    np.testing.assert_allclose(a.age_probabilities, b.age_probabilities, atol=0.005)
    np.testing.assert_allclose(c.age_probabilities, b.age_probabilities, atol=0.005)
    np.testing.assert_allclose(a.female_probability, b.female_probability, atol=0.02)


def test_a_mirrored_export_answers_the_same_for_a_chip_and_its_mirror_image(
    run: Path, data: Path, chips: Path
) -> None:
    out = data / "mirrored"
    succeed("export", run / "model.pt", "--chips", chips, "--out", out, "--mirror")
    plain, mirrored = (
        Estimator((folder / "age_gender.onnx").read_bytes())
        for folder in (run / "int8-fp32", data / "mirrored-fp32")
    )
    faces = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    flipped = np.ascontiguousarray(faces[:, :, ::-1])
    one, other = mirrored.estimate(faces), mirrored.estimate(flipped)
    np.testing.assert_allclose(one.age_probabilities, other.age_probabilities, atol=1e-5)
    both = [np.log(plain.estimate(view).age_probabilities) for view in (faces, flipped)]
    mean = np.exp(np.mean(both, axis=0))
    mean /= mean.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(one.age_probabilities, mean, atol=1e-5)
    assert store.load(out.as_uri()).manifest.training["mirrored"] is True


def test_calibration_rewrites_graph_and_manifest_together(run: Path, data: Path) -> None:
    folder = data / "calibrated"
    shutil.copytree(run / "int8", folder)
    before = store.load(folder.as_uri()).manifest
    succeed("calibrate", "--model", folder, *labelled(data, "calibration"))
    after = store.load(folder.as_uri()).manifest
    assert after.version != before.version
    assert after.interval != before.interval
    assert after.gender.uncertain_below == 0.8
    assert after.training["calibration"]["n"] == 12
    temperature = after.training["calibration"]["age_temperature"]
    chips = np.full((1, 32, 32, 3), 90, np.uint8)
    plain, calibrated = (
        np.log(Estimator((f / "age_gender.onnx").read_bytes()).estimate(chips).age_probabilities)
        for f in (run / "int8", folder)
    )
    plain, calibrated = plain[:, :KNEE], calibrated[:, :KNEE]  # untilted
    ratio = (plain - plain.mean()) / (calibrated - calibrated.mean())
    assert np.median(ratio) == pytest.approx(temperature, rel=0.02)


@pytest.mark.parametrize("through", ["photos", "chips"])
def test_evaluation_writes_every_figure(run: Path, data: Path, through: str) -> None:
    out = data / f"{through}.json"
    arguments = [*labelled(data, "test"), "--through", through, "--json", out]
    printed = succeed("evaluate", "--model", run / "int8", *arguments)
    figures = json.loads(out.read_text())
    assert figures["n"] == 8
    assert figures["misses"] == 0
    for name in ("age_mae", "age_bias", "gender_accuracy", "interval_coverage", "interval_width"):
        assert isinstance(figures[name], (int, float))
        assert f"{name} {figures[name]}" in printed
    for group in ("by_age_band", "by_gender", "by_race"):
        assert all(entry["n"] for entry in figures[group].values())


def test_recorded_figures_travel_with_the_model(run: Path, data: Path) -> None:
    folder = data / "recorded"
    shutil.copytree(run / "int8", folder)
    succeed("evaluate", "--model", folder, *labelled(data, "val"), "--record")
    manifest = store.load(folder.as_uri()).manifest
    assert manifest.metrics["val"]["n"] == 8
    pipeline = Pipeline(store.load(folder.as_uri()), 10**8)
    assert len(pipeline.predict((SAMPLES / "grace_hopper.jpg").read_bytes()).faces) == 1


def test_an_archive_of_other_photos_is_refused(data: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("file,age,gender,split\nelsewhere.jpg,30,male,test\n")
    for archive in (data / "images.zip", labels):
        result = training("evaluate", "--images", archive, "--labels", labels, "--split", "test")
        assert result.returncode == 1
        assert f"{archive} is not the archive of these labels" in result.stderr


def test_a_mistake_on_the_command_line_is_a_sentence(data: Path) -> None:
    result = training("evaluate", *labelled(data, "nothing"))
    assert result.returncode == 1
    assert "no row of split nothing; it has calibration" in result.stderr


def test_labels_without_splits_are_a_sentence(data: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("file,gender\n1.jpg,male\n")
    arguments = ["--images", data / "images.zip", "--labels", labels, "--split", "test"]
    result = training("evaluate", *arguments)
    assert result.returncode == 1
    assert "no row of split test" in result.stderr


def test_two_processes_and_batches_in_parts_train_the_same_model(data: Path, chips: Path) -> None:
    """Without dropout, whose draws belong to a process."""
    plain = RECIPE.format(epochs=2).replace(
        "patch_drop = 0.25", "patch_drop = 0.0\ndrop_path = 0.0"
    )
    split = plain + "accumulate = 2\n"
    losses, weights = {}, {}
    for name, text, processes in (("one", plain, 1), ("two", plain, 2), ("parts", split, 1)):
        recipe = data / f"{name}.toml"
        recipe.write_text(text.replace("tiny", name))
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        command = [sys.executable, "-W", "ignore", *launcher, "-m", "training", "finetune"]
        arguments = [recipe, "--chips", chips, "--runs", data / "runs"]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        result = subprocess.run(
            [*command, *map(str, arguments)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        out = data / "runs" / name
        entries = (out / "log.jsonl").read_text().splitlines()
        losses[name] = [json.loads(entry)["loss"] for entry in entries]
        weights[name] = torch.load(out / "model.pt", weights_only=True)["model"]
    for name in ("two", "parts"):
        assert losses[name] == pytest.approx(losses["one"], rel=1e-4)
        for layer, weight in weights["one"].items():
            torch.testing.assert_close(weights[name][layer], weight, atol=1e-4, rtol=1e-3)


def test_batches_that_cannot_be_cut_evenly_are_refused(data: Path, chips: Path) -> None:
    (data / "uneven.toml").write_text(RECIPE.format(epochs=1) + "accumulate = 3\n")
    result = training("finetune", data / "uneven.toml", "--chips", chips, "--runs", data / "uneven")
    assert result.returncode == 1
    assert "8 faces cannot be cut into 3 parts" in result.stderr


def test_a_student_learns_from_the_mean_of_two_teachers(run: Path, data: Path, chips: Path) -> None:
    weights, soup = run / "model.pt", data / "soup" / "model.pt"
    succeed("average", weights, weights, "--out", soup)
    one, mean = (torch.load(path, weights_only=True) for path in (weights, soup))
    for name, weight in one["model"].items():
        torch.testing.assert_close(mean["model"][name], weight)
    assert json.loads(mean["recipe"])["name"] == "soup"
    succeed("teach", weights, soup, "--chips", chips, "--out", data / "teacher")
    answers = np.load(data / "teacher" / "chips.npy")
    assert answers.shape == (52, 102)
    assert np.isnan(answers[32:]).all()  # calibration and test
    answers = answers[:32]
    np.testing.assert_allclose(answers[:, :101].sum(axis=1), 1, atol=0.01)
    assert 0 < answers[:, 101].min() <= answers[:, 101].max() < 1
    genders = data / "genders"
    genders.mkdir()
    np.save(genders / "chips.npy", np.load(chips / "chips.npy")[:10])
    lines = [f"{i}.jpg,male" for i in range(10)]
    (genders / "labels.csv").write_text("\n".join(["file,gender", *lines]))
    succeed("teach", weights, "--chips", genders, "--out", data / "teacher")
    text = RECIPE.format(epochs=1).replace(
        'name = "tiny"', f'name = "student"\nteacher = "{data / "teacher"}"\ngender_faces = 8'
    )
    (data / "student.toml").write_text(text)
    succeed(
        *("finetune", data / "student.toml", "--chips", chips, "--gender-chips", genders),
        *("--runs", data / "runs"),
    )
    assert (data / "runs" / "student" / "model.pt").exists()


def test_models_of_other_shapes_have_no_mean(run: Path, data: Path, tmp_path: Path) -> None:
    saved = torch.load(run / "model.pt", weights_only=True)
    first = next(iter(saved["model"]))
    torch.save(saved | {"model": saved["model"] | {first: torch.zeros(1)}}, tmp_path / "other.pt")
    result = training(
        "average", run / "model.pt", tmp_path / "other.pt", "--out", tmp_path / "m.pt"
    )
    assert result.returncode == 1
    assert "another network" in result.stderr
    assert not (tmp_path / "m.pt").exists()


def test_a_report_is_written_from_results_alone(run: Path, data: Path) -> None:
    folder, out = data / "reported", data / "report"
    shutil.copytree(run / "int8", folder)
    succeed("calibrate", "--model", folder, *labelled(data, "calibration"))
    out.mkdir()
    for name, splits in (("test", ["test"]), ("all", ["test", "val"])):
        arguments = [*labelled(data, ""), "--json", out / f"{name}.json"]
        at = arguments.index("")
        arguments[at : at + 1] = splits
        succeed("evaluate", "--model", folder, *arguments)
    readme, card = out / "README.md", out / "CARD.md"
    readme.write_text(f"before\n{START}\nstale\n{END}\nafter\n")
    arguments = ["--model", folder, "--out", card, "--readme", readme]
    succeed("report", out / "test.json", out / "all.json", *arguments)
    results = {name: json.loads((out / f"{name}.json").read_text()) for name in ("test", "all")}
    version = store.load(folder.as_uri()).manifest.version
    for text in (card.read_text(), readme.read_text()):
        assert version in text
        for name, title in (("test", "`test` | 8 |"), ("all", "`test + val` | 16 |")):
            assert title in text
            assert f"| {results[name]['age_mae']:.2f} (" in text
            assert f"| {results[name]['gender_accuracy']:.1%} (" in text
    assert readme.read_text().startswith("before\n<!--")
    assert readme.read_text().endswith("-->\nafter\n")
    assert "stale" not in readme.read_text()
    for picture in ("error", "coverage", "reliability"):
        assert f"card/{picture}.png" in card.read_text()
        assert (out / "card" / f"{picture}.png").read_bytes().startswith(b"\x89PNG")
    other = training("report", out / "test.json", "--model", run / "int8", *arguments[2:])
    assert other.returncode == 1
    assert "Evaluate the folder again" in other.stderr

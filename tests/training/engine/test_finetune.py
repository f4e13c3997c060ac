import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from apparent import atomic
from tests.conftest import ROOT
from tests.training.conftest import recipe, weights
from training import provenance
from training.__main__ import main
from training.data.augment import to_float
from training.data.dataset import CHIPS
from training.engine import checkpoint
from training.engine.losses import departure, disagreement
from training.networks import model


@pytest.fixture(scope="module")
def run(sets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    runs = tmp_path_factory.mktemp("runs")
    assert finetune(recipe(runs), sets, runs) == 0
    return runs / "tiny"


def finetune(path: Path, sets: Path, runs: Path, *more: str) -> int:
    return main(["finetune", str(path), "--data", str(sets), "--runs", str(runs), *more])


def same(one: Path, other: Path) -> None:
    """Bit by bit."""
    for name, weight in weights(one).items():
        assert torch.equal(weights(other)[name], weight), name


def log(folder: Path) -> list[dict[str, float]]:
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    timed = ("seconds", "faces_per_second")
    return [{k: v for k, v in entry.items() if k not in timed} for entry in entries]


def test_a_run_leaves_its_log_curves_weights_and_record(run: Path) -> None:
    entries = log(run)
    assert [entry["epoch"] for entry in entries] == [1, 2]
    assert {"loss", "gradient_norm", "learning_rate"} <= entries[0].keys()
    assert entries[1]["learning_rate"] < entries[0]["learning_rate"]
    assert {"exact/age_mae", "exact/gender_accuracy"} <= entries[0].keys()
    assert {"ranges/years_outside", "ranges/range_exact"} <= entries[0].keys()
    assert "ranges/age_mae" not in entries[0]
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert not list(run.glob("*.partial*"))
    record = json.loads((run / "run.json").read_text())
    assert record["recipe"]["name"] == "tiny"
    assert record["data"]["exact"]["faces"] == 24
    assert record["data"]["ranges"]["faces"] == 14
    assert record["seconds"] >= 0
    assert len(record["recipe_sha256"]) == len(record["data"]["exact"]["labels_sha256"]) == 64
    assert {"commit", "versions", "hardware"} <= record.keys()


class Killed(BaseException):
    """Stands for a process that is no more."""


@pytest.mark.parametrize("file", ["model.pt", "log.jsonl", "checkpoint.pt"])
def test_a_run_killed_after_any_file_of_its_last_epoch_ends_as_if_it_had_not_been(
    run: Path, sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    written = 0

    def die_after(path: Path) -> None:
        nonlocal written
        written += path.name == file
        if written == 2 and path.name == file:
            raise Killed

    save, write = checkpoint._save, atomic.write_text

    def save_then_die(state: dict[str, Any], path: Path) -> None:
        save(state, path)
        die_after(path)

    def write_then_die(path: Path, text: str) -> None:
        write(path, text)
        die_after(path)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "_save", save_then_die)
        patched.setattr(checkpoint, "write_text", write_then_die)
        with pytest.raises(Killed):
            finetune(recipe(tmp_path), sets, tmp_path)
    assert finetune(recipe(tmp_path), sets, tmp_path) == 0
    same(run, tmp_path / "tiny")
    assert log(tmp_path / "tiny") == log(run)


def test_a_run_killed_inside_an_epoch_goes_on_from_the_step(
    run: Path, sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0
    save = checkpoint.RunFolder.save_now_and_then

    def save_at_each_step(folder: checkpoint.RunFolder, progress: checkpoint.Progress) -> None:
        nonlocal steps
        save(folder, progress)
        steps += 1
        if steps == 2:
            raise Killed

    monkeypatch.setattr(checkpoint, "SAVE_EVERY", 0)
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint.RunFolder, "save_now_and_then", save_at_each_step)
        with pytest.raises(Killed):
            finetune(recipe(tmp_path), sets, tmp_path)
    saved = torch.load(tmp_path / "tiny" / "checkpoint.pt", weights_only=True)
    assert saved["progress"]["steps"] == 2
    assert finetune(recipe(tmp_path), sets, tmp_path) == 0
    same(run, tmp_path / "tiny")
    assert log(tmp_path / "tiny") == log(run)


def test_a_changed_recipe_does_not_continue_another_s_run(
    run: Path, sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert finetune(recipe(tmp_path, epochs=3), sets, run.parent) == 1
    assert "another recipe" in capsys.readouterr().err


def test_a_run_does_not_go_on_from_other_weights_or_labels(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, start = tmp_path / "sets", tmp_path / "start" / "model.pt"
    shutil.copytree(sets, data)
    assert finetune(recipe(tmp_path, "start", epochs=1), data, tmp_path) == 0
    short = recipe(tmp_path, epochs=2, start=start, schedule="stop_after = 1")
    assert finetune(short, data, tmp_path) == 0
    record = json.loads((tmp_path / "tiny" / "run.json").read_text())
    for change in ({"start_sha256": "0" * 64}, {"data": {"exact": {"labels_sha256": "0"}}}):
        (tmp_path / "tiny" / "run.json").write_text(json.dumps(record | change))
        (tmp_path / "tiny" / "checkpoint.pt").unlink(missing_ok=True)
        assert finetune(short, data, tmp_path) == 1
        assert "Move it away" in capsys.readouterr().err


def test_a_start_learnt_from_sets_that_the_run_is_recorded_to_have_learnt_from(
    sets: Path, tmp_path: Path
) -> None:
    assert finetune(recipe(tmp_path, "start", epochs=1), sets, tmp_path) == 0
    more = recipe(tmp_path, epochs=1, start=tmp_path / "start" / "model.pt")
    settings = more.read_text().split("[[sources]]", maxsplit=1)[0]
    more.write_text(settings + '[[sources]]\nname = "exact"\n')
    assert finetune(more, sets, tmp_path) == 0
    assert json.loads((tmp_path / "tiny" / "run.json").read_text())["data"].keys() == {
        "exact",
        "ranges",
    }


def test_starts_below_runs_are_found_wherever_the_runs_are(
    sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "elsewhere"
    assert finetune(recipe(tmp_path, "start", epochs=1), sets, runs) == 0
    monkeypatch.chdir(tmp_path)  # which has no folder runs
    assert finetune(recipe(tmp_path, epochs=1, start="runs/start/model.pt"), sets, runs) == 0


def test_a_run_older_than_an_entry_of_the_recipe_goes_on(
    run: Path, sets: Path, tmp_path: Path
) -> None:
    """The entry has its default, which is what the run did."""
    path = run / "checkpoint.pt"
    saved = torch.load(path, weights_only=True)
    older = json.loads(saved["recipe"])
    del older["schedule"]["frozen_blocks"], older["augment"]["jpeg_quality"]
    torch.save(saved | {"recipe": json.dumps(older)}, path)
    assert finetune(recipe(tmp_path), sets, run.parent) == 0


def test_a_loss_that_is_not_finite_ends_with_a_sentence_and_overwrites_nothing(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recipe(tmp_path, schedule="learning_rate = 1e30\nclip_norm = 1e30")
    assert finetune(path, sets, tmp_path) == 1
    assert "in epoch 1 at step 2" in capsys.readouterr().err
    assert not (tmp_path / "tiny" / "model.pt").exists()
    assert not (tmp_path / "tiny" / "checkpoint.pt").exists()


def test_a_run_that_stops_early_is_the_first_part_of_the_whole(
    run: Path, sets: Path, tmp_path: Path
) -> None:
    assert finetune(recipe(tmp_path, schedule="stop_after = 1"), sets, tmp_path) == 0
    assert log(tmp_path / "tiny") == log(run)[:1]


def test_frozen_blocks_stay_as_they_were(run: Path, sets: Path, tmp_path: Path) -> None:
    path = recipe(tmp_path, start=run / "model.pt", schedule="frozen_blocks = 2")
    assert finetune(path, sets, tmp_path) == 0
    before, after = weights(run), weights(tmp_path / "tiny")
    for name in ("patch_embed.proj.weight", "pos_embed", "blocks.1.mlp.fc1.weight"):
        assert torch.equal(before[f"backbone.{name}"], after[f"backbone.{name}"])
    last = "backbone.blocks.5.mlp.fc1.weight"
    assert not torch.equal(before[last], after[last])


def test_without_git_it_trains_and_a_run_that_has_ended_keeps_its_record(
    sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recipe(tmp_path, epochs=1)
    monkeypatch.setenv("PATH", "/nowhere")
    assert finetune(path, sets, tmp_path) == 0
    record = (tmp_path / "tiny" / "run.json").read_text()
    assert json.loads(record)["commit"] == "unknown"
    monkeypatch.setattr(provenance, "_hardware", lambda: "another machine")
    assert finetune(path, sets, tmp_path) == 0
    assert (tmp_path / "tiny" / "run.json").read_text() == record


def test_views_held_to_one_answer_differ_less(sets: Path, tmp_path: Path) -> None:
    chips = torch.from_numpy(np.load(sets / "exact" / CHIPS)[:24])
    pixels = to_float(chips, 32)

    def apart(consistency: float) -> float:
        """What the answers for mirror images differ by after training."""
        loss = f"[loss]\nconsistency = {consistency}"
        name = f"tiny-{consistency}"
        assert finetune(recipe(tmp_path, name, epochs=8, schedule=loss), sets, tmp_path) == 0
        net, _ = model.trained(tmp_path / name / "model.pt")
        with torch.no_grad():
            return float(disagreement(*net(torch.cat([pixels, pixels.flip(3)]))))

    assert apart(10.0) < 0.5 * apart(0.001)


def test_a_seed_on_the_command_line_is_told_by_the_run_s_name(
    run: Path, sets: Path, tmp_path: Path
) -> None:
    assert finetune(recipe(tmp_path), sets, tmp_path, "--seed", "2") == 0
    assert json.loads((tmp_path / "tiny-seed2" / "run.json").read_text())["recipe"]["seed"] == 2
    assert log(tmp_path / "tiny-seed2") != log(run)


def test_two_processes_and_batches_in_parts_train_the_same_model(
    sets: Path, tmp_path: Path
) -> None:
    """Without dropout, whose draws belong to a process."""
    weights_of, losses = {}, {}
    for name, more in (("one", ""), ("two", ""), ("parts", "accumulate = 2")):
        path = recipe(tmp_path, name, schedule=more)
        path.write_text(path.read_text().replace("patch_drop = 0.25", "drop_path = 0.0"))
        if name == "two":
            launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
            command = [sys.executable, "-W", "ignore", *launcher, "-m", "training", "finetune"]
            arguments = [str(path), "--data", str(sets), "--runs", str(tmp_path)]
            environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
            result = subprocess.run(
                [*command, *arguments],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert result.returncode == 0, result.stderr
        else:
            assert finetune(path, sets, tmp_path) == 0
        losses[name] = [entry["loss"] for entry in log(tmp_path / name)]
        weights_of[name] = weights(tmp_path / name)
    for name in ("two", "parts"):
        assert losses[name] == pytest.approx(losses["one"], rel=1e-4)
        for layer, weight in weights_of["one"].items():
            torch.testing.assert_close(weights_of[name][layer], weight, atol=1e-4, rtol=1e-3)


def test_batches_that_cannot_be_cut_evenly_are_refused(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert finetune(recipe(tmp_path, schedule="accumulate = 3"), sets, tmp_path) == 1
    assert "8 faces cannot be cut into 3 parts" in capsys.readouterr().err


def test_a_backbone_that_timm_does_not_know_is_a_sentence(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recipe(tmp_path)
    path.write_text(path.read_text().replace("test_vit", "test_wit"))
    assert finetune(path, sets, tmp_path) == 1
    assert "timm has no backbone 'test_wit'" in capsys.readouterr().err


def test_a_warm_up_may_be_one_step(sets: Path, tmp_path: Path) -> None:
    path = recipe(tmp_path, epochs=1, schedule="warmup = 0.25")  # of the four of 38 faces
    assert finetune(path, sets, tmp_path) == 0


def test_a_mean_teacher_keeps_the_answers_near_its_own(
    run: Path, sets: Path, tmp_path: Path
) -> None:
    pixels = to_float(torch.from_numpy(np.load(sets / "exact" / CHIPS)[:24]), 32)

    def answers(weights: Path) -> tuple[torch.Tensor, torch.Tensor]:
        net, _ = model.trained(weights)
        with torch.no_grad():
            found: tuple[torch.Tensor, torch.Tensor] = net(pixels)
        return found

    def moved(weight: float) -> float:
        """How far training goes on from where it starts, which is where the teacher starts, too."""
        start, loss = run / "model.pt", f"[loss]\nmean_teacher = {weight}"
        path = recipe(tmp_path, f"tiny-{weight}", start=start, epochs=4, schedule=loss)
        assert finetune(path, sets, tmp_path) == 0
        trained = answers(tmp_path / f"tiny-{weight}" / "model.pt")
        return float(departure(trained, answers(start)))

    assert moved(30.0) < 0.5 * moved(0.001)

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.training.conftest import prepared, recipe
from training.__main__ import main


def test_a_student_learns_from_the_mean_of_two_teachers(sets: Path, tmp_path: Path) -> None:
    common = ["--data", str(sets), "--runs", str(tmp_path)]
    for name in ("a", "b"):
        made = recipe(tmp_path, name, epochs=1, schedule="full_token_epochs = 0")
        assert main(["finetune", str(made), *common]) == 0
    models = [str(tmp_path / name / "model.pt") for name in ("a", "b")]
    held_out = prepared(tmp_path / "held-out", ["20,male,train,1", "30,male,test,2"])
    for folder in (sets / "exact", sets / "ranges", held_out):
        arguments = ["--chips", str(folder), "--out", str(tmp_path / "teacher")]
        assert main(["soft-targets", *models, *arguments]) == 0
    answers = np.load(tmp_path / "teacher" / "exact.npy")
    assert answers.shape == (32, 102)
    np.testing.assert_allclose(answers[:, :101].sum(axis=1), 1, atol=0.01)
    assert 0 < answers[:, 101].min() <= answers[:, 101].max() < 1
    of_held_out = np.load(tmp_path / "teacher" / "held-out.npy")
    assert np.isnan(of_held_out).all(axis=1).tolist() == [False, True]
    made = recipe(tmp_path, "student", epochs=1)
    made.write_text(f'teacher = "{tmp_path / "teacher"}"\n' + made.read_text())
    assert main(["finetune", str(made), *common]) == 0


def test_a_teacher_that_did_not_answer_is_a_sentence(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = recipe(tmp_path)
    made.write_text(f'teacher = "{tmp_path / "nobody"}"\n' + made.read_text())
    assert main(["finetune", str(made), "--data", str(sets), "--runs", str(tmp_path)]) == 1
    assert "training soft-targets" in capsys.readouterr().err


def test_a_teacher_of_many_views_answers_alike_for_a_chip_and_its_mirror_image(
    sets: Path, tmp_path: Path
) -> None:
    made = recipe(tmp_path, epochs=1, schedule="full_token_epochs = 0")
    assert main(["finetune", str(made), "--data", str(sets), "--runs", str(tmp_path)]) == 0
    chips = np.load(sets / "exact" / "chips.npy")
    mirrored = tmp_path / "mirrored"
    shutil.copytree(sets / "exact", mirrored)
    np.save(mirrored / "chips.npy", chips[:, :, ::-1])
    answers, apart = {}, {}
    for jittered in (0, 1, 24):
        out = tmp_path / f"teacher-{jittered}"
        weights = str(next(tmp_path.glob("*/model.pt")))
        for folder in (sets / "exact", mirrored):
            common = ["--chips", str(folder), "--out", str(out), "--jittered", str(jittered)]
            assert main(["soft-targets", weights, *common]) == 0
        one, other = np.load(out / "exact.npy"), np.load(out / "mirrored.npy")
        known = ~np.isnan(one).any(axis=1)
        answers[jittered] = one[known]
        apart[jittered] = np.abs(one[known] - other[known]).mean()
    assert apart[0] < 1e-6  # the mean of both
    assert apart[24] < 0.7 * apart[1]  # about 0.56 where views err apart: one of 3, 24 of 26
    assert not np.array_equal(answers[0], answers[24])

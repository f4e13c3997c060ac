import json
import shutil
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from apparent.errors import PhotoError
from apparent.model import EMBEDDED, store
from apparent.pipeline import Pipeline
from tests.conftest import SAMPLES
from training.__main__ import main
from training.release.answers import Source, collect, sources, windowed
from training.release.evaluate import evaluate, record, shown
from training.release.stability import crops, stability


@pytest.mark.parametrize("through", ["photos", "chips"])
def test_a_collection_is_scored_and_told(
    exported: Path, aged: Source, through: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "figures.json"
    status = main(
        [
            *("evaluate", "--model", str(exported), "--images", str(aged.images)),
            *("--labels", str(aged.labels), "--split", "test"),
            *("--through", through, "--json", str(out)),
        ]
    )
    printed = capsys.readouterr().out
    assert status == 0
    figures = json.loads(out.read_text())
    assert figures["n"] == 8
    assert figures["misses"] == 0
    assert figures["model"]["version"] == store.manifest_of(exported).version
    for name in (
        *("age_mae", "age_bias", "age_cs5", "gender_accuracy"),
        *("interval_coverage", "interval_width"),
    ):
        assert isinstance(figures[name], (int, float))
        assert f"{name} {figures[name]}" in printed
    for group in ("by_age_band", "by_gender", "by_race"):
        assert all(entry["n"] for entry in figures[group].values())


def test_collections_and_splits_are_scored_apart_and_together(
    exported: Path, aged: Source, ranged: Source
) -> None:
    result = evaluate(exported, [aged, ranged], ["val", "test"], "photos")
    assert {(one["data"], one["split"]): one["n"] for one in result["results"]} == {
        ("utkface", "val"): 8,
        ("utkface", "test"): 8,
        ("utkface", "val + test"): 16,
        ("groups", "test"): 5,
    }
    assert result["n"] == 21
    assert result["n_ages"] == 16
    assert result["n_ranges"] == 5
    assert result["n_genders"] == 16 + 4
    assert set(result["by_range"]) == {"0-2", "3-19", "20-36", "37-65", "66-100"}
    lines = shown(result).splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "utkface val", "utkface test", "utkface val + test", "groups test",
    ]  # fmt: skip
    assert "range_exact" in lines[3]
    assert "age_mae" not in lines[3]


def test_neighbouring_ranges_are_those_of_the_collection(exported: Path, ranged: Source) -> None:
    from training.release.answers import collect

    answers = collect(store.load(exported.as_uri()), [ranged], ["test"], "chips")
    assert answers.near_low.tolist() == [0, 0, 3, 20, 37]
    assert answers.near_high.tolist() == [19, 36, 65, 100, 100]


@pytest.mark.parametrize("through", ["photos", "chips"])
def test_a_photo_that_cannot_be_decoded_is_a_named_miss(
    exported: Path, through: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as images:
        images.write(SAMPLES / "eileen_collins.jpg", "good.jpg")
        images.writestr("bad.jpg", b"\xff\xd8 no photo")
    labels = tmp_path / "labels.csv"
    labels.write_text("file,age,gender,split\nbad.jpg,77,female,test\ngood.jpg,42,female,test\n")
    source = Source(tmp_path / "images.zip", labels)
    result = evaluate(exported, [source], ["test"], through)  # type: ignore[arg-type]
    assert (result["n"], result["misses"]) == (2, 1)
    assert result["gender_accuracy"] <= 0.5
    assert "bad.jpg" in capsys.readouterr().err


def test_no_more_than_a_window_of_photos_waits_in_memory() -> None:
    """However slow the answers are, photos are drawn only as answers are taken."""
    drawn = 0
    release = threading.Event()

    def photos() -> Iterator[int]:
        nonlocal drawn
        for i in range(1000):
            drawn += 1
            yield i

    def slow(item: int) -> int:
        release.wait()
        return item

    with ThreadPoolExecutor(2) as pool:
        found = windowed(pool, slow, photos(), 8)
        taker = threading.Thread(target=lambda: next(found))
        taker.start()
        release.set()
        taker.join()
        assert drawn <= 9
        assert list(found) == list(range(1, 1000))


def test_an_error_that_is_no_photo_s_ends_the_run() -> None:
    def fail(item: int) -> int:
        raise PhotoError(str(item))

    with ThreadPoolExecutor(2) as pool, pytest.raises(PhotoError, match="0"):
        list(windowed(pool, fail, range(3), 2))


def test_recorded_figures_travel_with_the_bundle(bundle: Path, aged: Source) -> None:
    for _ in range(2):  # again: in place of the old ones
        result = evaluate(bundle, [aged], ["val"], "photos")
        record(bundle, result)
    (figures,) = store.load(bundle.as_uri()).card.figures
    assert (figures["data"], figures["split"], figures["n"]) == ("utkface", "val", 8)
    assert figures["age_mae"] == result["age_mae"]
    record(bundle, evaluate(bundle, [aged], ["val", "test"], "photos"))
    splits = [one["split"] for one in store.load(bundle.as_uri()).card.figures]
    assert splits == ["val", "test", "val + test"]
    assert len(Pipeline.load(bundle)(SAMPLES / "grace_hopper.jpg")) == 1


def test_only_the_served_road_is_recorded(bundle: Path, aged: Source) -> None:
    with pytest.raises(ValueError, match="--through photos"):
        record(bundle, evaluate(bundle, [aged], ["val"], "chips"))


def test_stability_is_that_of_nine_crops(aged: Source) -> None:
    picture = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
    views = crops(picture)
    assert len(views) == 9
    assert {view.shape for view in views} == {(15, 25, 3)}
    np.testing.assert_array_equal(views[0], picture[:15, :25])
    np.testing.assert_array_equal(views[8], picture[5:, 5:])
    figures = stability(store.load(EMBEDDED.as_uri()), [aged], ["val"], "photos")
    assert figures["stability_n"] == 8
    assert 0 < figures["stability_sd_median"] <= figures["stability_sd_p95"]
    assert 0 <= figures["stability_label_turns"] <= 1


def test_an_archive_of_other_photos_is_refused(
    aged: Source, exported: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("file,age,gender,split\nelsewhere.jpg,30,male,test\n")
    for archive in (aged.images, labels):
        with pytest.raises(ValueError, match="is not the archive of these labels"):
            evaluate(exported, [Source(archive, labels)], ["test"], "photos")


def test_mistakes_on_the_command_line_are_sentences(
    aged: Source, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = ["--images", str(aged.images), "--labels", str(aged.labels)]
    assert main(["evaluate", *pair, "--split", "nothing"]) == 1
    assert "no row of split nothing; it has calibration" in capsys.readouterr().err
    assert main(["evaluate", *pair, "--images", str(aged.images), "--split", "test"]) == 1
    assert "2 --images for 1 --labels" in capsys.readouterr().err
    record = ["--split", "test", "--record", "--through", "chips"]
    assert main(["evaluate", *pair, *record]) == 1
    assert "--through photos" in capsys.readouterr().err
    assert main(["evaluate", *pair, "--split", "test", "--json", "nowhere/a.json"]) == 1
    assert "There is no folder for nowhere/a.json" in capsys.readouterr().err
    model = ["--model", str(EMBEDDED)]
    alone = ["--intervals-only", "--knee", "50"]
    assert main(["calibrate", *model, *pair, *alone]) == 1
    assert "leaves --knee" in capsys.readouterr().err
    assert main(["calibrate", *model, *pair, "--coverage", "90"]) == 1
    error = capsys.readouterr().err
    assert "coverage: Input should be less than 1" in error
    assert len(error.splitlines()) == 1


def test_no_photo_is_asked_for_where_a_collection_has_none_of_the_splits(
    exported: Path, aged: Source, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("file,age,gender,split\na.jpg,30,male,train\n")
    missing = aged._replace(images=tmp_path / "missing.zip")  # who asks for a photo fails otherwise
    with pytest.raises(ValueError, match="no row of split test; it has train"):
        evaluate(exported, [missing, Source(tmp_path / "b.zip", labels)], ["test"], "photos")


def test_no_collection_at_all_is_a_sentence() -> None:
    with pytest.raises(ValueError, match="No collection has a face to ask for in calibration"):
        collect(store.load(EMBEDDED.as_uri()), [], ("calibration",), "photos")


def test_a_collection_keeps_its_name_where_its_labels_are_a_link(
    aged: Source, tmp_path: Path
) -> None:
    linked = tmp_path / "linked" / "labels.csv"
    linked.parent.mkdir()
    linked.symlink_to(aged.labels)
    assert Source(aged.images, linked).name == "linked"


def test_collections_of_one_name_are_refused(aged: Source, tmp_path: Path) -> None:
    other = tmp_path / "utkface"
    other.mkdir()
    labels = Path(shutil.copy(aged.labels, other))
    with pytest.raises(ValueError, match="one name"):
        sources([aged.images, aged.images], [aged.labels, labels])

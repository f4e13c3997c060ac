"""The committed model card, README and manifest tell the same of the same file."""

import json
import re
import shutil
from pathlib import Path

import pytest

from apparent.model import EMBEDDED, store
from tests.conftest import ROOT
from training.metrics import LONG
from training.report import report

CARD = ROOT / "training" / "MODEL_CARD.md"
RESULTS = sorted((ROOT / "training" / "model_card").glob("*.json"))


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_the_results_are_those_in_the_manifest_of_the_embedded_file(path: Path) -> None:
    manifest = store.load(EMBEDDED.as_uri()).manifest
    results = json.loads(path.read_text())
    assert results.pop("model") == {"name": manifest.name, "version": manifest.version}
    recorded = manifest.metrics[results.pop("split")]
    assert recorded == {key: value for key, value in results.items() if key not in LONG}


def test_card_and_readme_are_what_the_results_say(tmp_path: Path) -> None:
    assert [path.stem for path in RESULTS] == ["all", "test-wide", "test"]
    readme, card = tmp_path / "README.md", tmp_path / CARD.name
    shutil.copy(ROOT / "README.md", readme)
    report(RESULTS, EMBEDDED, card, readme)
    assert card.read_text() == CARD.read_text()
    assert readme.read_text() == (ROOT / "README.md").read_text()
    for picture in re.findall(r"\((\S+\.png)\)", card.read_text()):
        assert (CARD.parent / picture).exists()

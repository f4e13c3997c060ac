"""The committed model card, README and licence notice tell what the embedded bundle holds."""

import re
import shutil
from pathlib import Path

from apparent.model import EMBEDDED, store
from tests.conftest import ROOT
from training.release.card import write_card
from training.release.install import NOTICE

CARD = ROOT / "training" / "MODEL_CARD.md"


def test_card_and_readme_are_what_the_bundle_says(tmp_path: Path) -> None:
    bundle = store.load(EMBEDDED.as_uri())
    readme, card = tmp_path / "README.md", tmp_path / CARD.name
    shutil.copy(ROOT / "README.md", readme)
    write_card(bundle, card, readme)
    assert card.read_text() == CARD.read_text()
    assert readme.read_text() == (ROOT / "README.md").read_text()
    for picture in re.findall(r"\((\S+\.png)\)", card.read_text()):
        assert (CARD.parent / picture).exists()


def test_the_notice_beside_the_weights_has_the_licence_of_the_manifest() -> None:
    assert store.manifest_of(EMBEDDED).licence in (EMBEDDED / NOTICE).read_text()

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT, SAMPLES


def test_it_measures_the_device_and_compares_it_with_the_library(tmp_path: Path) -> None:
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not on PATH: apt-get install chromium")
    if not (ROOT / "site" / "on-device" / "bundle.json").exists():
        pytest.skip("site/on-device is empty: install Node.js with npm, and run scripts/setup")
    names = ["eileen_collins.jpg", "grace_hopper.jpg"]
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        for name in names:
            archive.write(SAMPLES / name, name)
    rows = [f"{name},val" for name in names]
    (tmp_path / "faces.csv").write_text("\n".join(["file,split", *rows, "another.jpg,train"]))
    command = ["bench-page", "--runs", "1", "--json", "told.json"]
    command += ["--images", "faces.zip", "--labels", "faces.csv"]
    script, *arguments = command
    subprocess.run(
        [ROOT / "scripts" / script, *arguments], cwd=tmp_path, check=True, capture_output=True
    )
    told = json.loads((tmp_path / "told.json").read_text())
    assert 20e6 < told["bytes_once"] < 30e6
    assert told["ms_a_portrait"]["total"] > 0
    assert told["peak_memory_mb"] > 100
    assert told["parity"]["photos"] == told["parity"]["as_many_faces"] == 2
    assert told["parity"]["same_label"] == 2

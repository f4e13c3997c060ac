import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT


def test_it_prints_and_writes_every_figure(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    command = [str(ROOT / "scripts" / "bench"), "--runs", "2", "--json", str(out)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    figures = json.loads(out.read_text())
    for name, stages in figures["latency_ms"].items():
        assert name in printed
        assert all(stage["p50"] >= 0 for stage in stages.values())
    assert figures["quantisation"]["share_of_size"] < 0.3
    assert figures["start_up"]["peak_mib"] > 0
    assert "times faster" in printed


@pytest.mark.container
@pytest.mark.usefixtures("image")
def test_the_container_s_start_is_compared_with_the_floor(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    command = [str(ROOT / "scripts" / "bench"), "--container", "--runs", "2", "--json", str(out)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    figures = json.loads(out.read_text())
    assert figures["peak_mb"] <= 350
    start = figures["start_up"]
    assert all(side["container_ms"] > 0 for side in start.values())
    stages = {"first_imports_ms", "road_imports_ms", "other_imports_ms", "load_ms", "open_ms"}
    assert stages <= start["embedded"].keys() & start["s3"].keys()
    assert "container start to first answer / floor" in printed

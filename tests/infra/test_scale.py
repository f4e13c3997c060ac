import subprocess
import sys

import pytest

from infra.scale import Scale
from tests.conftest import ROOT


def test_twice_the_photos_take_twice_the_time_and_money() -> None:
    scale = Scale(200, 1769, "x86_64", concurrency=100, batch_size=100, init_ms=0)
    assert scale.seconds(2_000_000) == pytest.approx(2 * scale.seconds(1_000_000), rel=1e-2)
    assert sum(scale.price(2_000_000).values()) == pytest.approx(
        2 * sum(scale.price(1_000_000).values())
    )
    alone = Scale(200, 1024, "x86_64", concurrency=1, batch_size=1, init_ms=0)
    assert alone.price(1)["Lambda"] == pytest.approx(0.2 * 16.6667e-6 + 0.2e-6)


def test_a_run_takes_at_least_its_slowest_batch_and_its_start() -> None:
    scale = Scale(200, 1769, "x86_64", concurrency=1000, batch_size=100, init_ms=2000)
    assert scale.seconds(50) > 2 + 50 * 0.2


def test_the_page_shows_what_its_commands_print() -> None:
    page = (ROOT / "docs" / "bulk.md").read_text()
    commands = [
        line for line in page.splitlines() if line.startswith("    $ python -m infra.scale")
    ]
    assert commands
    for command in commands:
        program = [sys.executable, "-m", "infra.scale", *command.split("infra.scale")[1].split()]
        run = subprocess.run(program, cwd=ROOT, check=True, capture_output=True, text=True)
        shown = "\n".join(f"    {line}".rstrip() for line in run.stdout.splitlines())
        assert shown in page

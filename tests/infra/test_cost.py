import subprocess
import sys

import pytest

from infra.cost import Use
from tests.conftest import ROOT


def test_a_second_of_a_gigabyte_costs_what_lambda_says() -> None:
    use = Use(1000, 0, 0, photo_kb=100, memory_mb=1024, architecture="x86_64")
    assert use.per_photo()["Lambda, GB-seconds"] == pytest.approx(0.0000166667)


def test_cold_starts_and_large_photos_cost_more() -> None:
    warm = Use(50, 500, 0, photo_kb=512, memory_mb=1769, architecture="x86_64")
    cold = Use(50, 500, 0.1, photo_kb=513, memory_mb=1769, architecture="x86_64")
    assert cold.per_photo()["Lambda, GB-seconds"] == pytest.approx(
        2 * warm.per_photo()["Lambda, GB-seconds"]
    )
    assert cold.per_photo()["HTTP API"] == 2 * warm.per_photo()["HTTP API"]


def test_the_page_of_costs_shows_what_its_command_prints() -> None:
    page = (ROOT / "infra" / "COST.md").read_text()
    (command,) = [
        line for line in page.splitlines() if line.startswith("    $ python -m infra.cost")
    ]
    arguments = command.split("infra.cost ")[1].split()
    program = [sys.executable, "-m", "infra.cost", *arguments]
    printed = subprocess.run(program, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    shown = "\n".join(f"    {line}".rstrip() for line in printed.splitlines())
    assert shown in page

import subprocess
import sys

import pytest

from infra.cost import Limits, Use
from infra.firewall import DEFAULT_REQUESTS, FILES_PER_REQUEST
from infra.settings import Settings
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


def test_a_bad_day_is_reckoned_with_the_limits_that_the_stack_has() -> None:
    settings, limits = Settings(), Limits()
    assert limits.concurrency == settings.reserved_concurrency
    assert limits.per_second == settings.requests_per_second
    assert limits.memory_mb == settings.memory_mb
    assert limits.api_requests == DEFAULT_REQUESTS
    assert limits.all_requests == FILES_PER_REQUEST * DEFAULT_REQUESTS


def test_a_bad_day_costs_what_is_reserved_and_no_more() -> None:
    day, cap = Limits().attack_per_day()["Lambda, GB-seconds"]
    assert day == pytest.approx(10 * 86_400 * 1769 / 1024 * 0.0000166667)
    assert cap == "reserved_concurrency"
    assert all(cap for _, cap in Limits().attack_per_day().values())


@pytest.mark.parametrize("index", [0, 1])
def test_the_page_of_costs_shows_what_its_commands_print(index: int) -> None:
    page = (ROOT / "infra" / "COST.md").read_text()
    command = [line for line in page.splitlines() if line.startswith("    $ python -m infra.cost")][
        index
    ]
    arguments = command.split("infra.cost ")[1].split()
    program = [sys.executable, "-m", "infra.cost", *arguments]
    printed = subprocess.run(program, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    shown = "\n".join(f"    {line}".rstrip() for line in printed.splitlines())
    assert shown in page

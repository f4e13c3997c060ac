"""The locks: what they must leave to the machine that installs them."""

import re
from pathlib import Path

import pytest

LOCKS = sorted(
    [*Path("scripts/locks").glob("*.txt"), *Path("functions/predict").glob("*requirements.txt")]
)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_names_no_accelerators_build_and_no_index(lock: Path) -> None:
    text = lock.read_text()
    assert not re.findall(r"(?m)^(?:torch|triton|nvidia-[^=]+|cuda-[^=]+)==.*", text)
    assert "://" not in text
    assert not re.findall(r"(?m)^-.*", text)  # an option of pip's, such as where to look


def test_another_pin_of_torch_changes_the_lock() -> None:
    """scripts/setup installs a group again when its lock changes, but torch has no hash there."""
    pin = re.search(r'"(torch==[^"]+)"', Path("pyproject.toml").read_text())
    assert pin is not None
    assert f"# without hashes: {pin[1]}\n" in Path("scripts/locks/train.txt").read_text()

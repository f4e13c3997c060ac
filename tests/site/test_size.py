import gzip
from fnmatch import fnmatch
from pathlib import Path

from infra.on_device import NOT_SERVED
from tests.conftest import ROOT


def size(path: Path) -> int:
    return len(gzip.compress(path.read_bytes()))


def test_the_page_without_its_samples_is_small() -> None:
    """What a visitor can be sent of it, in one language, with the engine for the device."""
    others = {"samples", "on-device", "locales"}
    own = [
        path
        for path in (ROOT / "site").rglob("*")
        if path.is_file()
        and not others & {*path.parts}
        and not any(fnmatch(path.name, pattern) for pattern in NOT_SERVED)
    ]
    assert len(own) > 5
    language = max(size(path) for path in (ROOT / "site" / "locales").iterdir())
    assert sum(map(size, own)) + language < 60_000

import errno
import os
from pathlib import Path

import pytest

from apparent.atomic import atomic_write


def test_what_the_disk_does_not_take_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ages.csv"
    file.write_text("as it was")

    def failing(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match="Input/output error"), atomic_write(file) as partial:
        partial.write_text("half of it")
    assert file.read_text() == "as it was"
    assert list(tmp_path.iterdir()) == [file]


def test_what_was_written_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ages.csv"
    seen: list[tuple[bool, int]] = []
    monkeypatch.setattr(
        os, "fsync", lambda number: seen.append((file.exists(), os.fstat(number).st_size))
    )
    with atomic_write(file) as partial:
        partial.write_text("all of it")
    assert seen == [(False, len("all of it"))]
    assert file.read_text() == "all of it"

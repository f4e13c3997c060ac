from pathlib import Path

import pytest

from apparent.atomic import atomic_write
from apparent.bulk.parts import FolderParts


def test_what_a_killed_worker_left_of_a_part_is_gone_once_the_part_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = FolderParts(tmp_path)
    with monkeypatch.context() as killed:
        killed.setattr(Path, "replace", lambda *_: None)  # not reached, and nobody cleans up
        with atomic_write(tmp_path / "part-1.jsonl") as partial:
            partial.write_bytes(b"ha")
    others = tmp_path / "part-2.0123abcd.partial.jsonl"
    others.write_bytes(b"another worker's, which goes on")
    assert len(parts.names()) == 2
    parts.write("part-1.jsonl", b"whole")
    assert parts.names() == {"part-1.jsonl", others.name}
    assert parts.read("part-1.jsonl") == b"whole"


def test_the_plan_that_another_machine_is_writing_is_left_alone(tmp_path: Path) -> None:
    others = tmp_path / "plan.0123abcd.partial.json"
    others.write_bytes(b"{")
    FolderParts(tmp_path).write("plan.json", b"{}")
    assert others.exists()

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.commands.base_image import provide_base
from scripts.commands.emulator import ContainerError, architecture, engine

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts a shell program on a PATH that has nothing else."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("CONTAINER", "BASE_IMAGE"):
        monkeypatch.delenv(name, raising=False)

    def write(name: str, script: str) -> None:
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    engine.cache_clear()
    yield write
    engine.cache_clear()


def test_a_machine_without_an_engine_is_told_what_to_install(install: Install) -> None:
    with pytest.raises(ContainerError, match="Neither podman nor docker is on PATH"):
        engine()


def test_a_command_without_its_daemon_is_no_engine(install: Install) -> None:
    install("docker", "echo 'Cannot connect to the Docker daemon.' >&2; exit 1")
    with pytest.raises(ContainerError, match="docker cannot run containers here"):
        engine()


def test_the_engine_that_runs_is_taken(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("podman", "exit 125")
    install("docker", "exit 0")
    install("nerdctl", "exit 0")
    assert engine() == "docker"
    engine.cache_clear()
    monkeypatch.setenv("CONTAINER", "nerdctl")
    assert engine() == "nerdctl"


def test_a_base_image_that_cannot_be_had_is_named_with_the_way_out(install: Install) -> None:
    install("docker", '[ "$1" = info ] && exit 0; echo "no route to host" >&2; exit 1')
    with pytest.raises(ContainerError, match=r"python:3.*no route to host.*BASE_IMAGE="):
        provide_base(architecture())


def test_a_pull_that_hangs_ends(install: Install) -> None:
    install("docker", 'case "$1" in info) ;; image) exit 1 ;; *) read -r never </dev/zero ;; esac')
    with pytest.raises(ContainerError, match="cannot be pulled"):
        provide_base(architecture(), patience=0.2)


def test_a_base_image_that_is_here_is_not_pulled(install: Install) -> None:
    install("docker", '[ "$1" != pull ]')
    provide_base(architecture())

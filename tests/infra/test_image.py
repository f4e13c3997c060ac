"""What the image is built from, by the environment."""

from pathlib import Path

import pytest

from infra.image import build_arguments, build_secrets


def test_the_build_s_pip_trusts_whom_this_machine_s_trusts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, proxy = tmp_path / "system.pem", tmp_path / "proxy.pem"
    for path in (system, proxy):
        path.touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(system))
    for named, expected in (("", system), (str(proxy), proxy)):
        monkeypatch.setenv("PIP_CERT", named)
        assert build_secrets()["ca"] == str(expected)


def test_an_empty_base_is_the_dockerfile_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for named, given in (("", None), ("python:other", "python:other")):
        monkeypatch.setenv("BASE_IMAGE", named)
        assert build_arguments().get("BASE_IMAGE") == given

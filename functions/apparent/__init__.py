"""Apparent: how old each face in a photo looks, and which gender it is perceived as.

from apparent import Pipeline

faces = Pipeline.load()("photo.jpg")
faces[0].age.years, faces[0].age.low, faces[0].age.high, faces[0].gender.label
faces.draw().save("out.png")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apparent.errors import (
        ApparentError,
        ModelError,
        PhotoError,
        PublishError,
        UndecodablePhoto,
        UnsupportedFormat,
    )
    from apparent.pipeline import Pipeline
    from apparent.results import Age, Box, Face, Faces, Gender

    __version__: str

__all__ = [
    "Age",
    "ApparentError",
    "Box",
    "Face",
    "Faces",
    "Gender",
    "ModelError",
    "PhotoError",
    "Pipeline",
    "PublishError",
    "UndecodablePhoto",
    "UnsupportedFormat",
    "__version__",
]

_RESULTS = ("Age", "Box", "Face", "Faces", "Gender")


if not TYPE_CHECKING:  # for whom every name would be there

    def __getattr__(name: str) -> Any:
        """Public names on first use: numpy and onnxruntime cost a start that may not need them."""
        if name == "__version__":
            return import_module("importlib.metadata").version("apparent")
        if name not in __all__:
            raise AttributeError(f"module 'apparent' has no attribute '{name}'")
        module = "pipeline" if name == "Pipeline" else "results" if name in _RESULTS else "errors"
        return getattr(import_module(f"apparent.{module}"), name)

    def __dir__() -> list[str]:
        return __all__

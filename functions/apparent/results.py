"""What is answered for a photo, for people and programs.

`Faces.to_dict` is the wire contract: the JSON of the HTTP API, the command line and batches.
"""

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from apparent.arrays import Landmarks

_NOTEBOOK_SIDE = 640
"""Longer side of the picture shown in a notebook, in pixels."""


@dataclass(frozen=True)
class Box:
    """A face's box in pixels of the upright photo, clipped to it."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Age:
    """How old a face looks."""

    years: float
    """The median of the distribution over ages."""
    low: int
    """The apparent age lies in `low` to `high`, both included, for `coverage` of faces."""
    high: int
    coverage: float
    """0 to 1."""
    distribution: NDArray[np.float32] = field(repr=False, compare=False)
    """`[101]`: the probability of each age in years, 0 to 100."""


@dataclass(frozen=True)
class Gender:
    """The gender a face is perceived as."""

    label: Literal["female", "male", "uncertain"]
    probability: float
    """Calibrated, of the likelier gender: 0.5 to 1."""
    female_probability: float = field(repr=False)
    """Calibrated, 0 to 1."""


@dataclass(frozen=True, eq=False)
class Face:
    """One face of a photo."""

    box: Box
    landmarks: Landmarks = field(repr=False)
    """In pixels of the upright photo."""
    detection_score: float
    """0 to 1."""
    age: Age
    gender: Gender

    def __str__(self) -> str:
        age = f"{self.age.years:.0f} ({self.age.low} to {self.age.high})"
        return f"{age}, {self.gender.label} ({self.gender.probability:.0%})"

    def to_dict(self, *, distribution: bool = False) -> dict[str, Any]:
        """The face as it is told in JSON, with its whole age distribution where asked for."""
        age: dict[str, Any] = {
            "years": round(self.age.years, 1),
            "low": self.age.low,
            "high": self.age.high,
            "coverage": self.age.coverage,
        }
        if distribution:
            age["distribution"] = [round(float(p), 6) for p in self.age.distribution]
        points = self.landmarks.tolist()
        return {
            "box": vars(self.box).copy(),
            "detection_score": round(self.detection_score, 3),
            "landmarks": [{"x": round(x, 1), "y": round(y, 1)} for x, y in points],
            "age": age,
            "gender": {
                "label": self.gender.label,
                "probability": round(self.gender.probability, 3),
            },
        }


@dataclass(frozen=True)
class ModelName:
    """Which model answered."""

    name: str
    version: str
    """First 12 hex digits of the sha256 of the estimator's file."""


@dataclass(frozen=True, eq=False)
class Faces(Sequence[Face]):
    """The faces of one photo, largest first."""

    faces: tuple[Face, ...]
    model: ModelName
    width: int
    """Of the upright photo, in pixels."""
    height: int
    faces_found: int
    """How many the photo has; `faces` holds the largest."""
    timing_ms: dict[str, float] = field(repr=False)
    """Milliseconds spent on `decode`, `detect`, `estimate`, and in `total`."""
    _photo: Callable[[], Image.Image] = field(repr=False)

    @overload
    def __getitem__(self, index: int) -> Face: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Face, ...]: ...
    def __getitem__(self, index: int | slice) -> Face | tuple[Face, ...]:
        return self.faces[index]

    def __len__(self) -> int:
        return len(self.faces)

    def to_dict(self, *, distribution: bool = False) -> dict[str, Any]:
        """The answer of `POST /api/v1/predict`, ready for `json.dumps`."""
        return {
            "model": vars(self.model).copy(),
            "image": {"width": self.width, "height": self.height},
            "faces": [face.to_dict(distribution=distribution) for face in self.faces],
            "faces_found": self.faces_found,
            "timing_ms": {step: round(spent, 1) for step, spent in self.timing_ms.items()},
        }

    def draw(self) -> Image.Image:
        """A copy of the upright photo with a box and an answer at each face."""
        picture = self._photo().copy()
        from PIL import ImageDraw, ImageFont  # only who draws pays for them

        canvas = ImageDraw.Draw(picture)
        line = max(2, round(max(picture.size) / 400))
        for face in reversed(self.faces):  # the largest on top
            box = face.box
            size = min(max(12, box.width / 9), max(picture.size) / 25)
            font = ImageFont.load_default(size)
            corners = (box.x, box.y, box.x + box.width, box.y + box.height)
            canvas.rectangle(corners, outline="white", width=line)
            left, top, right, bottom = canvas.textbbox((0, 0), str(face), font=font)
            x = max(0, min(box.x, picture.width - (right - left) - 2 * line))
            y = box.y - (bottom - top) - 3 * line
            y = y if y >= 0 else min(corners[3], picture.height - (bottom - top) - 3 * line)
            plate = (x, y, x + right - left + 2 * line, y + bottom - top + 3 * line)
            canvas.rectangle(plate, fill="white")
            canvas.text((x + line - left, y + line - top), str(face), fill="black", font=font)
        return picture

    def _repr_html_(self) -> str:
        """For notebooks: the drawn photo and a line per face."""
        picture = self.draw()
        picture.thumbnail((_NOTEBOOK_SIDE, _NOTEBOOK_SIDE))
        file = io.BytesIO()
        picture.save(file, "PNG")
        data = base64.b64encode(file.getvalue()).decode()
        lines = "".join(f"<li>{face}</li>" for face in self.faces) or "<li>no face found</li>"
        return f'<img src="data:image/png;base64,{data}"><ol>{lines}</ol>'

"""The public JSON contract."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True)


class Model(_Schema):
    """The model that answered."""

    name: str
    version: str = Field(description="First 12 hex digits of the model file's sha256.")


class Image(_Schema):
    """Size of the upright photo (EXIF orientation applied), in pixels."""

    width: int
    height: int


class Box(_Schema):
    """A face's box in pixels of the upright photo, clipped to it."""

    x: int
    y: int
    width: int
    height: int


class Point(_Schema):
    """A point in pixels of the upright photo."""

    x: float
    y: float


class Age(_Schema):
    """How old the face looks."""

    years: float = Field(description="Median of the distribution over ages.")
    low: int = Field(description="The apparent age lies in low to high, both included, ...")
    high: int
    coverage: float = Field(description="... for this share of faces.")


class Gender(_Schema):
    """The gender the face is perceived as."""

    label: Literal["female", "male", "uncertain"]
    probability: float = Field(description="Calibrated probability of the likelier gender.")


class Face(_Schema):
    """One face."""

    box: Box
    detection_score: float
    landmarks: list[Point] = Field(
        description="Right eye, left eye, nose, right and left mouth corner of the person."
    )
    age: Age
    gender: Gender


class Timing(_Schema):
    """Milliseconds spent on each step."""

    decode: float
    detect: float
    estimate: float
    total: float


class Prediction(_Schema):
    """Answer of `POST /api/v1/predict`."""

    model: Model
    image: Image
    faces: list[Face] = Field(description="Largest first.")
    faces_found: int = Field(description="How many faces the photo has; the largest 32 are listed.")
    timing_ms: Timing


class Health(_Schema):
    """Answer of `GET /api/v1/health`."""

    status: Literal["ok"] = "ok"


class Problem(_Schema):
    """An error, as RFC 9457 problem details (`application/problem+json`)."""

    type: str = Field(description="Stable identifier of the kind of problem.")
    title: str
    status: int
    detail: str = Field(description="What was wrong with this request, and what to do.")

    @classmethod
    def of(cls, status: int, title: str, detail: str) -> Self:
        """The problem whose kind is told by its title."""
        kind = f"urn:apparent:problem:{title.lower().replace(' ', '-')}"
        return cls(type=kind, title=title, status=status, detail=detail)

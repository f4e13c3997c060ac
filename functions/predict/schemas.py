"""The public JSON contract, told for people and generators: what `apparent.results.Faces.to_dict`
answers. Tests hold the two together; no answer is built or checked from these at run time.
"""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field


class _Schema(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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
    low: int = Field(description="First year of the interval, included.")
    high: int = Field(description="Last year of the interval, included.")
    coverage: float = Field(description="Share of faces whose apparent age the interval holds.")


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


class NetworkFile(_Schema):
    """One file of the model bundle."""

    path: str
    sha256: str
    bytes: int


class IntervalPromise(_Schema):
    """What the age interval promises."""

    coverage: float


class GenderPolicy(_Schema):
    """When a gender is answered."""

    uncertain_below: float = Field(description="Below this probability the label is `uncertain`.")


class GroupFigures(_Schema):
    """Figures of the faces of one group."""

    n: int
    age_mae: float | None = None
    interval_coverage: float | None = None


class Figures(BaseModel):
    """Figures of this very model on one collection and split, those that apply."""

    model_config = ConfigDict(extra="allow", frozen=True)

    data: str
    split: str
    n: int
    misses: int
    age_mae: float | None = Field(None, description="Mean absolute error, years.")
    gender_accuracy: float | None = None
    interval_coverage: float | None = None
    interval_width: float | None = Field(None, description="Mean, years.")
    by_age_band: dict[str, GroupFigures] = {}


class ModelDescription(_Schema):
    """Answer of `GET /api/v1/model`."""

    schema_version: int
    name: str
    version: str = Field(description="First 12 hex digits of the model file's sha256.")
    files: dict[str, dict[str, NetworkFile]] = Field(description="By role and variant.")
    interval: IntervalPromise
    gender: GenderPolicy
    licence: str
    intended_use: str
    figures: list[Figures]


class Health(_Schema):
    """Answer of `GET /api/v1/health`."""

    status: Literal["ok"] = "ok"


class Problem(_Schema):
    """An error, as RFC 9457 problem details (`application/problem+json`)."""

    type: str = Field(description="Stable identifier of the kind of problem.")
    title: str
    status: int
    detail: str = Field(description="What was wrong with this request, and what to do.")
    instance: str | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="On AWS: the request's id, which the header x-request-id and the logs have.",
    )

    @classmethod
    def of(cls, status: int, title: str, detail: str, request_id: str | None = None) -> Self:
        """The problem whose kind is told by its title."""
        kind = f"urn:apparent:problem:{title.lower().replace(' ', '-')}"
        instance = f"urn:apparent:request:{request_id}" if request_id else None
        return cls(type=kind, title=title, status=status, detail=detail, instance=instance)

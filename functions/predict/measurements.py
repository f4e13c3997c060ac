"""What one answer cost, handed from the API to whoever reports it."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Self

from starlette.types import Scope

if TYPE_CHECKING:  # a start reads the model from here on, and numpy would come before it
    from apparent.results import Faces

_KEY: Final = "measurements"


@dataclass(frozen=True)
class Measurements:
    """Counts and milliseconds, never what a photo shows; each field's name is a metric's."""

    model_version: str
    faces: int
    decode_ms: float
    detect_ms: float
    estimate_ms: float
    total_ms: float

    @classmethod
    def of(cls, faces: "Faces") -> Self:
        """Those of one answer."""
        spent = {f"{step}_ms": round(value, 1) for step, value in faces.timing_ms.items()}
        return cls(model_version=faces.model.version, faces=faces.faces_found, **spent)

    def attach(self, scope: Scope) -> None:
        """Leaves them with the request."""
        scope.setdefault("state", {})[_KEY] = self

    @staticmethod
    def attached(scope: Scope) -> dict[str, float | str]:
        """Those left with a request, by name; empty where there are none."""
        found = scope.get("state", {}).get(_KEY)
        return {} if found is None else asdict(found)

"""The model bundle: what it says, where it is read from, and how it is published."""

from pathlib import Path
from typing import Final

EMBEDDED: Final = Path(__file__).parent / "embedded"
"""The bundle that comes with the library."""
ESTIMATOR: Final = "age_gender.onnx"
DETECTOR: Final = "face_detector.onnx"
MANIFEST: Final = "manifest.json"

"""The model bundle: what it says, where it is read from, and how it is published."""

from pathlib import Path
from typing import Final

EMBEDDED: Final = Path(__file__).parent / "embedded"
"""The bundle that comes with the library."""
MANIFEST: Final = "manifest.json"
"""The one file name that all bundles share; the manifest names the others."""
CARD: Final = "card.json"
DETECTOR: Final = "face_detector.onnx"
"""The embedded bundle's detector, which set-up fetches; it serves bundles that come without one."""

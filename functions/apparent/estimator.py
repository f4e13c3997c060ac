"""Chips -> apparent age and perceived gender: a quantised Vision Transformer on onnxruntime."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apparent import sessions
from apparent.ages import AGES
from apparent.arrays import Pixels
from apparent.errors import ModelError


@dataclass(frozen=True)
class Estimates:
    """Calibrated answers for a batch of n chips."""

    age_probabilities: NDArray[np.float32]
    """`[n, 101]`: of each apparent age in years, 0 to 100."""
    female_probability: NDArray[np.float32]
    """`[n]`."""


class Estimator:
    """Runs an exported graph."""

    def __init__(self, model: bytes, threads: int = 0, chip_size: int | None = None) -> None:
        """`threads` per run, 0 for one per core.

        Raises `ModelError` where the graph takes chips of another size than `chip_size`, if given.
        """
        self._session = sessions.load(model, threads)
        self.chip_size: int = self._session.get_inputs()[0].shape[1]
        if chip_size not in (None, self.chip_size):
            raise ModelError(
                f"The estimator takes chips of {self.chip_size} pixels, but the bundle's manifest "
                f"says {chip_size}. Export the model again."
            )

    def estimate(self, chips: Pixels) -> Estimates:
        """`chips` is uint8 `[n, chip_size, chip_size, 3]` RGB."""
        outputs = ["age_probabilities", "female_probability"]
        # One by one: dynamic quantisation scales activations over the whole batch, and the answer
        # for a face must not depend on who else is in the photo.
        if not len(chips):
            return Estimates(np.empty((0, AGES), np.float32), np.empty(0, np.float32))
        runs = [self._session.run(outputs, {"chips": chip[None]}) for chip in chips]
        ages, female = zip(*runs, strict=True)
        return Estimates(np.concatenate(ages), np.concatenate(female))

"""How far two runs of the road may differ, stated once.

`SAME_RUNTIME`: the same onnxruntime on the same machine, through whichever face of the library.
`ACROSS_RUNTIMES`: another processor, which adds floats in another order.
`IN_BROWSER`: onnxruntime-web, whose detector is the same to a hundredth of a pixel. Its sums of
floats differ in their last digits, which decides where an activation falls between two of 256
steps.
"""

from typing import Final, NamedTuple


class Tolerance(NamedTuple):
    """The largest absolute differences."""

    years: float
    """Of the age answered."""
    interval: int
    """Of either end, years."""
    probability: float
    """Of the gender, and of the score of a detection."""
    pixels: float
    """Of landmarks and boxes, in pixels of the photo."""
    chip: float
    """Mean over a chip's thumbnail, of 255."""


SAME_RUNTIME: Final = Tolerance(years=0.05, interval=0, probability=0.001, pixels=0.11, chip=0.01)
ACROSS_RUNTIMES: Final = Tolerance(years=0.5, interval=2, probability=0.03, pixels=1, chip=1)
IN_BROWSER: Final = ACROSS_RUNTIMES._replace(probability=0.05, pixels=0.11)

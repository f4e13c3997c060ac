"""The arrays that travel from step to step."""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""`[height, width, 3]` RGB, or `[n, height, width, 3]`."""
Landmarks = NDArray[np.float64]
"""`[5, 2]` (x, y) in pixels: right eye, left eye, nose, right and left mouth corner; 'right' is
the person's right, left in the picture."""
Probabilities = NDArray[np.floating]
"""`[n, 101]`: of each age in years, 0 to 100."""

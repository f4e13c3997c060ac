"""The photos of the golden vectors: made by code from two public-domain portraits."""

import numpy as np
from PIL import Image

from tests.conftest import SAMPLES, encoded

GREY = (120, 125, 130)


def photos() -> dict[str, bytes]:
    """Files by name; those that are re-encoded are lossless, so that every machine has the same."""
    collins, hopper = (SAMPLES / name for name in ("eileen_collins.jpg", "grace_hopper.jpg"))
    left, right = Image.open(collins).convert("RGB"), Image.open(hopper).convert("RGB")
    both = Image.new("RGB", (1000, 640), GREY)
    both.paste(right.resize((480, 562), Image.Resampling.BICUBIC), (500, 60))
    both.paste(left.resize((360, 360), Image.Resampling.BICUBIC), (40, 100))
    large = Image.new("RGB", (2400, 1800), GREY)
    large.paste(right, (900, 500))
    sideways = Image.Exif()
    sideways[0x0112] = 6
    seen_through = right.convert("RGBA")
    seen_through.putalpha(
        Image.linear_gradient("L").resize(right.size).point(lambda v: 255 - v // 4)
    )
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    return {
        "collins.jpg": collins.read_bytes(),
        "hopper.jpg": hopper.read_bytes(),
        "two_faces.png": encoded(both),
        "small_face.png": encoded(large),
        "exif_6.png": encoded(right.transpose(Image.Transpose.ROTATE_90), exif=sideways),
        "transparent.png": encoded(seen_through),
        "grey_portrait.png": encoded(left.convert("L")),
        "no_face.png": encoded(noise),
    }

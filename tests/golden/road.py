"""What each step of the road gives for the golden photos.

    python -m tests.golden.road    # writes vectors.json; after a new model, or a better road

The file says for which model its answers are; the suite compares every face of the library with it.
"""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from apparent import Pipeline
from apparent.alignment import align
from apparent.photo import Photo
from tests.golden.photos import photos

VECTORS: Final = Path(__file__).with_name("vectors.json")
THUMBNAIL: Final = 6
"""Side of the chip that is kept of each face, in pixels: enough to tell a wrong cut."""


def vectors(pipeline: Pipeline) -> dict[str, Any]:
    """The model's version, and by photo: landmarks, chip, probabilities, answer of each face."""
    return {
        "model": pipeline.manifest.version,
        "photos": {name: _photo(pipeline, data) for name, data in photos().items()},
    }


def _photo(pipeline: Pipeline, data: bytes) -> dict[str, Any]:
    faces = pipeline(data)
    pixels = Photo(data, 10**8).pixels()
    told = faces.to_dict(distribution=True)
    for face, answer in zip(faces, told["faces"], strict=True):
        chip = Image.fromarray(align(pixels, face.landmarks, pipeline.manifest.input.chip_size))
        small = chip.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
        answer["chip"] = np.asarray(small).reshape(-1).tolist()
        answer["gender"]["female_probability"] = round(face.gender.female_probability, 4)
        answer["age"]["distribution"] = [round(p, 4) for p in answer["age"]["distribution"]]
    return {"image": told["image"], "faces": told["faces"], "faces_found": told["faces_found"]}


def main() -> None:
    """Writes the file, a photo's answers on a line."""
    made = vectors(Pipeline.load())
    lines = ",\n".join(f"{json.dumps(n)}: {json.dumps(v)}" for n, v in made["photos"].items())
    VECTORS.write_text(f'{{"model": "{made["model"]}", "photos": {{\n{lines}\n}}}}\n')


if __name__ == "__main__":
    main()

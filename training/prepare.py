"""Archive of photos -> folder of aligned chips, along the road that serving walks.

    python -m training prepare --images images.zip --labels labels.csv --out runs/data/utkface

Each photo is decoded, its face detected and aligned by the library apparent. Photos in
which no face is found keep their whole picture, squared, so that no label is lost.
"""

import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from PIL import Image
from tqdm import tqdm

from apparent.alignment import align
from apparent.arrays import Landmarks, Pixels
from apparent.finder import Finder
from apparent.photo import Photo
from training.dataset import CHIPS, LABELS, read_labels

MAX_PIXELS = 100_000_000


def photos(archive: Path, files: list[str]) -> Iterator[bytes]:
    """The bytes of each file, in order; raises `ValueError` where the archive lacks one."""
    try:
        with zipfile.ZipFile(archive) as images:
            yield from map(images.read, files)
    except (KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{archive} is not the archive of these labels: {error}.") from error


def squared(photo: Pixels, size: int) -> Pixels:
    """A photo that is already a chip, uint8 `[height, width, 3]`, at `[size, size, 3]`."""
    return np.asarray(Image.fromarray(photo).resize((size, size), Image.Resampling.BICUBIC))


class Located(Protocol):
    """A detection, or a face answered."""

    @property
    def landmarks(self) -> Landmarks:
        """In pixels."""


AnyFace = TypeVar("AnyFace", bound=Located)


def central(faces: Sequence[AnyFace], size: tuple[int, int]) -> AnyFace:
    """The face nearest the middle of a photo of `size` (width, height), in pixels.

    In a picture cut around a face, that is the labelled one.
    """
    middle = np.array(size) / 2
    return min(faces, key=lambda face: float(np.hypot(*(face.landmarks.mean(axis=0) - middle))))


def prepare(archive: Path, labels: Path, out: Path, finder: Finder, size: int) -> int:
    """Writes `chips.npy`, uint8 `[n, size, size, 3]`, and `labels.csv` to `out`.

    Returns in how many photos no face was found. The folder appears only when it is complete.
    """
    files = [row["file"] for row in read_labels(labels).values()]
    partial = out.with_name(out.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    chips = np.lib.format.open_memmap(
        partial / CHIPS, mode="w+", dtype=np.uint8, shape=(len(files), size, size, 3)
    )

    def chip(data: bytes) -> tuple[Pixels, bool]:
        photo = Photo(data, MAX_PIXELS).pixels()
        faces = finder.find(photo)
        if not faces:
            return squared(photo, size), False
        return align(photo, central(faces, (photo.shape[1], photo.shape[0])).landmarks, size), True

    missed = 0
    bar = tqdm(total=len(files), desc="prepare", unit="photo")
    source = enumerate(photos(archive, files))
    with ThreadPoolExecutor() as pool:
        # In slices, so that no more than one slice of photos waits in memory.
        while batch := list(islice(source, 256)):
            found = pool.map(chip, [data for _, data in batch])
            for (index, _), (pixels, detected) in zip(batch, found, strict=True):
                chips[index] = pixels
                missed += not detected
            bar.update(len(batch))
    bar.close()
    chips.flush()
    (partial / LABELS).write_bytes(labels.read_bytes())
    partial.rename(out)
    return missed

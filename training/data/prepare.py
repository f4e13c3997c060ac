"""Archive of photos -> folder of aligned chips, along the road that serving walks.

    python -m training prepare --images images.zip --labels labels.csv --out runs/data/utkface

Each photo is decoded, its face detected and aligned by the library apparent. Photos in which no
face is found keep their whole picture, squared, so that no label is lost. A photo that cannot be
decoded leaves a black chip, and its row is moved to the split `excluded`.
"""

import csv
import json
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from PIL import Image
from tqdm import tqdm

from apparent.alignment import TEMPLATE, align
from apparent.arrays import Landmarks, Pixels
from apparent.atomic import write_text
from apparent.detector import Detector
from apparent.errors import PhotoError
from apparent.finder import Finder
from apparent.model import DETECTOR, EMBEDDED
from apparent.photo import DecodedPhoto, Photo
from apparent.pipeline import MAX_FACES
from training.data.dataset import CHIPS, LABELS
from training.data.labels import EXCLUDED, read_labels

MAX_PIXELS = 100_000_000
_MANNER = "prepared.json"


@dataclass
class Misses:
    """The files of which there is no aligned chip."""

    without_face: list[str] = field(default_factory=list)
    undecodable: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """A sentence for each kind, with the first names."""
        text = f"no face was found in {_named(self.without_face)}, kept as they are."
        if self.undecodable:
            text += f" {_named(self.undecodable)} cannot be decoded and are excluded."
        return text


def _named(files: list[str]) -> str:
    names = ", ".join(sorted(files)[:10]) + (", ..." if len(files) > 10 else "")
    return f"{len(files)} photos" + (f" ({names})" if files else "")


def photos(archive: Path, files: list[str]) -> Iterator[bytes]:
    """The bytes of each file, in order; raises `ValueError` where the archive lacks one."""
    try:
        with zipfile.ZipFile(archive) as images:
            yield from map(images.read, files)
    except (KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
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


def prepare(archive: Path, labels: Path, out: Path, size: int) -> Misses:
    """Writes `chips.npy`, uint8 `[n, size, size, 3]`, `labels.csv` and how it was done to `out`.

    The folder appears only when it is complete.
    """
    files = read_labels(labels).files
    partial = out.with_name(out.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    chips = np.lib.format.open_memmap(
        partial / CHIPS, mode="w+", dtype=np.uint8, shape=(len(files), size, size, 3)
    )
    finder = Finder(Detector((EMBEDDED / DETECTOR).read_bytes(), threads=1))
    misses = Misses()

    def chip(file: str, data: bytes) -> Pixels:
        try:
            photo = Photo(data, MAX_PIXELS).pixels()
        except PhotoError:
            misses.undecodable.append(file)
            return np.zeros((size, size, 3), np.uint8)
        faces, _ = finder.find(DecodedPhoto(photo), MAX_FACES)
        if not faces:
            misses.without_face.append(file)
            return squared(photo, size)
        return align(photo, central(faces, (photo.shape[1], photo.shape[0])).landmarks, size)

    source = iter(enumerate(zip(files, photos(archive, files), strict=True)))
    bar = tqdm(total=len(files), desc="prepare", unit="photo", disable=None)
    with bar, ThreadPoolExecutor() as pool:
        # In slices, so that no more than one slice of photos waits in memory.
        while batch := list(islice(source, 256)):
            found = pool.map(lambda entry: chip(*entry[1]), batch)
            for (index, _), pixels in zip(batch, found, strict=True):
                chips[index] = pixels
            bar.update(len(batch))
    chips.flush()
    _copy_labels(labels, partial / LABELS, set(misses.undecodable))
    write_text(partial / _MANNER, manner(size))
    partial.rename(out)
    return misses


def manner(size: int) -> str:
    """How chips of a side in pixels are cut today, as JSON: networks see one kind alone."""
    return json.dumps({"size": size, "template": TEMPLATE.tolist()}) + "\n"


def are_cut_so(chips: Path, size: int) -> bool:
    """Whether prepared chips were cut as they would be today."""
    path = chips / _MANNER
    return path.exists() and path.read_text() == manner(size)


def _copy_labels(labels: Path, out: Path, undecodable: set[str]) -> None:
    """The same bytes where every photo could be decoded."""
    if not undecodable:
        out.write_bytes(labels.read_bytes())
        return
    with (
        labels.open(newline="", encoding="utf-8-sig") as source,
        out.open("w", newline="", encoding="utf-8") as file,
    ):
        reader = csv.DictReader(source, restval="")
        header = list(dict.fromkeys([*(reader.fieldnames or ()), "split"]))
        writer = csv.DictWriter(file, header, restval="")
        writer.writeheader()
        for row in reader:
            writer.writerow(row | ({"split": EXCLUDED} if row["file"] in undecodable else {}))

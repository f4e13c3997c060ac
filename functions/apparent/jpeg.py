"""A JPEG file -> the picture in it that is shown, and nothing else.

Phones write more than a picture: previews and gain maps behind it (MPO), a video (motion photos),
megabytes of metadata before it. The walk over the segments (ITU-T T.81, annex B) ends where the
first picture ends, counts what decoding it would cost, and keeps what decoding needs.
"""

import re
import struct
from dataclasses import dataclass, field
from typing import Final

from apparent.errors import UndecodablePhoto

MAX_SCANS: Final = 20
"""Progressive JPEGs have about 10 scans; each costs a pass over the picture."""

MAX_SEGMENTS: Final = 5_000
"""Profiles and depth maps take some hundreds at 64 kB each."""

_SOI, _EOI, _SOS, _APP1 = 0xD8, 0xD9, 0xDA, 0xE1
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE: Final = {0xC2, 0xC6, 0xCA, 0xCE}
_METADATA: Final = {*range(0xE1, 0xEE), 0xEF, 0xFE}
"""APPn and COM, but for JFIF (APP0) and Adobe (APP14), which tell the colour space."""
_EXIF: Final = b"Exif\0\0"
_ALL_COEFFICIENTS: Final = 63

_MARKER: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""In coded data 0xFF is escaped by a zero, and restart markers are part of it."""


@dataclass
class Jpeg:
    """The picture that is shown."""

    data: bytes = b""
    """A JPEG of it alone, without metadata; it ends with an end marker."""
    width: int = 0
    """As stored, in pixels, like `height`."""
    height: int = 0
    exif: bytes = b""
    """The TIFF structure of its EXIF segment."""
    complete: bool = False
    """Whether the file had the picture's end marker."""
    scans: int = 0
    samples: int = 0
    """How many samples all scans together pass over."""
    _components: dict[int, int] = field(default_factory=dict)
    """Samples by identifier."""
    _progressive: bool = False
    _refined: dict[int, int] = field(default_factory=dict)
    """The last coefficient of a finished scan, by component."""

    def frame(self, marker: int, body: bytes) -> None:
        """Takes in the frame header: sizes and sampling."""
        self.height, self.width, count = struct.unpack_from(">HHB", body, 1)
        parts = [body[6 + 3 * i : 9 + 3 * i] for i in range(count)]
        widest = max(part[1] >> 4 for part in parts)
        tallest = max(part[1] & 15 for part in parts)
        for name, sampling, _ in parts:
            across, down = -(-self.width // widest), -(-self.height // tallest)
            self._components[name] = across * (sampling >> 4) * down * (sampling & 15)
        self._progressive = marker in _PROGRESSIVE

    def scan(self, body: bytes) -> dict[int, int]:
        """Takes in a scan header: what the scan will have refined, as in `_refined`."""
        names = body[1 : 1 + 2 * body[0] : 2]
        last_coefficient = body[2 + 2 * body[0]]
        self.scans += 1
        self.samples += sum(self._components[name] for name in names)
        return dict.fromkeys(names, last_coefficient)

    def finish(self, scan: dict[int, int]) -> None:
        """Takes in that a scan's data have been passed to their end."""
        for name, coefficient in scan.items():
            self._refined[name] = max(coefficient, self._refined.get(name, 0))

    @property
    def has_every_row(self) -> bool | None:
        """Whether finished scans show the whole picture; None where rows themselves must tell.

        Rows do where one scan has all. Of several, those that show brightness to its finest detail
        and some of each colour are enough: the others sharpen what is there.
        """
        if self.complete:
            return True
        if self.scans == 1 and not self._progressive:
            return None
        brightness = next(iter(self._components))
        in_detail = self._refined.get(brightness) == _ALL_COEFFICIENTS
        return in_detail and self._refined.keys() == self._components.keys()


def first_picture(data: bytes) -> Jpeg:
    """The first picture of a JPEG file; raises `UndecodablePhoto` where there is none."""
    try:
        return _walk(data)
    except (struct.error, IndexError, KeyError, ValueError, ZeroDivisionError) as error:
        if isinstance(error, UndecodablePhoto):
            raise
        raise UndecodablePhoto("The photo's header is damaged. Save it again.") from error


def _walk(data: bytes) -> Jpeg:
    jpeg, kept, scan = Jpeg(), [b"\xff\xd8"], dict[int, int]()
    position = segments = 0
    begin = end = 0
    while found := _MARKER.search(data, position):
        end, position = found.start(), found.end()
        marker = data[position - 1]
        jpeg.finish(scan)
        scan = {}
        if marker == _EOI:
            jpeg.complete = True
            break
        if marker == _SOI:
            continue
        segments += 1
        if segments > MAX_SEGMENTS:
            raise UndecodablePhoto(
                f"The JPEG has more than {MAX_SEGMENTS:,} segments. Save it again without metadata."
            )
        length = int.from_bytes(data[position : position + 2])
        body = data[position + 2 : position + length]
        if len(body) != length - 2:
            break  # cut off within a header
        position += length
        if marker in _FRAMES:
            jpeg.frame(marker, body)
        elif marker == _SOS:
            begin = begin or end
            scan = jpeg.scan(body)
            if jpeg.scans > MAX_SCANS:
                raise UndecodablePhoto(
                    f"The JPEG has more than {MAX_SCANS} scans. Save it again as an ordinary JPEG."
                )
        elif marker == _APP1 and body.startswith(_EXIF):
            jpeg.exif = jpeg.exif or body[len(_EXIF) :]
        if not begin and marker not in _METADATA:
            kept.append(data[end:position])
    else:
        end = len(data)
    if not begin:
        raise UndecodablePhoto("The photo is damaged or incomplete. Send the whole file.")
    jpeg.data = b"".join([*kept, data[begin:end], b"\xff\xd9"])
    return jpeg

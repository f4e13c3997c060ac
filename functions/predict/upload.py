"""HTTP request -> the photo's bytes, in memory only and never more than allowed."""

import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from typing import Final

import anyio
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

FIELD: Final = "image"
_MULTIPART: Final = "multipart/form-data"
_UNTYPED: Final = ("", "application/octet-stream", "binary/octet-stream", "*/*", "image")
"""Of clients that do not know, `image` and `*/*` of phones' pickers among them."""
_MULTIPART_OVERHEAD: Final = 64 * 1024
STALL_SECONDS: Final = 10
"""Without a byte, after which an upload is given up."""
BODY_SECONDS: Final = 60
"""For a whole upload: 6 MB at 0.8 Mbit/s."""
_MAX_DRAINED: Final = 4
"""A body too large is read to its end, up to this many times the limit, so that clients that send
before they listen get the answer instead of a broken connection."""

# It warns of malformed bodies, and quotes them.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


class UploadError(ValueError):
    """The request carries no usable photo; the message says why and what to do."""


class MalformedRequest(UploadError):
    """No photo where one should be."""


class PhotoTooLarge(UploadError):
    """More bytes than allowed."""


class NotAnImageType(UploadError):
    """The request, or its part, says itself that it is something else than an image."""


class Memory:
    """How many bytes of all requests may be in memory at a time."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    @contextmanager
    def held(self) -> Iterator[Callable[[int], None]]:
        """What takes bytes until the block ends, or raises `MemoryFull`."""
        taken = 0

        def take(more: int) -> None:
            nonlocal taken
            if more > self._left:
                raise MemoryFull("Too many photos are being sent. Try again in a second.")
            self._left -= more
            taken += more

        try:
            yield take
        finally:
            self._left += taken


class BrokenOff(MalformedRequest):
    """The sender left, or stalls."""


class MemoryFull(RuntimeError):
    """Other uploads have all the memory there is for them."""


class _InMemoryParser(MultiPartParser):
    """Takes a part for a file by its content type, too: RFC 7578 demands no file name."""

    spool_max_size = 0  # no limit: the body was bounded before, and no photo may touch the disk
    ended = False

    def on_headers_finished(self) -> None:
        part = self._current_part
        disposition = part.content_disposition or b""
        _, options = parse_options_header(disposition)
        typed = any(name == b"content-type" for name, _ in part.item_headers)
        if options.get(b"name") == FIELD.encode() and (typed or b"filename*=" in disposition):
            part.content_disposition = disposition + b'; filename=""'
        super().on_headers_finished()

    def on_end(self) -> None:
        self.ended = True

    def close(self) -> None:
        for file in self._files_to_close_on_error:  # those of parts that break off, too
            file.close()


async def photo_bytes(
    request: Request, max_bytes: int, hold: Callable[[int], None] = lambda more: None
) -> bytes:
    """The photo of a multipart form (field `image`) or of a raw image body.

    `hold` is told how many more bytes will be in memory, and may raise. Raises `UploadError`.
    """
    content_type = request.headers.get("content-type", "")
    coding = request.headers.get("content-encoding", "identity")
    if coding.strip().lower() != "identity":
        raise NotAnImageType(f"The body is encoded as '{coding}'. Send the photo as it is.")
    if not _is(content_type, _MULTIPART):
        _require_image(content_type)
        data = await body_of(request, max_bytes, max_bytes, hold)
    else:
        body = await body_of(request, max_bytes + _MULTIPART_OVERHEAD, max_bytes, hold)
        data = await _image_field(request.headers, body)
        if len(data) > max_bytes:
            raise _too_large(max_bytes)
    if not data:
        raise MalformedRequest("The photo is empty. Send the bytes of an image file.")
    return data


async def body_of(
    request: Request, limit: int, max_bytes: int, hold: Callable[[int], None] = lambda more: None
) -> bytes:
    """At most `limit` bytes.

    Raises `PhotoTooLarge`, which speaks of `max_bytes`, or `BrokenOff`.
    """
    body = bytearray()
    seen = 0
    try:
        with anyio.fail_after(BODY_SECONDS):
            async for chunk in _lively(request.stream()):
                seen += len(chunk)
                if seen <= limit:
                    hold(len(chunk))
                    body += chunk
                elif seen > limit * _MAX_DRAINED:
                    break
                else:
                    body.clear()
    except ClientDisconnect as error:
        raise BrokenOff("The upload broke off before its end. Send it again.") from error
    except TimeoutError as error:
        raise BrokenOff(
            f"The upload was given up: nothing came for {STALL_SECONDS} seconds, or it took more "
            f"than {BODY_SECONDS}. Send it again, or a smaller photo."
        ) from error
    if seen > limit:
        raise _too_large(max_bytes)
    return bytes(body)


async def _lively(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The chunks, as long as the next does not take too long; raises `TimeoutError`."""
    while True:
        with anyio.fail_after(STALL_SECONDS):
            chunk = await anext(chunks, None)
        if chunk is None:
            return
        yield chunk


async def _image_field(headers: Headers, body: bytes) -> bytes:
    async def stream() -> AsyncGenerator[bytes]:
        yield body

    parser = _InMemoryParser(headers, stream(), max_files=4, max_fields=16)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise MalformedRequest(f"The multipart body cannot be read: {error.message}") from error
    except ValueError as error:  # of codecs that were never meant for this
        raise MalformedRequest("The form's charset cannot be used. Send it as UTF-8.") from error
    try:
        if not parser.ended:
            raise BrokenOff(
                "The multipart body breaks off: its closing boundary is missing. Send it again."
            )
        part = form.get(FIELD)
        if not isinstance(part, UploadFile):
            raise MalformedRequest(
                f"The form has no file in the field '{FIELD}'. Send the photo as a file there."
            )
        content_type = part.content_type or ""
        if not _is(content_type, _MULTIPART):  # React Native types parts as it does the whole
            _require_image(content_type)
        return await part.read()
    finally:
        parser.close()


def _is(content_type: str, media_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == media_type


def _require_image(content_type: str) -> None:
    untyped = any(_is(content_type, media_type) for media_type in _UNTYPED)
    if not untyped and not content_type.strip().lower().startswith("image/"):
        raise NotAnImageType(
            f"The content type '{content_type}' is not an image type. Send image/jpeg, image/png, "
            f"image/webp or another image, or {_MULTIPART} with the photo in the field '{FIELD}'."
        )


def _too_large(max_bytes: int) -> PhotoTooLarge:
    return PhotoTooLarge(
        f"The photo has more than {max_bytes:,} bytes. Scale it down or save it at a lower quality."
    )

"""HTTP request -> the photo's bytes, in memory only and never more than allowed."""

from collections.abc import AsyncGenerator
from typing import Final

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

FIELD: Final = "image"
_MULTIPART: Final = "multipart/form-data"
_UNTYPED: Final = ("", "application/octet-stream", "binary/octet-stream")
_MULTIPART_OVERHEAD: Final = 64 * 1024
_MAX_DRAINED: Final = 4
"""A body too large is read to its end, up to this many times the limit, so that clients that send
before they listen get the answer instead of a broken connection."""


class UploadError(ValueError):
    """The request carries no usable photo; the message says why and what to do."""


class MalformedRequest(UploadError):
    """No photo where one should be."""


class PhotoTooLarge(UploadError):
    """More bytes than allowed."""


class NotAnImageType(UploadError):
    """The request, or its part, says itself that it is something else than an image."""


class _InMemoryParser(MultiPartParser):
    spool_max_size = 0  # no limit: the body was bounded before, and no photo may touch the disk


async def photo_bytes(request: Request, max_bytes: int) -> bytes:
    """The photo of a multipart form (field `image`) or of a raw image body.

    Raises `UploadError`.
    """
    content_type = request.headers.get("content-type", "")
    if not _is(content_type, _MULTIPART):
        _require_image(content_type)
        data = await body_of(request, max_bytes, max_bytes)
    else:
        body = await body_of(request, max_bytes + _MULTIPART_OVERHEAD, max_bytes)
        data = await _image_field(request.headers, body)
        if len(data) > max_bytes:
            raise _too_large(max_bytes)
    if not data:
        raise MalformedRequest("The photo is empty. Send the bytes of an image file.")
    return data


async def body_of(request: Request, limit: int, max_bytes: int) -> bytes:
    """At most `limit` bytes; raises `PhotoTooLarge`, which speaks of `max_bytes`."""
    body = bytearray()
    seen = 0
    async for chunk in request.stream():
        seen += len(chunk)
        if seen <= limit:
            body += chunk
        elif seen > limit * _MAX_DRAINED:
            break
        else:
            body.clear()
    if seen > limit:
        raise _too_large(max_bytes)
    return bytes(body)


async def _image_field(headers: Headers, body: bytes) -> bytes:
    async def stream() -> AsyncGenerator[bytes]:
        yield body

    try:
        form = await _InMemoryParser(headers, stream(), max_files=4, max_fields=16).parse()
    except MultiPartException as error:
        raise MalformedRequest(f"The multipart body cannot be read: {error.message}") from error
    try:
        part = form.get(FIELD)
        if not isinstance(part, UploadFile):
            raise MalformedRequest(
                f"The form has no file in the field '{FIELD}'. Send the photo as a file there."
            )
        _require_image(part.content_type or "")
        return await part.read()
    finally:
        await form.close()


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

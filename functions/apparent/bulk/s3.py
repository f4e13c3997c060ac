"""Objects of S3 for many photos: listed, read and written, with patience where S3 throttles."""

from collections.abc import Iterator
from contextlib import closing
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from apparent.bulk.sources import TooLarge, Unavailable

_PATIENCE: Final = Config(
    connect_timeout=5,  # seconds
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 5},
    max_pool_connections=32,
)
_ATTEMPTS: Final = 3
"""To read an object whose bytes stop coming."""
_MISSING: Final = ("404", "NoSuchKey", "NoSuchBucket")
_LATER: Final = ("SlowDown", "RequestTimeout", "ExpiredToken", "RequestExpired", "InvalidToken")


@cache
def client() -> Any:
    """One for the process; it is thread-safe."""
    return boto3.client("s3", config=_PATIENCE)


def split(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`; raises `ValueError`."""
    parts = urlsplit(uri, allow_fragments=False)
    if parts.scheme != "s3" or not parts.netloc:
        raise ValueError(f"{uri} is no S3 address such as s3://bucket/photos/.")
    return parts.netloc, uri.removeprefix(f"s3://{parts.netloc}").removeprefix("/")


def listed(uri: str) -> Iterator[str]:
    """The URIs of all objects below a prefix, in S3's order: by their names' UTF-8 bytes.

    Raises `OSError`.
    """
    bucket, prefix = split(uri)
    try:
        for page in (
            client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        ):
            for found in page.get("Contents", ()):
                if not found["Key"].endswith("/"):  # what consoles make for a folder
                    yield f"s3://{bucket}/{found['Key']}"
    except (BotoCoreError, ClientError) as error:
        raise _told(error, uri) from error


def read(uri: str, max_bytes: int | None = None) -> bytes:
    """An object's bytes.

    Raises `TooLarge` before it reads more than `max_bytes`, `FileNotFoundError`, `Unavailable` or
    another `OSError`.
    """
    bucket, key = split(uri)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            answer = client().get_object(Bucket=bucket, Key=key)
            with closing(answer["Body"]) as body:  # as a context it hands out the raw stream
                if max_bytes is not None and answer["ContentLength"] > max_bytes:
                    raise TooLarge(answer["ContentLength"], max_bytes)
                data: bytes = body.read()
                return data
        except ClientError as error:
            raise _told(error, uri) from error
        except BotoCoreError as error:
            if attempt == _ATTEMPTS:
                raise _told(error, uri) from error
    raise AssertionError


def write(uri: str, data: bytes) -> None:
    """Puts an object, which is there whole or not at all. Raises `OSError`."""
    bucket, key = split(uri)
    try:
        client().put_object(Bucket=bucket, Key=key, Body=data)
    except (BotoCoreError, ClientError) as error:
        raise _told(error, uri) from error


def _told(error: Exception, uri: str) -> OSError:
    if not isinstance(error, ClientError):
        return Unavailable(f"S3 cannot be reached for {uri}: {error}")
    code = str(error.response["Error"]["Code"])
    if code in _MISSING:
        return FileNotFoundError(f"there is no {uri}")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    later = status in (429, 500, 502, 503, 504) or code in _LATER
    return (Unavailable if later else OSError)(f"S3 refuses {uri}: {code}")

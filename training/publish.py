"""Model folder -> S3, under its content hash, verified, never overwriting.

    python -m training publish s3://BUCKET/PREFIX

The manifest goes last: where there is one, the folder is whole.
"""

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from apparent.errors import PublishError
from apparent.model import DETECTOR, ESTIMATOR, MANIFEST, store
from training.model_folder import sha256


def content_hash(folder: Path) -> str:
    """sha256 of the manifest, which holds that of every other file: 64 hex digits."""
    return sha256(folder / MANIFEST)


def publish(folder: Path, destination: str) -> str:
    """Uploads a verified folder below `s3://BUCKET/PREFIX`; returns its `s3://.../<hash>/` URI.

    Publishing the same folder again changes nothing. Raises `PublishError`, or `ModelError`
    where the folder itself is not sound.
    """
    parts = urlsplit(destination)
    if parts.scheme != "s3" or not parts.netloc:
        raise PublishError(f"{destination} is no S3 address such as s3://bucket/models.")
    files = store.load(folder.resolve().as_uri())
    prefix = "/".join(part for part in (parts.path.strip("/"), content_hash(folder)) if part)
    contents = {
        ESTIMATOR: files.estimator,
        DETECTOR: files.detector,
        MANIFEST: (folder / MANIFEST).read_bytes(),
    }
    try:
        s3 = boto3.client("s3")
        for name, data in contents.items():
            _put(s3, parts.netloc, f"{prefix}/{name}", data)
    except (BotoCoreError, ClientError) as error:
        raise PublishError(f"Publishing to {destination} failed: {error}.") from error
    return f"s3://{parts.netloc}/{prefix}/"


def _put(s3: Any, bucket: str, key: str, data: bytes) -> None:
    """Writes an object unless it is there, and reads it back either way."""
    try:
        s3.put_object(
            Bucket=bucket, Key=key, Body=data, IfNoneMatch="*", ChecksumAlgorithm="SHA256"
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "PreconditionFailed":
            raise
    stored = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    if hashlib.sha256(stored).digest() != hashlib.sha256(data).digest():
        raise PublishError(
            f"s3://{bucket}/{key} holds other bytes than the folder. It was not overwritten: "
            "remove it, or publish below another prefix."
        )

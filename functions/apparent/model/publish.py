"""Model bundle -> S3, under its content hash, verified, never overwriting.

    python -m apparent.model.publish s3://BUCKET/PREFIX [--model DIR]

The manifest goes last: where there is one, the bundle is complete.
"""

import argparse
import hashlib
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from apparent.errors import PublishError
from apparent.model import EMBEDDED, MANIFEST, store


def publish(folder: Path, destination: str) -> str:
    """Uploads a verified bundle below `s3://BUCKET/PREFIX`; returns its `s3://.../<hash>/` URI.

    Publishing the same bundle again changes nothing. Raises `PublishError`, or `ModelError`
    where the folder itself is not sound.
    """
    parts = urlsplit(destination)
    if parts.scheme != "s3" or not parts.netloc:
        raise PublishError(f"{destination} is no S3 address such as s3://bucket/models.")
    bundle = store.load(store.uri_of(folder))
    prefix = "/".join(part for part in (parts.path.strip("/"), bundle.content_hash) if part)
    contents = {file.path: bundle.read(file) for file in bundle.manifest.listed()}
    contents[MANIFEST] = (folder / MANIFEST).read_bytes()
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


def main() -> int:
    """Publishes and prints the URI; 1 with a sentence on stderr where that failed."""
    parser = argparse.ArgumentParser(
        prog="scripts/publish", description="Uploads a model bundle to S3, under its content hash."
    )
    parser.add_argument("destination", help="s3://BUCKET/PREFIX")
    parser.add_argument("--model", type=Path, default=EMBEDDED, help="model bundle")
    args = parser.parse_args()
    try:
        print(publish(args.model, args.destination))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

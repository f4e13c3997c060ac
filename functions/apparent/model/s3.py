"""Files of a model folder on S3, read into memory; nothing is written to disk."""

import io
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_PATIENCE: Final = Config(
    connect_timeout=1,  # seconds: AWS Lambda's init must be over within ten
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 3},
)


class S3Error(OSError):
    """The object could not be read; the message is S3's."""


class S3Folder:
    """All objects below one prefix."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self._client: Any = boto3.client("s3", config=_PATIENCE)
        self._bucket, self._prefix = bucket, prefix.strip("/")

    def read(self, name: str) -> bytes:
        """One object's bytes, in parallel parts, retried with backoff.

        Raises `FileNotFoundError` where there is none, else `S3Error`.
        """
        key = f"{self._prefix}/{name}".lstrip("/")
        data = io.BytesIO()
        try:
            self._client.download_fileobj(self._bucket, key, data)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
                raise FileNotFoundError(f"there is no s3://{self._bucket}/{key}") from error
            raise S3Error(str(error)) from error
        except (BotoCoreError, boto3.exceptions.Boto3Error) as error:
            raise S3Error(str(error)) from error
        return data.getvalue()

"""Files of a model folder on S3, read into memory; nothing is written to disk."""

import threading
import time
from concurrent.futures import Future
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_PATIENCE: Final = Config(
    connect_timeout=1,
    read_timeout=2,  # seconds of silence, in the midst of an object, too
    retries={"mode": "standard", "total_max_attempts": 3},
)
_ATTEMPTS: Final = 3
"""To read an object whose bytes stop coming."""
_ABSENT: Final = frozenset({"404", "NoSuchKey", "403", "AccessDenied", "Forbidden"})
"""Who may not list a bucket is answered 403 for an object that is not there."""


class S3Error(OSError):
    """The object could not be read; the message is S3's."""


class S3Folder:
    """All objects below one prefix."""

    def __init__(self, bucket: str, prefix: str, seconds: float | None = None) -> None:
        """`seconds`, from now on, is how long all reading together may take."""
        try:
            self._client: Any = boto3.client("s3", config=_PATIENCE)
        except BotoCoreError as error:  # such as a profile that is not there
            raise S3Error(str(error)) from error
        self._bucket, self._prefix = bucket, prefix.strip("/")
        self._seconds = seconds
        self._end = None if seconds is None else time.monotonic() + seconds

    def read(self, name: str) -> bytes:
        """One object's bytes, retried with backoff.

        Raises `FileNotFoundError` where there is none that may be read, else `S3Error`.
        """
        key = f"{self._prefix}/{name}".lstrip("/")
        if self._end is None:
            return self._fetch(key)
        answer: Future[bytes] = Future()
        # On a thread, which can be left behind: names that are looked up and bytes that trickle
        # in have no limit of their own.
        threading.Thread(target=self._answer, args=(key, answer), daemon=True).start()
        try:
            return answer.result(max(0, self._end - time.monotonic()))
        except TimeoutError as error:
            raise S3Error(f"S3 took longer than {self._seconds:g} s") from error

    def _answer(self, key: str, answer: "Future[bytes]") -> None:
        try:
            answer.set_result(self._fetch(key))
        except Exception as error:  # which belongs to who waits
            answer.set_exception(error)

    def _fetch(self, key: str) -> bytes:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
                data: bytes = body.read()
                return data
            except ClientError as error:
                if error.response["Error"]["Code"] in _ABSENT:
                    raise FileNotFoundError(
                        f"s3://{self._bucket}/{key} is not there, or may not be read: {error}"
                    ) from error
                raise S3Error(str(error)) from error
            except (BotoCoreError, OSError) as error:
                if attempt == _ATTEMPTS:
                    raise S3Error(str(error)) from error
        raise AssertionError

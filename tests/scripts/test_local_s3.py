"""The S3 of the tests and measurements, on loopback."""

import httpx2

from scripts.commands.local_s3 import local_s3


def test_it_goes_on_answering_however_much_it_has_logged() -> None:
    longer_than_a_pipe = 2**16
    path = "/" + "a" * 4000
    with local_s3() as aws, httpx2.Client(base_url=aws["AWS_ENDPOINT_URL"], timeout=20) as client:
        for _ in range(longer_than_a_pipe // len(path) + 2):
            assert client.get(path).status_code in (400, 403, 404)

"""Every input in exactly one of results or failures, whatever S3 and the clock do."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any

import httpx2
import pytest

from apparent import Pipeline
from apparent.bulk import s3 as objects
from batch.work import LAST_ROUND, Batch, Input, Object, process
from tests.golden.photos import photos

KEYS = ["broken.jpg", "collins.jpg", "gone.jpg", "grey.png", "hopper ä+.jpg", "sub/"]
ALL = {f"s3://bucket/in/{key}" for key in KEYS if not key.endswith("/")}


@pytest.fixture(autouse=True)
def _fresh_client() -> Iterator[None]:
    objects.client.cache_clear()
    yield
    objects.client.cache_clear()


@pytest.fixture
def bucket(s3: Any) -> Any:
    made = photos()
    s3.put_object(Bucket="bucket", Key="in/collins.jpg", Body=made["collins.jpg"])
    s3.put_object(Bucket="bucket", Key="in/hopper ä+.jpg", Body=made["hopper.jpg"])
    s3.put_object(Bucket="bucket", Key="in/grey.png", Body=made["no_face.png"])
    s3.put_object(Bucket="bucket", Key="in/broken.jpg", Body=made["collins.jpg"][:4000])
    return s3


def batch(round_: int = 0, kind: Any = "jsonl") -> Batch:
    there = Input(bucket="bucket", output="s3://bucket/out/run", format=kind)
    return Batch(BatchInput=there, Items=[Object(Key=f"in/{key}") for key in KEYS], round=round_)


def plenty() -> float:
    return 60


def running_out_after(photos: int) -> Callable[[], float]:
    """A clock that allows for so many photos."""
    left = iter([60.0] * photos)
    return lambda: next(left, 1.0)


def lines(s3: Any, folder: str) -> list[dict[str, Any]]:
    listed = s3.list_objects_v2(Bucket="bucket", Prefix=f"out/run/{folder}/").get("Contents", ())
    found = []
    for entry in listed:
        body = s3.get_object(Bucket="bucket", Key=entry["Key"])["Body"].read()
        found += [json.loads(line) for line in body.splitlines()]
    return found


def ends(s3: Any) -> tuple[set[str], dict[str, str]]:
    """Files that have an answer, and failures by file; no file is told of twice."""
    results, failures = lines(s3, "parts"), lines(s3, "failures")
    told = Counter(it["file"] for it in (*results, *failures))
    assert set(told.values()) == {1}
    return {it["file"] for it in results}, {it["file"]: it["error"]["kind"] for it in failures}


def rounds(first: Batch, pipeline: Pipeline, clock: Callable[[], Any] = lambda: plenty) -> Batch:
    """As the state machine goes through them; the answer is passed on as JSON."""
    now = process(first, pipeline, clock())
    while now.unfinished:
        assert now.round <= LAST_ROUND
        now = process(Batch.model_validate_json(now.model_dump_json()), pipeline, clock())
    return now


def test_each_key_ends_in_results_or_failures(bucket: Any, pipeline: Pipeline) -> None:
    done = process(batch(), pipeline, plenty)
    answered, failed = ends(bucket)
    broken, gone = (f"s3://bucket/in/{name}.jpg" for name in ("broken", "gone"))
    assert failed == {broken: "undecodable", gone: "missing"}
    assert answered == ALL - failed.keys()
    assert (done.counts.photos, done.counts.faces) == (3, 2)
    assert done.counts.failed == {"undecodable": 1, "missing": 1}
    assert done.unfinished == len(done.Items) == 0


def test_a_batch_tried_again_changes_nothing_and_counts_the_same(
    bucket: Any, pipeline: Pipeline
) -> None:
    first = process(batch(), pipeline, running_out_after(2))
    before = lines(bucket, "parts"), lines(bucket, "failures")
    again = process(batch(), pipeline, plenty)
    assert (lines(bucket, "parts"), lines(bucket, "failures")) == before
    assert again.Items == first.Items
    assert again.counts.model_dump(exclude={"ms"}) == first.counts.model_dump(exclude={"ms"})


def test_what_there_was_no_time_for_goes_back_and_is_done_later(
    bucket: Any, pipeline: Pipeline
) -> None:
    first = process(batch(), pipeline, running_out_after(2))
    assert [item.Key for item in first.Items] == ["in/gone.jpg", "in/grey.png", "in/hopper ä+.jpg"]
    done = rounds(first, pipeline)
    answered, failed = ends(bucket)
    assert answered | failed.keys() == ALL
    assert done.counts.photos + sum(done.counts.failed.values()) == len(ALL)


def test_what_there_is_never_time_for_has_failed(bucket: Any, pipeline: Pipeline) -> None:
    rounds(batch(), pipeline, lambda: running_out_after(1))
    answered, failed = ends(bucket)
    assert answered | failed.keys() == ALL
    assert list(failed.values()).count("timeout") == len(ALL) - LAST_ROUND - 1


def test_what_there_is_no_time_for_is_not_read(
    bucket: Any, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for, read = [], objects.read

    def reading(uri: str, *limit: int) -> bytes:
        asked_for.append(uri)
        return read(uri, *limit)

    monkeypatch.setattr(objects, "read", reading)
    items = [Object(Key=f"in/gone-{number}.jpg") for number in range(60)]
    first = process(batch().model_copy(update={"Items": items}), pipeline, running_out_after(2))
    assert first.unfinished == 58
    assert len(asked_for) < 30


def test_a_part_is_written_in_parquet_where_asked_for(bucket: Any, pipeline: Pipeline) -> None:
    first = process(batch(kind="parquet"), pipeline, plenty)
    again = process(batch(kind="parquet"), pipeline, plenty)
    assert first.counts.model_dump(exclude={"ms"}) == again.counts.model_dump(exclude={"ms"})
    listed = bucket.list_objects_v2(Bucket="bucket", Prefix="out/run/parts/")["Contents"]
    assert [entry["Key"].rpartition(".")[2] for entry in listed] == ["parquet"]


@pytest.fixture
def throttle(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator["Throttle"]:
    """An S3 that answers reads of one photo with 503 SlowDown, so many times."""
    with Throttle(aws["AWS_ENDPOINT_URL"]) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
        objects.client.cache_clear()
        # Attempts without the waits between them, which grow to seconds.
        monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", no_delay)
        yield server


def no_delay(*args: object) -> float:
    return 0


class Throttle:
    """A proxy before the S3 of the tests."""

    def __init__(self, behind: str) -> None:
        self.refusals, lock, throttle = 0, Lock(), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with lock:
                    refused = self.path.endswith("/collins.jpg") and throttle.refusals > 0
                    throttle.refusals -= refused
                if refused:
                    content = b"<Error><Code>SlowDown</Code><Message>Slower.</Message></Error>"
                    status, headers = 503, {"Content-Type": "application/xml"}
                else:
                    there = httpx2.request(
                        self.command, behind + self.path, headers=dict(self.headers), content=body
                    )
                    status, content, headers = there.status_code, there.content, dict(there.headers)
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in ("content-length", "connection", "date", "server"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = _answer  # noqa: N815 -- the server's names

            def log_message(self, *args: object) -> None:
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Throttle":
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def test_another_run_tries_again_what_has_failed(bucket: Any, pipeline: Pipeline) -> None:
    first = process(batch(), pipeline, plenty)
    bucket.put_object(Bucket="bucket", Key="in/gone.jpg", Body=photos()["hopper.jpg"])
    again = process(batch(), pipeline, plenty)
    assert again.counts.failed == first.counts.failed  # of the same run
    there = batch().BatchInput.model_copy(update={"run": "out/map/2"})
    other = process(batch().model_copy(update={"BatchInput": there}), pipeline, plenty)
    assert other.counts.failed == {"undecodable": 1}


def test_a_read_that_takes_too_long_costs_no_other_answer(
    bucket: Any, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, read = Event(), objects.read

    def reading(uri: str, *limit: int) -> bytes:
        if uri.endswith("/collins.jpg"):
            ended.wait()  # as where S3 sends nothing
        return read(uri, *limit)

    monkeypatch.setattr(objects, "read", reading)
    left = iter([60.0, 5.0, 1.0])  # enough for the first, just not for the second
    first = process(batch(), pipeline, lambda: next(left))
    ended.set()
    assert first.counts.failed == {"undecodable": 1}
    assert first.Items[0].Key == "in/collins.jpg"


@pytest.mark.parametrize(("refusals", "outcome"), [(3, "answered"), (7, "later"), (999, "failed")])
def test_a_throttling_s3_costs_time_and_at_worst_a_failure(
    refusals: int, outcome: str, bucket: Any, throttle: Throttle, pipeline: Pipeline
) -> None:
    throttle.refusals = refusals
    first = process(batch(), pipeline, plenty)
    throttled = [item.Key for item in first.Items]
    assert throttled == ([] if outcome == "answered" else ["in/collins.jpg"])
    rounds(first, pipeline)
    answered, failed = ends(bucket)
    assert answered | failed.keys() == ALL
    assert failed.get("s3://bucket/in/collins.jpg") == ("unavailable" if refusals == 999 else None)

"""What Lambda calls, with the event that a Distributed Map's batches have."""

from pathlib import Path
from typing import Any

from apparent.bulk import s3 as objects
from tests.conftest import SAMPLES


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def test_a_batch_as_step_functions_sends_it_is_answered_without_a_key_in_the_log(
    s3: Any, capsys: Any
) -> None:
    from batch.handler import handler

    objects.client.cache_clear()
    for photo in sorted(Path(SAMPLES).glob("*.jpg")):
        s3.put_object(Bucket="bucket", Key=f"in/{photo.name}", Body=photo.read_bytes())
    event = {
        "BatchInput": {"bucket": "bucket", "output": "s3://bucket/out/run"},
        "Items": [{"Key": "in/eileen_collins.jpg"}, {"Key": "in/grace_hopper.jpg"}],
    }
    answer = handler(event, Context())
    assert answer["unfinished"] == 0
    assert answer["counts"]["photos"] == answer["counts"]["faces"] == 2
    printed = capsys.readouterr()
    assert '"photos":2' in printed.out + printed.err
    assert "collins" not in printed.out + printed.err

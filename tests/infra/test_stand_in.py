"""The stack on an AWS stand-in: deployed, asked, changed and rolled back by the real CDK."""

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx2
import pytest

from apparent.bulk import s3 as objects
from apparent.model import EMBEDDED, store
from apparent.model.publish import publish
from scripts.commands.bulk import bulk
from scripts.commands.deploy import INFRA, OUT, cdk_program, destroy
from tests.infra.stand_in import ACCOUNT, REGION, StandIn, image_with_emulator, stand_in

Deploy = Callable[..., httpx2.Client]
"""Of a model, as a stack of this name, with more context."""
_CHOSEN = ("bucket_helpers=false", "direct=true", "waf_requests=0")
"""Its buckets are filled here, it has no CloudFront to ask through, and no firewall."""
pytestmark = pytest.mark.container


@pytest.fixture(scope="module")
def aws_stand_in(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    del image  # built, so that it can be run
    with stand_in(tmp_path_factory.mktemp("stand-in")) as running:
        yield running


@pytest.fixture
def deploy(
    aws_stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Deploy]:
    """Deploys a model as `scripts/deploy` does; a client of the API then."""
    for name, value in aws_stand_in.environment.items():
        monkeypatch.setenv(name, value)

    def cdk(*command: str) -> None:
        call = [cdk_program(), *command, "--no-notices", "--output", str(tmp_path / "cdk.out")]
        subprocess.run(call, cwd=INFRA, check=True, capture_output=True, timeout=600)

    def run(folder: Path, stack: str = "Apparent", *more: str) -> httpx2.Client:
        chosen = context_of(f"model_folder={folder}", f"stack={stack}", *more)
        cdk("synth", "--quiet", *chosen)
        (tag,) = json.loads((tmp_path / "cdk.out" / f"{stack}.assets.json").read_text())[
            "dockerImages"
        ]
        repository = f"cdk-hnb659fds-container-assets-{ACCOUNT}-{REGION}"
        context = tmp_path / "image"
        if not context.exists():
            context.mkdir()
            name = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{repository}:{tag}"
            image_with_emulator(context, name)
        outputs = tmp_path / "outputs.json"
        cdk("deploy", "--require-approval=never", f"--outputs-file={outputs}", *chosen)
        values = json.loads(outputs.read_text())[stack]
        bucket = values["ModelUri"].removeprefix("s3://").partition("/")[0]
        assert publish(folder, f"s3://{bucket}/models") == values["ModelUri"]
        host = httpx2.URL(values["ApiUrl"]).netloc.decode()
        return httpx2.Client(base_url=aws_stand_in.address, headers={"host": host}, timeout=60)

    cdk("bootstrap", f"aws://{ACCOUNT}/{REGION}")
    objects.client.cache_clear()  # of another AWS
    yield run
    objects.client.cache_clear()


def context_of(*values: str) -> list[str]:
    """The CDK's arguments for what is chosen here, and more."""
    return [part for value in (*_CHOSEN, *values) for part in ("-c", value)]


def version(client: httpx2.Client) -> Any:
    """Asks again as `scripts/deploy` does: on a busy machine a function may start too slowly, and
    a model that was not there in time is asked for again after half a minute.
    """
    for pause in (1, 2, 4, 8, 16, 16):
        answer = client.get("/api/v1/model")
        if answer.is_success:
            return answer.json()["version"]
        time.sleep(pause)
    raise AssertionError(answer.text)


def test_a_deployed_stack_answers_a_new_model_is_served_and_the_old_one_again(
    deploy: Deploy, other_model: Path, hopper: bytes
) -> None:
    versions = [store.manifest_of(folder).version for folder in (EMBEDDED, other_model)]
    with deploy(EMBEDDED) as client:
        assert version(client) == versions[0]
        form = {"image": ("a.jpg", hopper, "image/jpeg")}
        answer = client.post("/api/v1/predict", files=form).raise_for_status().json()
        assert len(answer["faces"]) == 1
    with deploy(other_model) as client:
        assert version(client) == versions[1]
    with deploy(EMBEDDED) as client:
        assert version(client) == versions[0]
    (function,) = boto3.client("lambda").list_functions()["Functions"]
    assert function["MemorySize"] == 1769


def test_a_destroyed_stack_leaves_nothing_and_takes_nothing_of_others(
    deploy: Deploy, capfd: pytest.CaptureFixture[str]
) -> None:
    deploy(EMBEDDED).close()
    s3, logs = boto3.resource("s3"), boto3.client("logs")
    (bucket,) = [found for found in s3.buckets.all() if "models" in found.name]
    bucket.object_versions.delete()  # what the CDK's helpers do on AWS
    (function,) = boto3.client("lambda").list_functions()["Functions"]
    others = "/aws/lambda/Apparent-staging-Function"
    for group in (others, f"/aws/lambda/{function['FunctionName']}"):
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=group)
    destroy(cdk_program(), None, context_of(), sure=True)
    assert "Removed" in capfd.readouterr().out
    assert boto3.client("lambda").list_functions()["Functions"] == []
    buckets = list(s3.buckets.all())
    assert [found.name for found in buckets if "apparent" in found.name.lower()] == []
    groups = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]
    assert [group["logGroupName"] for group in groups] == [others]
    files = json.loads((OUT / "Apparent.assets.json").read_text())["files"].values()
    shared = {place["objectKey"] for file in files for place in file["destinations"].values()}
    assert shared & {item.key for found in buckets for item in found.objects.all()}


def test_a_second_stack_survives_the_first_s_end(
    deploy: Deploy, capfd: pytest.CaptureFixture[str]
) -> None:
    deploy(EMBEDDED).close()
    with deploy(EMBEDDED, "Apparent-dev") as other:
        s3 = boto3.resource("s3")
        (first,) = [b for b in s3.buckets.all() if b.name.startswith("apparent-models")]
        first.object_versions.delete()  # what the CDK's helpers do on AWS
        destroy(cdk_program(), None, context_of(), sure=True)
        assert "Removed" in capfd.readouterr().out
        assert version(other) == store.manifest_of(EMBEDDED).version
        (left,) = boto3.client("lambda").list_functions()["Functions"]
        assert left["FunctionName"].startswith("Apparent-dev-")


def test_a_bucket_is_done_by_the_machine_and_the_image(
    deploy: Deploy, hopper: bytes, collins: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """But for batches of more than one and for the map's own results, which the stand-in ignores:
    tests/infra/test_batch.py holds those to AWS's documents.
    """
    s3, states = boto3.resource("s3"), boto3.client("stepfunctions")
    photos, answers = (s3.create_bucket(Bucket=f"photos-{way}") for way in ("in", "out"))
    for name, data in {"a.jpg": hopper, "b.jpg": collins, "c.jpg": b"no photo"}.items():
        photos.put_object(Key=f"2026/{name}", Body=data)
    deploy(
        EMBEDDED,
        "Apparent",
        "batch_input=s3://photos-in/2026/",
        "batch_output=s3://photos-out/run/",
        "batch_concurrency=1",
        "batch_tolerated_percentage=0",
    ).close()
    (machine,) = states.list_state_machines()["stateMachines"]
    given = states.describe_state_machine(stateMachineArn=machine["stateMachineArn"])
    states.update_state_machine(
        stateMachineArn=machine["stateMachineArn"],
        definition=json.dumps(in_batches_of_one(json.loads(given["definition"]))),
    )
    run = ("s3://photos-in/2026/", "s3://photos-out/run/first", "Apparent", 1)
    assert bulk(*run) == 0, capsys.readouterr().err
    told = manifest(answers)
    assert (told["photos"], told["faces"], told["failures"]) == (3, 2, {"unsupported": 1})
    photos.put_object(Key="2026/d.jpg", Body=collins)
    assert bulk(*run) == 0, capsys.readouterr().err
    assert "1 photos are missing" in capsys.readouterr().err  # which the machine gets as a list
    told = manifest(answers)
    assert (told["photos"], told["faces"], len(told["parts"])) == (4, 3, 4)


def manifest(bucket: Any) -> dict[str, Any]:
    body = bucket.Object("run/first/manifest.json").get()["Body"].read()
    return json.loads(body)  # type: ignore[no-any-return]


def in_batches_of_one(definition: dict[str, Any]) -> dict[str, Any]:
    """The same machine for a stand-in that knows no batches: each item selected as one."""
    for state in definition["States"].values():
        if state["Type"] == "Map":
            shared = state.pop("ItemBatcher")["BatchInput"]
            state["ItemSelector"] = {"BatchInput": shared, "Items": [state["ItemSelector"]]}
    return definition

"""The stack on an AWS stand-in: deployed, asked, changed and rolled back by the real CDK."""

import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx2
import pytest

from apparent.model import EMBEDDED, store
from apparent.model.publish import publish
from scripts.commands.deploy import INFRA, OUT, cdk_program, destroy
from tests.infra.stand_in import ACCOUNT, REGION, StandIn, image_with_emulator, stand_in

Deploy = Callable[[Path], httpx2.Client]
pytestmark = pytest.mark.container


@pytest.fixture(scope="module")
def aws_stand_in(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    del image  # built, so that it can be run
    with stand_in(tmp_path_factory.mktemp("stand-in")) as running:
        yield running


@pytest.fixture
def deploy(aws_stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deploy:
    """Deploys a model as `scripts/deploy` does; a client of the API then."""
    for name, value in aws_stand_in.environment.items():
        monkeypatch.setenv(name, value)

    def cdk(*command: str) -> None:
        call = [cdk_program(), *command, "--no-notices", "--output", str(tmp_path / "cdk.out")]
        subprocess.run(call, cwd=INFRA, check=True, capture_output=True, timeout=180)

    def run(folder: Path) -> httpx2.Client:
        chosen = ["-c", "bucket_helpers=false", "-c", f"model_folder={folder}"]
        cdk("synth", "--quiet", *chosen)
        (tag,) = json.loads((tmp_path / "cdk.out" / "Apparent.assets.json").read_text())[
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
        values = json.loads(outputs.read_text())["Apparent"]
        bucket = values["ModelUri"].removeprefix("s3://").partition("/")[0]
        assert publish(folder, f"s3://{bucket}/models") == values["ModelUri"]
        host = httpx2.URL(values["ApiUrl"]).netloc.decode()
        return httpx2.Client(base_url=aws_stand_in.address, headers={"host": host}, timeout=60)

    cdk("bootstrap", f"aws://{ACCOUNT}/{REGION}")
    return run


def version(client: httpx2.Client) -> Any:
    return client.get("/api/v1/model").raise_for_status().json()["version"]


def test_a_deployed_stack_answers_a_new_model_is_served_and_the_old_one_again(
    deploy: Deploy, other_model: Path, hopper: bytes
) -> None:
    versions = [store.manifest_of(folder).version for folder in (EMBEDDED, other_model)]
    with deploy(EMBEDDED) as client:
        form = {"image": ("a.jpg", hopper, "image/jpeg")}
        answer = client.post("/api/v1/predict", files=form).raise_for_status().json()
        assert len(answer["faces"]) == 1
        assert version(client) == versions[0]
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
    destroy(cdk_program(), None, ["-c", "bucket_helpers=false"])
    assert "Removed" in capfd.readouterr().out
    assert boto3.client("lambda").list_functions()["Functions"] == []
    buckets = list(s3.buckets.all())
    assert [found.name for found in buckets if "apparent" in found.name.lower()] == []
    groups = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]
    assert [group["logGroupName"] for group in groups] == [others]
    files = json.loads((OUT / "Apparent.assets.json").read_text())["files"].values()
    shared = {place["objectKey"] for file in files for place in file["destinations"].values()}
    assert shared & {item.key for found in buckets for item in found.objects.all()}

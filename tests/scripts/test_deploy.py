import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from apparent.model import EMBEDDED, store
from scripts.commands import deploy
from scripts.commands.aws_account import DeployError, functions_of
from scripts.commands.deploy import (
    INFRA,
    OUT,
    absolute,
    cdk_program,
    confirmed,
    remove_logs,
    smoke,
    smoke_page,
)
from scripts.commands.emulator import engine
from tests.conftest import ROOT, running
from tests.scripts.test_aws_account import Limited


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`scripts/deploy` as one without an AWS account runs it."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nowhere = {"HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true"}
    return subprocess.run(
        [ROOT / "scripts" / "deploy", *arguments],
        env=plain | nowhere | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module", params=["true", "false"])  # the CDK talks on another stream in CI
def template(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Synthesised without an account, and copied: the next synthesis overwrites it."""
    result = run("--synth-only", "-c", "alarm_email=someone@example.org", CI=request.param)
    assert result.returncode == 0, result.stderr
    return Path(shutil.copy(ROOT / result.stdout.strip(), tmp_path_factory.mktemp("cdk")))


def test_it_synthesises_without_an_account(template: Path) -> None:
    assert "someone@example.org" in template.read_text()


def test_nothing_for_developers_is_uploaded_with_the_page(template: Path) -> None:
    files = json.loads((OUT / template.name.replace("template", "assets")).read_text())["files"]
    folders = [OUT / file["source"]["path"] for file in files.values()]
    (page,) = [folder for folder in folders if (folder / "index.html").exists()]
    paths = [path.relative_to(page) for path in page.rglob("*") if path.is_file()]
    assert [path for path in paths if path.suffix == ".json"] == [Path("samples/example.json")]
    kinds = {"".join(path.suffixes) for path in paths}
    assert kinds == {".html", ".js", ".css", ".jpg", ".json", ".svg", ".txt", ".webmanifest"}
    (model,) = [folder for folder in folders if (folder / "bundle.json").exists()]
    assert {path.suffix for path in model.iterdir()} == {".gz", ".json", ".mjs"}


@pytest.mark.parametrize("template", ["true"], indirect=True)
def test_it_differs_from_itself_in_nothing(template: Path) -> None:
    def differs(email: str) -> bool:
        command = [cdk_program(), "diff", "--no-notices", "--fail", "--template", str(template)]
        command += ["-c", f"alarm_email={email}"]
        return subprocess.run(command, cwd=INFRA, capture_output=True, check=False).returncode == 1

    assert not differs("someone@example.org")
    assert differs("somebody.else@example.org")


def test_the_stack_is_made_by_the_environment_that_is_named(tmp_path: Path) -> None:
    venv, made = Path(sys.prefix), tmp_path / "venv"
    (made / "bin").mkdir(parents=True)
    for path in (*venv.iterdir(), *(venv / "bin").iterdir()):
        if path.name not in ("bin", "python"):
            (made / path.relative_to(venv)).symlink_to(path)
    log, python = tmp_path / "log", made / "bin" / "python"
    python.write_text(f'#!/bin/sh\necho "$*" >>{log}\nexec {venv / "bin" / "python"} "$@"\n')
    python.chmod(0o755)
    result = run("--synth-only", "-c", "memory_mb=lots", VENV=str(made))
    assert "The CDK context is wrong at memory_mb" in result.stderr
    assert "-P -m infra.app" in log.read_text()


def test_a_page_alone_is_deployed_with_tags_and_without_a_container_program(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The CDK synthesises; what it would be told to deploy, and where it lies, is written down."""
    del s3
    monkeypatch.setattr(deploy, "account", lambda _: (Limited(1000, 1000), "1", "us-east-1"))
    told, program = tmp_path / "told", tmp_path / "cdk"
    program.write_text(
        f"""#!/bin/sh
[ "$1" = deploy ] || exec {cdk_program()} "$@"
for argument; do
    echo "$argument"
    case $argument in --outputs-file=*) echo '{{"Apparent": {{}}}}' >"${{argument#*=}}" ;; esac
done >{told}
"""
    )
    program.chmod(0o755)
    monkeypatch.delenv("CONTAINER", raising=False)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))  # no podman, no docker
    engine.cache_clear()
    arguments = ["-c", "service=false", "--tags", "owner=me"]
    deploy.deploy(str(program), None, arguments)
    assert "Deploying stack Apparent" in capfd.readouterr().out
    assert told.read_text().split()[-4:] == arguments


def test_of_a_model_that_cdk_json_names_the_version_is_expected(
    other_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = json.loads((INFRA / "cdk.json").read_text())
    settings["context"]["model_folder"] = str(other_model)
    (tmp_path / "cdk.json").write_text(json.dumps(settings))
    monkeypatch.setattr(deploy, "INFRA", tmp_path)
    expected = [store.manifest_of(folder).version for folder in (other_model, EMBEDDED)]
    assert deploy.model_version([]) == expected[0]
    assert deploy.model_version(["-c", f"model_folder={EMBEDDED}"]) == expected[1]


def test_a_relative_folder_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for before, after in (
        (["-c", "model_folder=new"], ["-c", f"model_folder={tmp_path / 'new'}"]),
        (["--context=model_folder=new"], [f"--context=model_folder={tmp_path / 'new'}"]),
        (["-cmodel_folder=/new", "-c", "stack=new"], ["-cmodel_folder=/new", "-c", "stack=new"]),
    ):
        assert absolute(before) == after


def test_nothing_is_destroyed_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeployError, match="--yes removes stack Apparent"):
        confirmed("Apparent", "123456789012", "us-east-1")
    main, terminal = pty.openpty()
    with os.fdopen(terminal) as keyboard:
        monkeypatch.setattr("sys.stdin", keyboard)
        for typed, meant in ((b"y\n", False), (b"Apparent-dev\n", False), (b"Apparent\n", True)):
            os.write(main, typed)
            assert confirmed("Apparent", "123456789012", "us-east-1") is meant
    os.close(main)


def test_what_stays_is_told_as_it_was_deployed(
    s3: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del s3

    def written(kept: bool) -> str:
        bucket = {"Type": "AWS::S3::Bucket"} | ({"DeletionPolicy": "Retain"} if kept else {})
        return json.dumps({"Resources": {"Models": bucket}})

    assembly = {"artifacts": {"Apparent": {"type": "aws:cloudformation:stack"}}}
    (tmp_path / "manifest.json").write_text(json.dumps(assembly))
    monkeypatch.setattr(deploy, "OUT", tmp_path)
    monkeypatch.setattr(deploy, "cdk", lambda *_: None)
    monkeypatch.setattr(deploy, "account", lambda _: (boto3.Session(), "1", "us-east-1"))
    client = boto3.client("cloudformation")
    for kept in (False, True):
        client.create_stack(StackName="Apparent", TemplateBody=written(kept))
        (tmp_path / "Apparent.template.json").write_text(written(not kept))  # what is chosen now
        deploy.destroy("cdk", None, [], sure=True)
        assert ("Kept" in capsys.readouterr().out) is kept
        client.delete_stack(StackName="Apparent")


def test_an_unknown_setting_is_refused_with_the_one_that_is_meant() -> None:
    result = run("--synth-only", "-c", "reserved_concurency=2")
    assert result.returncode == 1
    assert "Is reserved_concurrency meant?" in result.stderr


def test_a_wrong_setting_ends_it_with_a_sentence() -> None:
    result = run("--synth-only", "-c", "memory_mb=lots")
    assert result.returncode == 1
    assert "The CDK context is wrong at memory_mb" in result.stderr


def test_a_setting_that_the_cdk_refuses_ends_it_with_a_sentence() -> None:
    batch = ["-c", "batch_input=s3://in..put/", "-c", "batch_output=s3://output/"]
    result = run("--synth-only", *batch)
    assert result.returncode == 1
    assert "error: The CDK cannot make a stack of these settings." in result.stderr
    assert "Invalid S3 bucket name (value: in..put)" in result.stderr
    assert "Traceback" not in result.stderr


def test_without_a_region_or_credentials_it_says_what_to_set() -> None:
    result = run()
    assert result.returncode == 1
    assert "Set AWS_REGION" in result.stderr
    result = run(AWS_REGION="us-east-1")
    assert result.returncode == 1
    assert "no usable AWS credentials" in result.stderr


def test_a_running_service_is_tried_out(server: str) -> None:
    version = store.manifest_of(EMBEDDED).version
    assert smoke(server, version).startswith(f"model {version}, one face of about ")


def test_another_model_than_the_one_sent_is_noticed(server: str) -> None:
    with pytest.raises(DeployError, match="0123456789ab was sent"):
        smoke(server, "0123456789ab")


def test_a_page_published_alone_is_tried_out() -> None:
    version = store.manifest_of(EMBEDDED).version
    with running(["serve", "--no-service", "--port", "0"]) as address:
        assert smoke_page(address, version) == f"model {version}, on visitors' devices"
        with pytest.raises(DeployError, match="0123456789ab was sent"):
            smoke_page(address, "0123456789ab")


def test_logs_of_another_stack_stay(s3: Any) -> None:
    del s3  # AWS's other services are empty, too
    session, logs = boto3.Session(), boto3.client("logs")
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    role = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]}}
    helper = {
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Code": {"ZipFile": "def handler(event, context): pass"},
    }
    template = {
        "Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": role},
            "Helper": {"Type": "AWS::Lambda::Function", "Properties": helper},
        }
    }
    functions = {}
    for stack in ("Apparent", "Apparent-staging"):
        boto3.client("cloudformation").create_stack(
            StackName=stack, TemplateBody=json.dumps(template)
        )
        (functions[stack],) = functions_of(session, stack)
        logs.create_log_group(logGroupName=f"/aws/lambda/{functions[stack]}")
    assert functions["Apparent-staging"].startswith("Apparent-")
    remove_logs(session, [functions["Apparent"], "Apparent-never-called"])
    (left,) = logs.describe_log_groups()["logGroups"]
    assert left["logGroupName"] == f"/aws/lambda/{functions['Apparent-staging']}"


def test_a_stack_that_does_not_exist_has_no_functions(s3: Any) -> None:
    del s3
    assert functions_of(boto3.Session(), "Apparent") == []


def test_the_lock_of_the_cdk_s_program_names_no_address() -> None:
    lock = Path(INFRA / "package-lock.json").read_text()
    assert "integrity" in lock
    assert "resolved" not in lock
    assert "http" not in lock

"""Puts page, API and model into an AWS account, or takes them out again.

Other arguments go to the CDK: `-c alarm_email=me@example.org` sets one of the context values that
infra/settings.py has.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from apparent.model import EMBEDDED, store
from scripts.commands.emulator import ContainerError, engine

ROOT: Final = Path(__file__).parents[2]
INFRA: Final = ROOT / "infra"
OUT: Final = INFRA / "cdk.out"
PORTRAIT: Final = ROOT / "site" / "samples" / "grace_hopper.jpg"
_BOOTSTRAP: Final = "/cdk-bootstrap/hnb659fds/version"
_ATTEMPTS: Final = 5


class DeployError(RuntimeError):
    """It cannot be deployed; the message says what to do."""


def cdk_program() -> str:
    """The pinned CDK command line, installed where it is not yet."""
    wanted = json.loads((INFRA / "package.json").read_text())["dependencies"]["aws-cdk"]
    installed = INFRA / "node_modules" / "aws-cdk" / "package.json"
    if not installed.exists() or json.loads(installed.read_text())["version"] != wanted:
        quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
        npm = Path(sys.executable).parent / "npm"
        subprocess.run([npm, "ci", *quiet], cwd=INFRA, stdout=sys.stderr, check=True)
    return str(INFRA / "node_modules" / ".bin" / "cdk")


def cdk(program: str, command: str, *arguments: str) -> None:
    """Runs it in infra/, with the container program that there is; what it prints is no answer."""
    environment = {"CDK_DOCKER": engine(), **os.environ} if command == "deploy" else None
    call = [program, command, "--no-notices", *arguments]
    # Where `CI` is set, the CDK talks on standard output.
    run = subprocess.run(call, cwd=INFRA, env=environment, stdout=sys.stderr, check=False)
    if run.returncode:
        raise DeployError(f"cdk {command} failed; what it printed last says why.")


def account(profile: str | None) -> tuple[boto3.Session, str, str]:
    """The session, account and region that the credentials belong to, bootstrapped."""
    try:
        session = boto3.Session(profile_name=profile, region_name=os.environ.get("AWS_REGION"))
        region = session.region_name
        if not region:
            raise DeployError("No AWS region is chosen. Set AWS_REGION, to us-east-1 for example.")
        number: str = session.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise DeployError(
            f"There are no usable AWS credentials: {error}. Log in, or name a profile: --profile."
        ) from error
    try:
        session.client("ssm").get_parameter(Name=_BOOTSTRAP)
    except ClientError as error:
        raise DeployError(
            f"Account {number} is not ready for the CDK in {region}. Once, run "
            f"infra/node_modules/.bin/cdk bootstrap aws://{number}/{region}"
        ) from error
    return session, number, region


def smoke(url: str, expected: str) -> str:
    """Asks a running service for health, model and one portrait; says what it answered.

    Raises `DeployError` where the model is not of the version expected, or the answer no face.
    """
    health = _answer(f"{url}/api/v1/health")
    version = _answer(f"{url}/api/v1/model")["version"]
    if health != {"status": "ok"} or version != expected:
        raise DeployError(f"{url} answers model {version}, health {health}; {expected} was sent.")
    photo = urllib.request.Request(  # noqa: S310 -- our own URL
        f"{url}/api/v1/predict", PORTRAIT.read_bytes(), {"Content-Type": "image/jpeg"}
    )
    faces = _answer(photo)["faces"]
    if len(faces) != 1:
        raise DeployError(f"{url} finds {len(faces)} faces in a portrait of one.")
    return f"model {version}, one face of about {faces[0]['age']['years']:.0f}"


def _answer(request: str | urllib.request.Request) -> Any:
    for attempt in range(_ATTEMPTS):  # a name just made may take seconds to be known
        try:
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
                return json.load(response)
        except (OSError, ValueError) as error:
            problem = error
        time.sleep(2**attempt)
    address = request if isinstance(request, str) else request.full_url
    raise DeployError(f"{address} does not answer as it should: {problem}.")


def functions_of(session: boto3.Session, stack: str) -> list[str]:
    """The names of a stack's Lambda functions, the CDK's own included."""
    pages = session.client("cloudformation").get_paginator("list_stack_resources")
    try:
        return [
            resource["PhysicalResourceId"]
            for page in pages.paginate(StackName=stack)
            for resource in page["StackResourceSummaries"]
            if resource["ResourceType"] == "AWS::Lambda::Function"
        ]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":  # of a stack that does not exist
            raise
        return []


def remove_logs(session: boto3.Session, functions: list[str]) -> None:
    """Deletes what functions that are gone have logged, in groups that Lambda made itself."""
    logs = session.client("logs")
    for function in functions:
        with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
            logs.delete_log_group(logGroupName=f"/aws/lambda/{function}")


def _model_version(arguments: list[str]) -> str:
    """Of the folder that the context names, or of the embedded one."""
    named = [a.partition("=")[2] for a in arguments if a.startswith("model_folder=")]
    folder = Path(named[-1]) if named else EMBEDDED
    return store.manifest_of(folder).version


def _stack() -> str:
    artifacts = json.loads((OUT / "manifest.json").read_text())["artifacts"]
    (stack,) = (n for n, a in artifacts.items() if a["type"] == "aws:cloudformation:stack")
    return str(stack)


def deploy(program: str, profile: str | None, arguments: list[str]) -> None:
    """Synthesises, deploys, tries the live service, prints its addresses."""
    _, number, region = account(profile)
    cdk(program, "synth", "--quiet", *arguments)
    template = json.loads((OUT / f"{_stack()}.template.json").read_text())
    version = _model_version(arguments)
    print(
        f"Deploying stack {_stack()} to account {number} in {region}: model {version}, "
        f"{len(template['Resources'])} resources. scripts/deploy --destroy removes it."
    )
    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder) / "outputs.json"
        approved = ["--require-approval=never", f"--outputs-file={outputs}"]
        cdk(program, "deploy", *approved, *arguments)
        values = json.loads(outputs.read_text())[_stack()]
    for name in ("ApiUrl", "SiteUrl"):
        print(f"{name:8} {values[name]}  ({smoke(values[name], version)})")


def destroy(program: str, profile: str | None, arguments: list[str]) -> None:
    """Removes the stack and the logs of its functions."""
    session, _, _ = account(profile)
    cdk(program, "synth", "--quiet", *arguments)
    functions = functions_of(session, _stack())
    cdk(program, "destroy", "--force", *arguments)
    remove_logs(session, functions)
    kept = [
        name
        for name, found in json.loads((OUT / f"{_stack()}.template.json").read_text())[
            "Resources"
        ].items()
        if found.get("DeletionPolicy") == "Retain"
    ]
    print(
        "Removed, with its logs. The image and the archives stay in the CDK's own storage, which "
        "other stacks share, until `cdk gc --unstable=gc` is run."
    )
    if kept:
        print(f"Kept, as asked: {', '.join(kept)}.")


def main() -> int:
    """Does what the command line says."""
    parser = argparse.ArgumentParser(
        prog="scripts/deploy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--synth-only", action="store_true", help="write infra/cdk.out; no account")
    what.add_argument("--destroy", action="store_true", help="remove what was deployed")
    parser.add_argument("--profile", help="of ~/.aws/config")
    args, others = parser.parse_known_args()
    arguments = [*others, *(["--profile", args.profile] if args.profile else [])]
    try:
        program = cdk_program()
        if args.synth_only:
            cdk(program, "synth", "--quiet", *arguments)
            print(f"infra/cdk.out/{_stack()}.template.json")
        else:
            (destroy if args.destroy else deploy)(program, args.profile, arguments)
    except (DeployError, ContainerError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

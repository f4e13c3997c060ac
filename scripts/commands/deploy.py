"""Puts page, API and model into an AWS account, or takes them out again.

Other arguments go to `cdk deploy` or `cdk destroy`, or with --synth-only to `cdk synth`:
`-c alarm_email=me@example.org` sets one of the context values that infra/settings.py has.
"""

import argparse
import contextlib
import json
import os
import re
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from apparent.errors import ModelError
from apparent.model import EMBEDDED, store
from infra.on_device import INDEX, MODEL_PATH, NAME
from scripts.commands.aws_account import (
    DeployError,
    account,
    fitting_concurrency,
    functions_of,
    kept_of,
)
from scripts.commands.emulator import ContainerError, engine

ROOT: Final = Path(__file__).parents[2]
INFRA: Final = ROOT / "infra"
OUT: Final = INFRA / "cdk.out"
PORTRAIT: Final = ROOT / "site" / "samples" / "grace_hopper.jpg"
_PAUSES: Final = (1, 2, 4, 8, 16, 32, 0)
"""Seconds after each attempt: a model that failed to load is asked for again after 30."""
_OF_THE_SYNTHESIS: Final = (("-c", "--context"), ("-a", "--app"), ("--profile",), ("--region",))
"""Of the CDK's arguments those by which what is synthesised differs."""
_MODEL_FOLDER: Final = re.compile(r"(-c|--context=)?model_folder=(?P<folder>.*)")


def cdk_program(infra: Path = INFRA) -> str:
    """The pinned CDK command line, installed into that folder where it is not yet."""
    wanted = json.loads((infra / "package.json").read_text())["dependencies"]["aws-cdk"]
    installed = infra / "node_modules" / "aws-cdk" / "package.json"
    if not installed.exists() or json.loads(installed.read_text())["version"] != wanted:
        quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
        npm = Path(sys.executable).parent / "npm"
        try:
            subprocess.run([npm, "ci", *quiet], cwd=infra, stdout=sys.stderr, check=True)
        except OSError as error:
            raise DeployError(
                f"npm cannot be run: {error}. It comes with Node.js: scripts/setup local infra."
            ) from error
        except subprocess.CalledProcessError as error:
            raise DeployError(
                "npm could not install the CDK's program; what it printed says why. Behind a "
                "proxy or mirror it needs HTTPS_PROXY or a registry in ~/.npmrc."
            ) from error
    return str(infra / "node_modules" / ".bin" / "cdk")


def cdk(program: str, command: str, *arguments: str, more: Mapping[str, str] = {}) -> None:
    """Runs it in infra/, with `more` of an environment; what it prints is no answer."""
    environment = {"CDK_DISABLE_CLI_TELEMETRY": "true", **more, **os.environ}
    environment["APP_PYTHON"] = "python"  # cdk.json's; the first on PATH is of $VENV
    call = [program, command, "--no-notices", *arguments]
    # Where `CI` is set, the CDK talks on standard output.
    try:
        run = subprocess.run(call, cwd=INFRA, env=environment, stdout=sys.stderr, check=False)
    except OSError as error:
        raise DeployError(
            f"The CDK's program cannot be run: {error}. Delete infra/node_modules and try again."
        ) from error
    if run.returncode:
        raise DeployError(f"cdk {command} failed; what it printed last says why.")


def smoke(url: str, expected: str) -> str:
    """Asks a running service for health, model and one portrait; says what it answered.

    Raises `DeployError` where the model is not of the version expected, or the answer no face.
    """
    health = _answer(f"{url}/api/v1/health", "status")
    version = _answer(f"{url}/api/v1/model/", "version")  # CloudFront keeps it without the slash
    if health != "ok" or version != expected:
        raise DeployError(f"{url} answers model {version}, health {health}; {expected} was sent.")
    photo = urllib.request.Request(  # noqa: S310 -- our own URL
        f"{url}/api/v1/predict", PORTRAIT.read_bytes(), {"Content-Type": "image/jpeg"}
    )
    faces = _answer(photo, "faces")
    if len(faces) != 1:
        raise DeployError(f"{url} finds {len(faces)} faces in a portrait of one.")
    return f"model {version}, one face of about {faces[0]['age']['years']:.0f}"


def smoke_page(url: str, expected: str) -> str:
    """Asks a page that is published alone for the model it hands out; says which.

    Raises `DeployError` where that, or what the page tells of it, is not of the version expected.
    """
    told = _answer(f"{url}/{MODEL_PATH}", "version")
    handed_out = _answer(f"{url}/{NAME}/{INDEX}", "model")["version"]
    if (told, handed_out) != (expected, expected):
        raise DeployError(f"{url} has model {handed_out}, tells {told}; {expected} was sent.")
    return f"model {expected}, on visitors' devices"


def _answer(request: str | urllib.request.Request, field: str) -> Any:
    """What the JSON of a running service has in that field."""
    authorities = os.environ.get("AWS_CA_BUNDLE") or None  # of a proxy, as for AWS's own API
    for pause in _PAUSES:  # a name just made may take seconds to be known
        try:
            tls = ssl.create_default_context(cafile=authorities)
            with urllib.request.urlopen(request, timeout=30, context=tls) as response:  # noqa: S310
                return json.load(response)[field]
        except (OSError, HTTPException, LookupError, TypeError, ValueError) as error:
            problem = error
        time.sleep(pause)
    address = request if isinstance(request, str) else request.full_url
    raise DeployError(f"{address} does not answer as it should: {problem!r}.")


def remove_logs(session: boto3.Session, functions: list[str]) -> None:
    """Deletes what functions that are gone have logged, in groups that Lambda made itself."""
    logs = session.client("logs")
    for function in functions:
        with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
            logs.delete_log_group(logGroupName=f"/aws/lambda/{function}")


def absolute(arguments: list[str]) -> list[str]:
    """With the model's folder as the CDK, which runs in another folder, finds it."""

    def whole(argument: str) -> str:
        if (named := _MODEL_FOLDER.fullmatch(argument)) is None:
            return argument
        return argument[: named.start("folder")] + str(Path(named["folder"]).resolve())

    return [whole(argument) for argument in arguments]


def for_synth(arguments: list[str]) -> list[str]:
    """Those that the synthesis needs; what only `cdk deploy` or `cdk destroy` knows it refuses."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for names in _OF_THE_SYNTHESIS:
        parser.add_argument(*names, action="append", default=[])
    found, _ = parser.parse_known_args(arguments)
    return [f"--{name}={value}" for name, values in vars(found).items() for value in values]


def model_version(arguments: list[str]) -> str:
    """Of the folder that the context names, here or in cdk.json, or of the embedded one."""
    context = json.loads((INFRA / "cdk.json").read_text())["context"]
    named = [found["folder"] for a in arguments if (found := _MODEL_FOLDER.fullmatch(a))]
    folder = named[-1] if named else context.get("model_folder", EMBEDDED)
    return store.manifest_of(INFRA / folder).version


def _stack() -> str:
    artifacts = json.loads((OUT / "manifest.json").read_text())["artifacts"]
    (stack,) = (n for n, a in artifacts.items() if a["type"] == "aws:cloudformation:stack")
    return str(stack)


def _builder() -> dict[str, str]:
    """The environment that names the container program, where there are images to build."""
    assets = json.loads((OUT / f"{_stack()}.assets.json").read_text())
    return {"CDK_DOCKER": engine()} if assets["dockerImages"] else {}


def deploy(program: str, profile: str | None, arguments: list[str]) -> None:
    """Synthesises, deploys, tries the live service, prints its addresses."""
    session, number, region = account(profile)
    cdk(program, "synth", "--quiet", *for_synth(arguments))
    builder = _builder()
    template = json.loads((OUT / f"{_stack()}.template.json").read_text())
    version = model_version(arguments)
    chosen = any("reserved_concurrency=" in argument for argument in arguments)
    arguments = [*arguments, *fitting_concurrency(session, _stack(), template, chosen)]
    print(
        f"Deploying stack {_stack()} to account {number} in {region}: model {version}, "
        f"{len(template['Resources'])} resources. scripts/deploy --destroy removes it."
    )
    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder) / "outputs.json"
        approved = ["--require-approval=never", f"--outputs-file={outputs}"]
        cdk(program, "deploy", *approved, *arguments, more=builder)
        values = json.loads(outputs.read_text())[_stack()]
    works = smoke if "ModelUri" in values else smoke_page
    for name in ("ApiUrl", "SiteUrl"):
        if name in values:
            print(f"{name:8} {values[name]}  ({works(values[name], version)})")


def confirmed(stack: str, number: str, region: str) -> bool:
    """Whether who runs this types the stack's name."""
    if not sys.stdin.isatty():
        raise DeployError(f"Nobody is there to ask. --yes removes stack {stack} without.")
    print(f"Stack {stack} of account {number} in {region} is removed, with models and logs.")
    try:
        return input("Type its name to go on: ").strip() == stack
    except EOFError:
        return False


def destroy(program: str, profile: str | None, arguments: list[str], *, sure: bool) -> None:
    """Removes the stack and the logs of its functions; asks before that unless `sure`."""
    session, number, region = account(profile)
    cdk(program, "synth", "--quiet", *for_synth(arguments))
    if not (sure or confirmed(_stack(), number, region)):
        raise DeployError("Nothing was removed.")
    functions, kept = functions_of(session, _stack()), kept_of(session, _stack())
    cdk(program, "destroy", "--force", *arguments)
    remove_logs(session, functions)
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
    parser.add_argument("--yes", action="store_true", help="destroy without asking")
    parser.add_argument("--profile", help="of ~/.aws/config")
    parser.add_argument("-o", "--output", help=argparse.SUPPRESS)
    args, others = parser.parse_known_args()
    arguments = absolute([*others, *(["--profile", args.profile] if args.profile else [])])
    try:
        if args.output is not None:
            raise DeployError(
                "What is synthesised lies in infra/cdk.out: leave --output out, and copy that."
            )
        program = cdk_program()
        if args.synth_only:
            cdk(program, "synth", "--quiet", *arguments)
            print(f"infra/cdk.out/{_stack()}.template.json")
        elif args.destroy:
            destroy(program, args.profile, arguments, sure=args.yes)
        else:
            deploy(program, args.profile, arguments)
    except (DeployError, ContainerError, ModelError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError) as error:
        print(f"error: AWS did not do what was asked of it: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted. What AWS was asked to do goes on there.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

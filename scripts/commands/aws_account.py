"""The account that is deployed to: whose it is, whether it is ready, what it allows."""

import difflib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import boto3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    InvalidRegionError,
    SSLError,
)
from botocore.exceptions import ConnectionError as NoConnection

_BOOTSTRAP: Final = "/cdk-bootstrap/hnb659fds/version"
_UNRESERVED: Final = 100
"""Functions at once that AWS keeps for those without a reservation; accounts that may run fewer in
all, as new ones often do, can reserve none."""
_QUOTA: Final = "L-B99A9384"


class DeployError(RuntimeError):
    """It cannot be deployed; the message says what to do."""


def account(profile: str | None) -> tuple[boto3.Session, str, str]:
    """The session, account and region that the credentials belong to, bootstrapped."""
    region = ""
    try:
        session = boto3.Session(profile_name=profile, region_name=os.environ.get("AWS_REGION"))
        region = session.region_name or ""
        if not region:
            raise DeployError("No AWS region is chosen. Set AWS_REGION, to us-east-1 for example.")
        number: str = session.client("sts").get_caller_identity()["Account"]
        session.client("ssm").get_parameter(Name=_BOOTSTRAP)
    except InvalidRegionError as error:
        raise DeployError(f"{region!r} is no region's name. {_meant(region)}".strip()) from error
    except (NoConnection, HTTPClientError) as error:
        raise DeployError(_unreachable(region, error)) from error
    except ClientError as error:
        if error.operation_name != "GetParameter":
            raise DeployError(_unusable(error)) from error
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise DeployError(
                f"Whether account {number} is ready for the CDK in {region} cannot be told: "
                f"{error}. The credentials need ssm:GetParameter of {_BOOTSTRAP}."
            ) from error
        raise DeployError(
            f"Account {number} is not ready for the CDK in {region}. Once, run "
            f"infra/node_modules/.bin/cdk bootstrap aws://{number}/{region}"
        ) from error
    except BotoCoreError as error:
        raise DeployError(_unusable(error)) from error
    return session, number, region


def _unusable(error: Exception) -> str:
    return f"There are no usable AWS credentials: {error}. Log in, or name a profile: --profile."


def _unreachable(region: str, error: Exception) -> str:
    if isinstance(error, SSLError):
        advice = (
            "Behind a proxy that signs with an authority of its own, name its certificate in "
            "AWS_CA_BUNDLE."
        )
    else:
        advice = "Does this machine reach it? Behind a proxy, set HTTPS_PROXY."
    return f"AWS does not answer in {region}: {error}. {_meant(region)}{advice}"


def _meant(region: str) -> str:
    """A question where the name is not among the regions of AWS Lambda."""
    known = boto3.Session().get_available_regions("lambda")
    alike = sorted(difflib.get_close_matches(region, known))
    return f"Is {' or '.join(alike)} meant? " if alike and region not in known else ""


def functions_of(session: boto3.Session, stack: str) -> list[str]:
    """The names of a stack's Lambda functions, the CDK's own included."""
    pages = session.client("cloudformation").get_paginator("list_stack_resources")
    with _no_stack_is_no_error():
        return [
            resource["PhysicalResourceId"]
            for page in pages.paginate(StackName=stack)
            for resource in page["StackResourceSummaries"]
            if resource["ResourceType"] == "AWS::Lambda::Function"
        ]
    return []


def kept_of(session: boto3.Session, stack: str) -> list[str]:
    """What stays of a stack where it is destroyed: as it was deployed, whatever is chosen now."""
    client = session.client("cloudformation")
    with _no_stack_is_no_error():
        found = client.get_template(StackName=stack)["TemplateBody"]["Resources"].items()
        return [name for name, of in found if of.get("DeletionPolicy") == "Retain"]
    return []


@contextmanager
def _no_stack_is_no_error() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":  # of a stack that does not exist
            raise


def fitting_concurrency(
    session: boto3.Session, stack: str, template: dict[str, Any], chosen: bool
) -> list[str]:
    """Arguments for the CDK by which the reservations fit into what the account allows.

    None where they do as they are. An account so small that it can reserve none gets none, unless
    the number was `chosen`: its own limit is the cap then. Raises `DeployError` in other cases.
    """
    reserving = [
        number
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function"
        and (number := resource["Properties"].get("ReservedConcurrentExecutions", 0))
    ]
    wanted, batches = sum(reserving), len(reserving) > 1
    client = session.client("lambda")
    try:
        limits = client.get_account_settings()["AccountLimit"]
        held = sum(
            client.get_function_concurrency(FunctionName=name).get(
                "ReservedConcurrentExecutions", 0
            )
            for name in functions_of(session, stack)
        )
    except (BotoCoreError, ClientError) as error:
        raise DeployError(f"What AWS Lambda allows the account cannot be told: {error}.") from error
    most = limits["ConcurrentExecutions"]
    free = limits["UnreservedConcurrentExecutions"] + held - min(_UNRESERVED, most)
    if wanted <= free:
        print(f"AWS Lambda: {wanted} of the account's {most} functions at once are reserved.")
        return []
    if most <= _UNRESERVED and not (chosen or batches):
        print(
            f"AWS Lambda: the account may run {most} functions at once, too few to reserve any, so "
            f"reserved_concurrency is 0: {most}, of all its functions together, are the cap."
        )
        return ["-c", "reserved_concurrency=0"]
    choice = f"Choose -c reserved_concurrency={max(0, free)}"
    if batches and free > 0:
        choice = f"Choose -c reserved_concurrency and -c batch_concurrency of {free} together"
    elif batches:  # which cannot do without
        choice = "Leave out batch_input and batch_output"
    raise DeployError(
        f"{wanted} functions at once are to be reserved, but of the account's {most} only "
        f"{max(0, free)} can be: AWS Lambda keeps {min(_UNRESERVED, most)} for all others. "
        f"{choice}, or ask AWS for more (quota {_QUOTA})."
    )

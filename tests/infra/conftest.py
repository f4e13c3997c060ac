"""The stack as CloudFormation gets it."""

import json
from typing import Any

import pytest
from aws_cdk import App, Environment, Validations
from aws_cdk.assertions import Template
from cdk_nag import AwsSolutionsChecks

from infra.nag import acknowledge
from infra.settings import from_context
from infra.stack import ApparentStack
from tests.conftest import ROOT

ACCOUNT = "123456789012"
_CDK = json.loads((ROOT / "infra" / "cdk.json").read_text())["context"]


def template(region: str = "us-east-1", **context: Any) -> Template:
    """Synthesised with these context values, and checked by cdk-nag as `infra.app` does it."""
    app = App(context=_CDK | context)
    settings = from_context(app)
    stack = ApparentStack(app, settings, env=Environment(account=ACCOUNT, region=region))
    acknowledge(stack, settings)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    app.synth()
    return Template.from_stack(stack)


@pytest.fixture(scope="session")
def plain() -> Template:
    """With no context at all."""
    return template()


@pytest.fixture(scope="session")
def rich() -> Template:
    """With everything that is optional."""
    return template(
        architecture="arm64",
        provisioned_concurrency="2",
        domain="faces.example.org",
        certificate_arn="arn:aws:acm:us-east-1:123456789012:certificate/1",
        waf_requests="500",
        canary_minutes="15",
        tracing="true",
        direct="true",
        alarm_email="someone@example.org",
        keep_models="true",
        reserved_concurrency="20",
    )

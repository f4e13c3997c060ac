"""A portrait through CloudFront and the API every few minutes, for who wants to know first."""

from pathlib import Path
from typing import Final

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

CODE: Final = Path(__file__).parent / "canary_function.py"


class Canary(Construct):
    """A function that fails where the service does; its errors are the alarm's metric."""

    def __init__(self, scope: Construct, id: str, *, url: str, minutes: int) -> None:
        super().__init__(scope, id)
        log = logs.LogGroup(
            self,
            "Logs",
            retention=logs.RetentionDays.ONE_WEEK,
            removal_policy=RemovalPolicy.DESTROY,
        )
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log.grant_write(role)
        self.function = lambda_.Function(
            self,
            "Function",
            description="Sends a portrait through the service, as a visitor does.",
            runtime=lambda_.Runtime.PYTHON_3_14,
            handler="index.handler",
            code=lambda_.Code.from_inline(CODE.read_text()),
            environment={"URL": url},
            timeout=Duration.seconds(60),
            log_group=log,
            role=role,
        )
        events.Rule(
            self,
            "Schedule",
            schedule=events.Schedule.rate(Duration.minutes(minutes)),
            targets=[targets.LambdaFunction(self.function, retry_attempts=0)],
        )

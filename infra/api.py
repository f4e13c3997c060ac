"""The API: the Lambda function's image behind an HTTP API."""

from typing import Final, cast

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_apigatewayv2 as gateway
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.function import architecture, image
from infra.models import Models
from infra.origin import OriginSecret
from infra.settings import Settings

MAX_BYTES: Final = 4_600_000
"""Lambda takes 6 MiB of event, photo in base64 and headers together."""
_RETENTION = {
    "1": logs.RetentionDays.ONE_DAY,
    "7": logs.RetentionDays.ONE_WEEK,
    "30": logs.RetentionDays.ONE_MONTH,
    "90": logs.RetentionDays.THREE_MONTHS,
    "365": logs.RetentionDays.ONE_YEAR,
}
_ACCESS_LOG = {
    field: f"$context.{field}"
    for field in (
        "requestId",
        "requestTime",
        "httpMethod",
        "routeKey",  # not the path, which a client makes as long as it likes
        "status",
        "responseLength",
        "responseLatency",
        "integrationErrorMessage",
    )
}
"""Neither addresses nor query strings. requestId is what the function logs and answers, too."""


class Api(Construct):
    """Function, HTTP API and their logs."""

    def __init__(self, scope: Construct, id: str, *, settings: Settings, models: Models) -> None:
        super().__init__(scope, id)
        self.log_group = self._log_group("FunctionLogs", settings)
        self.origin_secret = OriginSecret(self, "Origin")
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        self.log_group.grant_write(role)
        models.grant_read(role)
        self.function = lambda_.DockerImageFunction(
            self,
            "Function",
            description="Apparent ages and perceived genders of the faces in a photo.",
            code=image(settings),
            architecture=architecture(settings),
            memory_size=settings.memory_mb,
            timeout=Duration.seconds(settings.timeout_s),
            reserved_concurrent_executions=settings.reserved_concurrency or None,
            environment=self._environment(settings, models),
            tracing=lambda_.Tracing.ACTIVE if settings.tracing else lambda_.Tracing.DISABLED,
            log_group=self.log_group,
            role=role,
        )
        if models.deployment is not None:
            self.function.node.add_dependency(models.deployment)
        self.http_api = gateway.HttpApi(
            self,
            "HttpApi",
            api_name=Stack.of(self).stack_name,
            description="Apparent",
            create_default_stage=False,
            cors_preflight=_cors(settings),
        )
        self.http_api.add_routes(
            path="/api/{path+}",
            methods=[gateway.HttpMethod.ANY],
            integration=integrations.HttpLambdaIntegration("Function", self._target(settings)),
        )
        self.access_log = self._log_group("AccessLogs", settings)
        self.stage = gateway.HttpStage(
            self,
            "Stage",
            http_api=self.http_api,
            stage_name="$default",
            auto_deploy=True,
            throttle=gateway.ThrottleSettings(
                rate_limit=settings.requests_per_second, burst_limit=settings.burst
            ),
        )
        stage = cast(gateway.CfnStage, self.stage.node.default_child)
        stage.access_log_settings = gateway.CfnStage.AccessLogSettingsProperty(
            destination_arn=self.access_log.log_group_arn,
            format=Stack.of(self).to_json_string(_ACCESS_LOG),
        )

    @property
    def url(self) -> str:
        """Where the API is without CloudFront, with no slash at the end."""
        return self.http_api.api_endpoint

    def _environment(self, settings: Settings, models: Models) -> dict[str, str]:
        environment = {
            "APPARENT_MODEL_URI": models.uri,
            "APPARENT_MAX_BYTES": str(MAX_BYTES),
            "POWERTOOLS_SERVICE_NAME": Stack.of(self).stack_name,  # of its metrics, by stage
        }
        if not settings.direct:
            environment["APPARENT_ORIGIN_SECRET"] = self.origin_secret.value
        return environment

    def _target(self, settings: Settings) -> lambda_.IFunction:
        if not settings.provisioned_concurrency:
            return self.function
        return self.function.add_alias(
            "live", provisioned_concurrent_executions=settings.provisioned_concurrency
        )

    def _log_group(self, id: str, settings: Settings) -> logs.LogGroup:
        return logs.LogGroup(
            self,
            id,
            retention=_RETENTION[settings.log_days],
            removal_policy=RemovalPolicy.DESTROY,
        )


def _cors(settings: Settings) -> gateway.CorsPreflightOptions | None:
    """For the page's origin. Without a domain none: the page asks its own, through CloudFront."""
    if not settings.domain:
        return None
    return gateway.CorsPreflightOptions(
        allow_origins=[f"https://{settings.domain}"],
        allow_methods=[gateway.CorsHttpMethod.GET, gateway.CorsHttpMethod.POST],
        allow_headers=["content-type"],
        max_age=Duration.hours(1),
    )

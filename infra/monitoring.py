"""Dashboard and alarms."""

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.api import Api
from infra.canary import Canary
from infra.firewall import in_cloudfront_s_region
from infra.settings import Settings
from infra.site import Site
from infra.spending import Budget, edge_metrics

_FIVE_MINUTES = Duration.minutes(5)
NAMESPACE = "Apparent"
"""This, the stages and their dimension are those of functions/predict/telemetry.py; ERROR is the
level of what the function could not do. tests/infra/test_monitoring.py holds them together."""


class Monitoring(Construct):
    """Metrics of the API, the function and its log; who is told when one is out of bounds."""

    def __init__(
        self, scope: Construct, id: str, *, settings: Settings, api: Api, site: Site
    ) -> None:
        super().__init__(scope, id)
        self._topic = sns.Topic(self, "Alarms", enforce_ssl=True)
        # A topic with a policy, as enforce_ssl gives it one, lets nobody publish who is not named.
        self._topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[self._topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            )
        )
        if settings.alarm_email:
            self._topic.add_subscription(subscriptions.EmailSubscription(settings.alarm_email))
            if settings.monthly_budget:
                dollars, email = settings.monthly_budget, settings.alarm_email
                Budget(self, "Budget", dollars=dollars, email=email)
        failures = logs.MetricFilter(
            self,
            "ModelFailures",
            log_group=api.log_group,
            filter_pattern=logs.FilterPattern.string_value("$.level", "=", "ERROR"),
            metric_namespace=NAMESPACE,
            metric_name=f"{Stack.of(self).stack_name}-errors",
        ).metric(statistic="Sum", period=_FIVE_MINUTES)
        requests = api.http_api.metric_count(period=_FIVE_MINUTES)
        errors = api.http_api.metric_server_error(period=_FIVE_MINUTES)
        latency = api.http_api.metric_latency(statistic="p95", period=_FIVE_MINUTES)
        throttles = api.function.metric_throttles(period=_FIVE_MINUTES)
        per_hour = api.function.metric_invocations(period=Duration.hours(1))
        self._alarm("ServerErrors", errors, 5, "five answers of 5xx in five minutes")
        self._alarm("Throttles", throttles, 10, "ten requests in five minutes were turned away")
        self._alarm("Latency", latency, 5_000, "one answer in twenty takes over five seconds", 3)
        self._alarm("ModelLoadFailures", failures, 1, "the model could not be loaded")
        self._alarm(
            "Invocations",
            per_hour,
            settings.alarm_requests_per_hour,
            "more requests in an hour than expected, which cost money",
        )
        if in_cloudfront_s_region(self):
            for name, (metric, bound, meaning) in edge_metrics(site).items():
                self._alarm(name, metric, bound, meaning)
        if settings.canary_minutes:
            canary = Canary(self, "Canary", url=site.url, minutes=settings.canary_minutes)
            failed = canary.function.metric_errors(period=Duration.hours(1))
            self._alarm("CanaryFailures", failed, 1, "a portrait was not answered as it should be")
        stages = [self._own(f"{stage}_ms", "p95") for stage in ("decode", "detect", "estimate")]
        statuses = [self._own(f"status_{kind}xx", "Sum") for kind in (2, 4, 5)]
        cloudwatch.Dashboard(self, "Dashboard").add_widgets(
            *(
                cloudwatch.GraphWidget(title=title, left=metrics, width=12)
                for title, metrics in {
                    "Requests, and answers of 5xx": [requests, errors],
                    "Milliseconds to the answer, p50 and p95": [
                        api.http_api.metric_latency(statistic="p50", period=_FIVE_MINUTES),
                        latency,
                    ],
                    "Milliseconds by stage, p95": stages,
                    "Answers of the function, by status": statuses,
                    "Throttles and model-load failures": [throttles, failures],
                }.items()
            )
        )

    @property
    def topic(self) -> sns.Topic:
        """Where alarms are told."""
        return self._topic

    def _own(self, name: str, statistic: str) -> cloudwatch.Metric:
        """A metric that the function prints, of this stack."""
        return cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=name,
            dimensions_map={"service": Stack.of(self).stack_name},
            statistic=statistic,
            period=_FIVE_MINUTES,
        )

    def _alarm(
        self,
        id: str,
        metric: cloudwatch.Metric,
        threshold: float,
        description: str,
        periods: int = 1,
    ) -> None:
        alarm = cloudwatch.Alarm(
            self,
            id,
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=f"{Stack.of(self).stack_name}: {description}.",
        )
        alarm.add_alarm_action(actions.SnsAction(self._topic))

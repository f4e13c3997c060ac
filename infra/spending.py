"""What cannot be capped is watched: CloudFront's traffic, and the bill of the account."""

from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.site import Site

EDGE_REQUESTS_PER_HOUR: Final = 100_000
EDGE_GB_PER_HOUR: Final = 10
"""To visitors or from them; some dollars an hour are spent when it tells."""


def edge_metrics(site: Site) -> dict[str, tuple[cloudwatch.Metric, float, str]]:
    """By an alarm's name: CloudFront's metric, its bound, what it means. In us-east-1 only."""

    def hourly(name: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="AWS/CloudFront",
            metric_name=name,
            dimensions_map={
                "DistributionId": site.distribution.distribution_id,
                "Region": "Global",
            },
            statistic="Sum",
            period=Duration.hours(1),
        )

    gigabytes = EDGE_GB_PER_HOUR * 1e9
    return {
        "EdgeRequests": (
            hourly("Requests"),
            EDGE_REQUESTS_PER_HOUR,
            "CloudFront answers more requests in an hour than expected, which costs money",
        ),
        "EdgeDownloads": (
            hourly("BytesDownloaded"),
            gigabytes,
            "CloudFront sends more in an hour than expected, which costs money",
        ),
        "EdgeUploads": (
            hourly("BytesUploaded"),
            gigabytes,
            "CloudFront takes more in an hour than expected, which costs money",
        ),
    }


class Budget(Construct):
    """Tells of the whole account's bill, actual and forecast; it stops nothing."""

    def __init__(self, scope: Construct, id: str, *, dollars: int, email: str) -> None:
        super().__init__(scope, id)
        told = budgets.CfnBudget.SubscriberProperty(address=email, subscription_type="EMAIL")
        budgets.CfnBudget(
            self,
            "Monthly",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=dollars, unit="USD"),
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        comparison_operator="GREATER_THAN",
                        notification_type=kind,
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[told],
                )
                for kind, percent in (("ACTUAL", 50), ("ACTUAL", 100), ("FORECASTED", 100))
            ],
        )

"""From the alarm to the mail: every link that AWS needs is in the template."""

import json
from typing import Any

import pytest
from aws_cdk.assertions import Template

from tests.infra.conftest import template


def resources(template: Template, kind: str) -> dict[str, Any]:
    return dict(template.find_resources(kind))


def test_every_alarm_reaches_a_mailbox(rich: Template) -> None:
    (topic,) = resources(rich, "AWS::SNS::Topic")
    (policy,) = resources(rich, "AWS::SNS::TopicPolicy").values()
    (subscription,) = resources(rich, "AWS::SNS::Subscription").values()
    alarms = resources(rich, "AWS::CloudWatch::Alarm").values()
    assert len(alarms) == 9
    for alarm in alarms:
        assert alarm["Properties"]["AlarmActions"] == [{"Ref": topic}]
        assert alarm["Properties"].get("ActionsEnabled", True)
    assert policy["Properties"]["Topics"] == [{"Ref": topic}]
    allowed = [
        statement
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]
    (publish,) = allowed
    assert publish["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert publish["Action"] == "sns:Publish"
    assert publish["Resource"] == {"Ref": topic}
    assert publish["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    assert subscription["Properties"]["TopicArn"] == {"Ref": topic}
    assert subscription["Properties"]["Protocol"] == "email"
    assert subscription["Properties"]["Endpoint"] == "someone@example.org"


def test_the_topic_takes_nothing_without_tls(plain: Template) -> None:
    (policy,) = resources(plain, "AWS::SNS::TopicPolicy").values()
    (denial,) = [
        statement
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
    ]
    assert denial["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_a_budget_tells_of_the_account_s_bill_before_it_is_spent(
    plain: Template, rich: Template
) -> None:
    plain.resource_count_is("AWS::Budgets::Budget", 0)  # nobody to tell
    (budget,) = resources(rich, "AWS::Budgets::Budget").values()
    assert budget["Properties"]["Budget"]["BudgetLimit"] == {"Amount": 25, "Unit": "USD"}
    notices = budget["Properties"]["NotificationsWithSubscribers"]
    kinds = {notice["Notification"]["NotificationType"] for notice in notices}
    assert kinds == {"ACTUAL", "FORECASTED"}
    for notice in notices:
        assert notice["Subscribers"] == [
            {"Address": "someone@example.org", "SubscriptionType": "EMAIL"}
        ]


def test_no_budget_for_who_wants_none() -> None:
    bare = template(alarm_email="someone@example.org", monthly_budget="0")
    bare.resource_count_is("AWS::Budgets::Budget", 0)


@pytest.mark.parametrize("metric", ["Requests", "BytesDownloaded", "BytesUploaded"])
def test_cloudfront_s_traffic_is_watched_where_its_metrics_are(
    plain: Template, metric: str
) -> None:
    wanted = {"Properties": {"Namespace": "AWS/CloudFront", "MetricName": metric}}
    (alarm,) = plain.find_resources("AWS::CloudWatch::Alarm", wanted).values()
    dimensions = json.dumps(alarm["Properties"]["Dimensions"])
    assert "DistributionId" in dimensions
    assert '"Value": "Global"' in dimensions


def test_the_canary_s_failures_are_an_alarm(rich: Template) -> None:
    (rule,) = resources(rich, "AWS::Events::Rule").values()
    assert rule["Properties"]["ScheduleExpression"] == "rate(15 minutes)"
    (target,) = rule["Properties"]["Targets"]
    (canary,) = (
        name
        for name, found in resources(rich, "AWS::Lambda::Function").items()
        if "URL" in json.dumps(found["Properties"].get("Environment", {}))
    )
    assert target["Arn"]["Fn::GetAtt"][0] == canary
    watching = [
        alarm["Properties"]["MetricName"]
        for alarm in resources(rich, "AWS::CloudWatch::Alarm").values()
        if canary in json.dumps(alarm)
    ]
    assert watching == ["Errors"]


def test_the_canary_asks_a_running_service(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from infra.canary import CODE

    monkeypatch.setenv("URL", server)
    program: dict[str, Any] = {}
    exec(compile(CODE.read_text(), CODE, "exec"), program)
    assert len(program["handler"]({}, None)) == 12
    monkeypatch.setenv("URL", f"{server}/nothing")
    with pytest.raises(OSError, match="404"):
        program["handler"]({}, None)

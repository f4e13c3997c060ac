"""What an account allows, asked on a real API on loopback and told in a sentence."""

import json
from typing import Any

import boto3
import pytest

from scripts.commands.aws_account import DeployError, account, fitting_concurrency


def template(*reserved: int) -> dict[str, Any]:
    return {
        "Resources": {
            f"F{i}": {
                "Type": "AWS::Lambda::Function",
                "Properties": {"ReservedConcurrentExecutions": number} if number else {},
            }
            for i, number in enumerate(reserved)
        }
    }


class Limited(boto3.Session):  # type: ignore[misc]
    """A session whose account has these limits; moto's are always the same."""

    def __init__(self, most: int, unreserved: int) -> None:
        super().__init__()
        self.limits = {"ConcurrentExecutions": most, "UnreservedConcurrentExecutions": unreserved}

    def client(self, name: str, *args: Any, **kwargs: Any) -> Any:
        client = super().client(name, *args, **kwargs)
        if name == "lambda":
            client.get_account_settings = lambda: {"AccountLimit": self.limits}
        return client


def test_an_ordinary_account_reserves_what_is_wanted(
    s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    del s3
    assert fitting_concurrency(Limited(1000, 1000), "Apparent", template(10, 0), False) == []
    assert "10 of the account's 1000" in capsys.readouterr().out


def test_a_new_account_reserves_none_and_is_told_its_cap(
    s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    del s3
    session = Limited(10, 10)
    arguments = fitting_concurrency(session, "Apparent", template(10), False)
    assert arguments == ["-c", "reserved_concurrency=0"]
    assert "10, of all its functions together, are the cap" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("most", "unreserved", "wanted", "free"),
    [(10, 10, 5, 0), (1000, 105, 10, 5), (110, 110, 11, 10)],
)
def test_a_number_that_does_not_fit_is_refused_with_one_that_does(
    s3: Any, most: int, unreserved: int, wanted: int, free: int
) -> None:
    del s3
    with pytest.raises(DeployError, match=rf"-c reserved_concurrency={free}, or ask AWS"):
        fitting_concurrency(Limited(most, unreserved), "Apparent", template(wanted), True)


def test_batches_that_do_not_fit_are_told_of(s3: Any) -> None:
    del s3
    with pytest.raises(DeployError, match="batch_concurrency of 900 together, or ask AWS"):
        fitting_concurrency(Limited(1000, 1000), "Apparent", template(10, 1000), False)


@pytest.mark.parametrize("chosen", [False, True])
def test_where_no_batch_can_be_reserved_they_are_to_be_left_out(s3: Any, chosen: bool) -> None:
    del s3  # batch_concurrency=0 is refused by the settings
    told = r"Leave out batch_input and batch_output, or ask AWS"
    with pytest.raises(DeployError, match=told):
        fitting_concurrency(Limited(10, 10), "Apparent", template(10, 100), chosen)


def test_what_the_stack_holds_already_counts_as_free(s3: Any) -> None:
    del s3
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    stack = {
        "Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}},
            "F": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Runtime": "python3.13",
                    "Handler": "index.handler",
                    "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                    "Code": {"ZipFile": "def handler(event, context): pass"},
                },
            },
        }
    }
    boto3.client("cloudformation").create_stack(
        StackName="Apparent", TemplateBody=json.dumps(stack)
    )
    (function,) = boto3.client("lambda").list_functions()["Functions"]
    boto3.client("lambda").put_function_concurrency(
        FunctionName=function["FunctionName"], ReservedConcurrentExecutions=10
    )
    assert fitting_concurrency(Limited(1000, 100), "Apparent", template(10), True) == []


def test_an_account_that_is_not_bootstrapped_is_told_the_command(s3: Any) -> None:
    del s3
    with pytest.raises(DeployError, match=r"cdk bootstrap aws://123456789012/"):
        account(None)


def test_a_region_that_does_not_exist_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "us-esat-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(DeployError, match="does not answer in us-esat-1"):
        account(None)

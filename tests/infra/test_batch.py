"""What stand-ins of Step Functions ignore is asserted on the template, and so are its rights."""

import json
from typing import Any

import pytest
from aws_cdk import App
from aws_cdk.assertions import Template

from batch.work import LAST_ROUND, Batch
from infra.batch import TIMEOUT_S
from infra.batch_map import PAUSE_S
from infra.settings import SettingsError, from_context
from tests.infra.conftest import template


@pytest.fixture(scope="module")
def stack() -> Template:
    return template(
        batch_input="s3://photos-in/2026/",
        batch_output="s3://photos-out/apparent/",
        batch_concurrency="40",
        batch_size="50",
        batch_tolerated_percentage="2",
        bucket_helpers="false",
    )


@pytest.fixture(scope="module")
def machine(stack: Template) -> dict[str, Any]:
    (found,) = stack.find_resources("AWS::StepFunctions::StateMachine").values()
    properties: dict[str, Any] = found["Properties"]
    pieces = properties["DefinitionString"]["Fn::Join"][1]
    text = "".join(piece if isinstance(piece, str) else "REFERENCE" for piece in pieces)
    return {**properties, "definition": json.loads(text)}


def maps(machine: dict[str, Any]) -> dict[str, Any]:
    states = machine["definition"]["States"]
    return {name: state for name, state in states.items() if state["Type"] == "Map"}


def test_a_run_is_one_standard_execution_of_express_children(machine: dict[str, Any]) -> None:
    assert machine["StateMachineType"] == "STANDARD"
    assert len(maps(machine)) == 2
    for found in maps(machine).values():
        config = found["ItemProcessor"]["ProcessorConfig"]
        assert config == {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}
        assert found["MaxConcurrency"] == 40
        assert found["ToleratedFailurePercentage"] == 2


def test_it_lists_the_prefix_or_reads_the_list_that_it_is_given(machine: dict[str, Any]) -> None:
    choice = machine["definition"]["States"]["All or a list"]
    (rule,) = choice["Choices"]
    assert (rule["Variable"], rule["IsPresent"]) == ("$.list", True)
    whole, some = (maps(machine)[name] for name in (choice["Default"], rule["Next"]))
    assert whole["ItemReader"]["Resource"].endswith(":states:::s3:listObjectsV2")
    assert whole["ItemReader"]["Parameters"] == {"Bucket": "photos-in", "Prefix.$": "$.prefix"}
    assert some["ItemReader"]["Resource"].endswith(":states:::s3:getObject")
    assert some["ItemReader"]["ReaderConfig"] == {"InputType": "JSONL"}
    assert some["ItemReader"]["Parameters"] == {"Bucket": "photos-out", "Key.$": "$.list"}


def test_batches_are_the_events_that_the_function_takes(machine: dict[str, Any]) -> None:
    given = {"output": "s3://photos-out/apparent/run", "prefix": "2026/", "results": "run/map/1"}
    listed = {"Key": "2026/a.jpg", "Size": 9, "ETag": '"0"', "LastModified": 0.0}
    for found in maps(machine).values():
        assert found["ItemBatcher"]["MaxItemsPerBatch"] == 50
        assert found["ItemBatcher"]["MaxInputBytesPerBatch"] < 256 * 1024
        shared = found["ItemBatcher"]["BatchInput"]
        (selected,) = found["ItemSelector"].items()
        assert selected == ("Key.$", "$$.Map.Item.Value.Key")
        # As Step Functions fills templates in: `name.$` takes what is at the path.
        event = {
            "BatchInput": {
                name.removesuffix(".$"): given[value.removeprefix("$.")]
                if name.endswith(".$")
                else value
                for name, value in shared.items()
            },
            "Items": [{"Key": listed["Key"]}],
        }
        batch = Batch.model_validate(event)
        assert batch.BatchInput.bucket == "photos-in"
        assert batch.BatchInput.output == given["output"]


def test_results_are_written_although_the_cdk_leaves_them_out_unasked(
    machine: dict[str, Any],
) -> None:
    for found in maps(machine).values():
        writer = found["ResultWriter"]
        assert writer["Resource"].endswith(":states:::s3:putObject")
        assert writer["Parameters"] == {"Bucket": "photos-out", "Prefix.$": "$.results"}
        assert writer["WriterConfig"] == {"OutputType": "JSONL", "Transformation": "NONE"}


def test_throttling_is_waited_out_with_backoff(machine: dict[str, Any]) -> None:
    for found in maps(machine).values():
        states = found["ItemProcessor"]["States"]
        (task,) = (state for state in states.values() if state["Type"] == "Task")
        throttling, others = task["Retry"]
        assert "Lambda.TooManyRequestsException" in throttling["ErrorEquals"]
        assert throttling["BackoffRate"] > 1
        assert throttling["JitterStrategy"] == "FULL"
        assert others["ErrorEquals"] == ["States.TaskFailed"]
        assert others["MaxAttempts"] <= 2


def test_what_is_unfinished_goes_round_and_ends_within_a_child_s_five_minutes(
    machine: dict[str, Any], stack: Template
) -> None:
    for found in maps(machine).values():
        states = found["ItemProcessor"]["States"]
        (rest,) = (state for state in states.values() if state["Type"] == "Choice")
        (rule,) = rest["Choices"]
        assert (rule["Variable"], rule["NumericGreaterThan"]) == ("$.unfinished", 0)
        assert states[rule["Next"]]["Next"] == found["ItemProcessor"]["StartAt"]
        assert states[rest["Default"]]["Type"] == "Succeed"
    assert (LAST_ROUND + 1) * TIMEOUT_S + LAST_ROUND * PAUSE_S <= 300
    stack.has_resource_properties(
        "AWS::Lambda::Function",
        {
            "ImageConfig": {"Command": ["batch.handler.handler"]},
            "Timeout": TIMEOUT_S,
            "ReservedConcurrentExecutions": 40,
        },
    )


def test_both_functions_are_of_one_image(stack: Template) -> None:
    found = stack.find_resources("AWS::Lambda::Function", {"Properties": {"PackageType": "Image"}})
    images = {json.dumps(each["Properties"]["Code"], sort_keys=True) for each in found.values()}
    assert (len(found), len(images)) == (2, 1)


def test_it_reads_and_writes_below_its_prefixes_and_nowhere_else(stack: Template) -> None:
    objects, lists = set(), set()
    policies = stack.find_resources("AWS::IAM::Policy")
    for name, policy in policies.items():
        if not name.startswith("Batch"):
            continue
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            actions = statement["Action"]
            actions = [actions] if isinstance(actions, str) else actions
            resources = statement["Resource"]
            resources = resources if isinstance(resources, list) else [resources]
            if "s3:ListBucket" in actions:
                lists.add(statement["Condition"]["StringLike"]["s3:prefix"][0])
            for resource in resources:
                if isinstance(resource, str) and ":s3:::" in resource and "/" in resource:
                    objects |= {(action, resource.partition(":::")[2]) for action in actions}
            assert resources != ["*"] or all(action.startswith("logs:") for action in actions)
    assert {pair for pair in objects if pair[0] in ("s3:GetObject", "s3:PutObject")} == {
        ("s3:GetObject", "photos-in/2026/*"),
        ("s3:GetObject", "photos-out/apparent/*"),
        ("s3:PutObject", "photos-out/apparent/*"),
    }
    assert not [pair for pair in objects if pair[0] == "s3:DeleteObject"]
    assert lists == {"2026/*", "apparent/*"}


def test_somebody_is_told_of_failed_runs_and_keys_stay_out_of_logs(
    stack: Template, machine: dict[str, Any]
) -> None:
    for metric in ("ExecutionsFailed", "ExecutionsTimedOut"):
        stack.has_resource_properties("AWS::CloudWatch::Alarm", {"MetricName": metric})
    assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False


def test_there_is_nothing_of_it_where_nobody_asked(plain: Template) -> None:
    plain.resource_count_is("AWS::StepFunctions::StateMachine", 0)


def test_input_and_output_go_together() -> None:
    with pytest.raises(SettingsError, match="batch_input and batch_output"):
        from_context(App(context={"batch_input": "s3://photos/"}))

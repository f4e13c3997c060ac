"""The state machine of large collections: which photos, in which batches, what is tried again."""

from typing import Final

from aws_cdk import Acknowledgment, Duration, Validations
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from infra.settings import Settings

PAUSE_S: Final = 5
"""Between the rounds of a batch, for S3 to recover."""
THROTTLING: Final = [
    "Lambda.TooManyRequestsException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
]
"""The first is not in the CDK's own retries."""


def definition(
    scope: Construct,
    settings: Settings,
    function: lambda_.IFunction,
    source: s3.IBucket,
    target: s3.IBucket,
) -> sfn.Choice:
    """Takes `prefix`, of the photos; `output`, an S3 URI for answers; `results`, a prefix of the
    output's bucket for what the map itself writes. With `list`, the key in that bucket of a JSON
    Lines file of `{"Key"}`, those photos are done instead of all below the prefix.
    """
    path = sfn.JsonPath.string_at
    readers: dict[str, sfn.IItemReader] = {
        "Prefix": sfn.S3ObjectsItemReader(bucket=source, prefix=path("$.prefix")),
        "List": sfn.S3JsonLItemReader(bucket=target, key=path("$.list")),
    }
    maps = {}
    for name, reader in readers.items():
        maps[name] = sfn.DistributedMap(
            scope,
            f"{name} map",
            map_execution_type=sfn.StateMachineType.EXPRESS,
            max_concurrency=settings.batch_concurrency,
            item_reader=reader,
            item_selector={"Key": path("$$.Map.Item.Value.Key")},
            item_batcher=sfn.ItemBatcher(
                max_items_per_batch=settings.batch_size,
                max_input_bytes_per_batch=200_000,  # keys may be long; a state has 256 KiB
                # The CDK makes no paths of what is in here.
                batch_input={
                    "bucket": source.bucket_name,
                    "output.$": "$.output",
                    "run.$": "$.results",
                },
            ),
            tolerated_failure_percentage=settings.batch_tolerated_percentage,
            result_writer_v2=sfn.ResultWriterV2(
                bucket=target,
                prefix=path("$.results"),
                writer_config=sfn.WriterConfig(
                    transformation=sfn.Transformation.NONE, output_type=sfn.OutputType.JSONL
                ),
            ),
        )
        maps[name].item_processor(
            _batch(scope, name, function),
            mode=sfn.ProcessorMode.DISTRIBUTED,
            execution_type=sfn.ProcessorType.EXPRESS,
        )
        warning = "Annotation::@aws-cdk/aws-stepfunctions:propertyIgnored"
        reason = "The CDK wants the type of executions in both places, and warns of it in both."
        Validations.of(maps[name]).acknowledge(Acknowledgment(id=warning, reason=reason))
    choice = sfn.Choice(scope, "All or a list")
    return choice.when(sfn.Condition.is_present("$.list"), maps["List"]).otherwise(maps["Prefix"])


def _batch(scope: Construct, name: str, function: lambda_.IFunction) -> sfn.IChainable:
    """A batch in rounds, until nothing of it is unfinished; the function ends them."""
    invoke = tasks.LambdaInvoke(
        scope,
        f"{name} batch",
        lambda_function=function,
        payload_response_only=True,
        retry_on_service_exceptions=False,  # ours name more
    )
    invoke.add_retry(
        errors=THROTTLING,
        interval=Duration.seconds(1),
        backoff_rate=2,
        max_delay=Duration.seconds(20),
        max_attempts=8,
        jitter_strategy=sfn.JitterType.FULL,
    )
    invoke.add_retry(
        errors=["States.TaskFailed"],  # S3 refused a part, or the function was stopped
        interval=Duration.seconds(2),
        backoff_rate=2,
        max_attempts=2,
        jitter_strategy=sfn.JitterType.FULL,
    )
    pause = sfn.Wait(scope, f"{name} pause", time=sfn.WaitTime.duration(Duration.seconds(PAUSE_S)))
    rest = sfn.Choice(scope, f"{name} rest")
    rest.when(sfn.Condition.number_greater_than("$.unfinished", 0), pause.next(invoke))
    rest.otherwise(sfn.Succeed(scope, f"{name} done"))
    return invoke.next(rest)

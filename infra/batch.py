"""Large collections: a Step Functions Distributed Map over a bucket's photos, off unless asked for.

The map lists a prefix (or reads a list of keys), cuts it into batches, and gives each to the other
function of the image, which writes answers and failures to the output itself.
"""

from typing import Final

from aws_cdk import (
    Acknowledgment,
    ArnFormat,
    Aws,
    Duration,
    RemovalPolicy,
    Stack,
    Token,
    Validations,
)
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.batch_map import definition
from infra.function import architecture, image
from infra.models import Models
from infra.settings import Settings

TIMEOUT_S: Final = 60
"""Of the function; with the rounds of functions/batch/work.py, an Express child's five minutes."""
RESULT_FLAG: Final = "@aws-cdk/aws-stepfunctions:useDistributedMapResultWriterV2"
"""Without it the CDK leaves `result_writer_v2` out, and says nothing."""
_COLONS: Final = ArnFormat.COLON_RESOURCE_NAME
_LOG_DELIVERY: Final = [
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
]
"""What Step Functions' guide asks for; AWS lets none of it be bound to a resource."""


class Batch(Construct):
    """Function, state machine, their roles, logs and alarms."""

    def __init__(
        self, scope: Construct, id: str, *, settings: Settings, models: Models, alarms: sns.ITopic
    ) -> None:
        super().__init__(scope, id)
        self.node.set_context(RESULT_FLAG, True)
        source, self._prefix = split(settings.batch_input)
        target, self._output = split(settings.batch_output)
        self._source = s3.Bucket.from_bucket_name(self, "Input", source)
        self._target = s3.Bucket.from_bucket_name(self, "Output", target)
        self._settings = settings
        self._name = f"{Stack.of(self).stack_name}-batch"
        self.function = self._function(models)
        self.machine = self._machine(self._machine_role())
        self._alarm(
            "Failed", self.machine.metric_failed(), 1, "a run over a collection failed", alarms
        )
        self._alarm("Timeouts", self.machine.metric_timed_out(), 1, "a run took too long", alarms)
        errors = self.function.metric_errors(period=Duration.minutes(5))
        self._alarm(
            "Errors", errors, 20, "twenty batches ended in an error in five minutes", alarms
        )

    def _function(self, models: Models) -> lambda_.DockerImageFunction:
        settings = self._settings
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log_group = self._log_group("FunctionLogs")
        log_group.grant_write(role)
        models.grant_read(role)
        self._allow_reading(role)
        self._allow_objects(role, "s3:PutObject", self._target, self._output)
        function = lambda_.DockerImageFunction(
            self,
            "Function",
            description="Apparent ages and perceived genders of a batch of photos on S3.",
            code=image(settings, ["batch.handler.handler"]),
            architecture=architecture(settings),
            memory_size=settings.memory_mb,
            timeout=Duration.seconds(TIMEOUT_S),
            reserved_concurrent_executions=settings.batch_concurrency,
            environment={"APPARENT_MODEL_URI": models.uri},
            log_group=log_group,
            role=role,
        )
        if models.deployment is not None:
            function.node.add_dependency(models.deployment)
        return function

    def _machine_role(self) -> iam.Role:
        """Ours, as the CDK's would let it read and write whole buckets."""
        role = iam.Role(
            self, "MachineRole", assumed_by=iam.ServicePrincipal("states.amazonaws.com")
        )
        self._allow_reading(role)
        for action in ("PutObject", "ListMultipartUploadParts", "AbortMultipartUpload"):
            self._allow_objects(role, f"s3:{action}", self._target, self._output)  # its results
        stack, name = Stack.of(self), self._name
        executions = stack.format_arn(
            service="states", resource="execution", resource_name=f"{name}*", arn_format=_COLONS
        )
        machine = stack.format_arn(
            service="states", resource="stateMachine", resource_name=name, arn_format=_COLONS
        )
        for actions_, resource in (
            (["lambda:InvokeFunction"], self.function.function_arn),
            (["states:StartExecution", "states:RedriveExecution"], machine),
            (
                ["states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"],
                executions,
            ),
            (_LOG_DELIVERY, "*"),
        ):
            statement = iam.PolicyStatement(actions=actions_, resources=[resource])
            role.add_to_principal_policy(statement)
        _acknowledge(role, "IAM5[Resource::*]", "Log deliveries have no names to be told by.")
        named = f"states:{_told(stack.region)}:{_told(stack.account)}:execution:{name}*"
        _acknowledge(role, _wildcard(stack, named), "The map's children, whom AWS names.")
        return role

    def _machine(self, role: iam.Role) -> sfn.StateMachine:
        machine = sfn.StateMachine(
            self,
            "Machine",
            state_machine_name=self._name,
            role=role.without_policy_updates(),
            state_machine_type=sfn.StateMachineType.STANDARD,
            definition_body=sfn.DefinitionBody.from_chainable(
                definition(self, self._settings, self.function, self._source, self._target)
            ),
            timeout=Duration.days(7),
            logs=sfn.LogOptions(
                destination=self._log_group("MachineLogs"),
                level=sfn.LogLevel.ALL,
                include_execution_data=False,  # keys may be names
            ),
        )
        machine.node.try_remove_child("DistributedMapPolicy")  # ours stands in its place
        machine.node.add_dependency(role)  # with its policy, which a run needs from its first state
        _acknowledge(machine, "SF2", "Traces of batches by the thousand would cost more than tell.")
        return machine

    def _allow_reading(self, role: iam.Role) -> None:
        """The photos and the output, and whether there is an object at all."""
        self._allow_objects(role, "s3:GetObject", self._source, self._prefix)
        self._allow_objects(role, "s3:GetObject", self._target, self._output)
        for bucket, prefix in ((self._source, self._prefix), (self._target, self._output)):
            role.add_to_principal_policy(
                iam.PolicyStatement(
                    actions=["s3:ListBucket"],
                    resources=[bucket.bucket_arn],
                    conditions={"StringLike": {"s3:prefix": [f"{prefix}*"]}},
                )
            )

    @staticmethod
    def _allow_objects(role: iam.Role, action: str, bucket: s3.IBucket, prefix: str) -> None:
        objects = bucket.arn_for_objects(f"{prefix}*")
        role.add_to_principal_policy(iam.PolicyStatement(actions=[action], resources=[objects]))
        found = _wildcard(Stack.of(role), f"s3:::{bucket.bucket_name}/{prefix}*")
        _acknowledge(role, found, "What is below a prefix that was named for it.")

    def _log_group(self, id: str) -> logs.LogGroup:
        return logs.LogGroup(
            self,
            id,
            # Step Functions' rules of resource policies want this name.
            log_group_name=f"/aws/vendedlogs/states/{self._name}" if id == "MachineLogs" else None,
            retention=logs.RetentionDays.ONE_MONTH,
            removal_policy=RemovalPolicy.DESTROY,
        )

    def _alarm(
        self, id: str, metric: cloudwatch.Metric, threshold: int, what: str, topic: sns.ITopic
    ) -> None:
        alarm = metric.create_alarm(
            self,
            id,
            threshold=threshold,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=f"{Stack.of(self).stack_name}: {what}.",
        )
        alarm.add_alarm_action(actions.SnsAction(topic))


def _wildcard(stack: Stack, rest_of_arn: str) -> str:
    """As cdk-nag tells of it: the CDK writes out the partition of a region that it knows."""
    partition = "<AWS::Partition>" if Token.is_unresolved(stack.region) else "aws"
    return f"IAM5[Resource::arn:{partition}:{rest_of_arn}]"


def _told(value: str) -> str:
    names = {Aws.REGION: "<AWS::Region>", Aws.ACCOUNT_ID: "<AWS::AccountId>"}
    return names.get(value, value)


def _acknowledge(construct: Construct, finding: str, reason: str) -> None:
    acknowledgment = Acknowledgment(id=f"AwsSolutions::AwsSolutions-{finding}", reason=reason)
    Validations.of(construct).acknowledge(acknowledgment)


def split(uri: str) -> tuple[str, str]:
    """Bucket and prefix of `s3://bucket/prefix/`."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    return bucket, prefix

"""What cdk-nag's AwsSolutions rules find and is meant to be so, each with its reason."""

from typing import Final

from aws_cdk import Acknowledgment, Stack, Token, Validations
from aws_cdk import aws_s3 as s3
from constructs import IConstruct

from infra.firewall import requests_allowed
from infra.settings import Settings

_UPLOADER: Final = "Custom::CDKBucketDeployment"
_UPLOADER_REASONS: Final = {
    "IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole]": (
        "The CDK's own function, which runs while a stack is deployed; its role cannot be chosen "
        "piece by piece."
    ),
    "L1": "The CDK's own function; its runtime comes with the CDK's version.",
}
_UPLOADER_WILDCARDS: Final = (
    "Action::s3:GetObject*",
    "Action::s3:GetBucket*",
    "Action::s3:List*",
    "Action::s3:DeleteObject*",
    "Action::s3:Abort*",
    "Resource::*",
)
_NO_ACCESS_LOG: Final = (
    "What is in this bucket is public code or a published model, and only CloudFront, the function "
    "and deployments can reach it; a log of visitors' requests would cost them privacy."
)


def acknowledge(stack: Stack, settings: Settings) -> None:
    """Writes the reasons into the stack; anything else that is found stops the synthesis."""
    for construct in stack.node.find_all():
        path = construct.node.path
        if construct.node.id.startswith(_UPLOADER):
            for finding in (*_UPLOADER_REASONS, *_wildcards(stack)):
                reason = _UPLOADER_REASONS.get(finding, "Fills the two buckets, and no others.")
                _acknowledge(construct, finding, reason)
        elif path.endswith(("Models/Bucket", "Site/Bucket")):
            _acknowledge(construct, "S1", _NO_ACCESS_LOG)
        elif path.endswith("Api/HttpApi"):
            _acknowledge(
                construct,
                "APIG4",
                "Anyone may try it: the page has no accounts. The function answers only what came "
                "through CloudFront, where a firewall counts by address; throttling and reserved "
                "concurrency bound the rest, and a budget tells.",
            )
        elif path.endswith("Origin/Secret"):
            _acknowledge(
                construct,
                "SMG4",
                "It guards no data, only the way that requests come; CloudFront and "
                "the function would have to get another one at once.",
            )
        elif path.endswith(("Api/Role", "Batch/Role")):
            (models,) = (
                b for b in _buckets(stack) if b.node.path.endswith("Models/Bucket/Resource")
            )
            readable = f"IAM5[Resource::<{stack.get_logical_id(models)}.Arn>/models/*]"
            _acknowledge(construct, readable, "Models are published, and one follows another.")
            if settings.tracing:
                _acknowledge(construct, "IAM5[Resource::*]", "X-Ray has no resources to name.")
        elif path.endswith("Site/Distribution"):
            _acknowledge(construct, "CFR1", "The page is meant for visitors of every country.")
            _acknowledge(
                construct,
                "CFR3",
                "API Gateway's log has what operation needs; CloudFront's would hold visitors' "
                "addresses.",
            )
            if not requests_allowed(stack, settings):
                _acknowledge(construct, "CFR2", "Switched off, or in a region that has none.")
            if not settings.domain:
                _acknowledge(
                    construct,
                    "CFR4",
                    "CloudFront sets the TLS version of its own domain; with domain and "
                    "certificate_arn it is TLS 1.2 at least.",
                )


def _wildcards(stack: Stack) -> list[str]:
    own = [f"Resource::<{stack.get_logical_id(bucket)}.Arn>/*" for bucket in _buckets(stack)]
    account = "<AWS::AccountId>" if Token.is_unresolved(stack.account) else stack.account
    region = "<AWS::Region>" if Token.is_unresolved(stack.region) else stack.region
    # Where the region is known the CDK writes its partition out.
    partition = "<AWS::Partition>" if Token.is_unresolved(stack.region) else "aws"
    assets = f"Resource::arn:{partition}:s3:::cdk-hnb659fds-assets-{account}-{region}/*"
    return [f"IAM5[{what}]" for what in (*_UPLOADER_WILDCARDS, assets, *own)]


def _buckets(stack: Stack) -> list[s3.CfnBucket]:
    return [node for node in stack.node.find_all() if isinstance(node, s3.CfnBucket)]


def _acknowledge(construct: IConstruct, finding: str, reason: str) -> None:
    acknowledgment = Acknowledgment(id=f"AwsSolutions::AwsSolutions-{finding}", reason=reason)
    Validations.of(construct).acknowledge(acknowledgment)

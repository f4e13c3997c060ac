"""The models: a private bucket, each model below its content hash."""

import tempfile
from pathlib import Path
from typing import Final

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_deployment as deployment
from constructs import Construct

from apparent.model import MANIFEST, store

PREFIX: Final = "models"
UPLOADER_MEMORY: Final = 512
"""MB; one figure for all uploads, so that they share one function."""
_HELPER_LOGS: Final = "UploaderLogs"


class Models(Construct):
    """The bucket, with the embedded model in it; models of earlier deployments stay."""

    def __init__(
        self, scope: Construct, id: str, *, folder: Path, keep: bool, helpers: bool
    ) -> None:
        """`folder` is verified here: a stack with an unsound model is never made."""
        super().__init__(scope, id)
        bundle = store.load(folder.resolve().as_uri())
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            versioned=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            removal_policy=RemovalPolicy.RETAIN if keep else RemovalPolicy.DESTROY,
            auto_delete_objects=helpers and not keep,
        )
        self.uri = f"s3://{self.bucket.bucket_name}/{PREFIX}/{bundle.content_hash}/"
        self.deployment: deployment.BucketDeployment | None = None
        """What brings the files, where it does: whoever reads them waits for it."""
        if helpers:
            with tempfile.TemporaryDirectory() as staged:
                # What the manifest lists, verified, and the detector where the folder has none.
                for file in bundle.manifest.listed():
                    (Path(staged) / file.path).write_bytes(bundle.read(file))
                (Path(staged) / MANIFEST).write_bytes((folder / MANIFEST).read_bytes())
                self.deployment = deployment.BucketDeployment(
                    self,
                    "Deployment",
                    sources=[deployment.Source.asset(staged)],
                    destination_bucket=self.bucket,
                    destination_key_prefix=f"{PREFIX}/{bundle.content_hash}",
                    prune=False,  # an object below a content hash never changes
                    retain_on_delete=True,  # else a new hash would take the old model with it
                    memory_limit=UPLOADER_MEMORY,
                    log_group=helper_logs(self),
                )

    def grant_read(self, role: iam.IRole) -> None:
        """Lets a role read all models, and nothing else of the bucket.

        All: while a deployment goes on, functions start with the model before, and with the next.
        """
        role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["s3:GetObject"],
                resources=[self.bucket.arn_for_objects(f"{PREFIX}/*")],
            )
        )


def helper_logs(scope: Construct) -> logs.ILogGroup:
    """The one log of the uploads, which share a function; it expires, as Lambda's own do not."""
    stack = Stack.of(scope)
    found = stack.node.try_find_child(_HELPER_LOGS)
    if isinstance(found, logs.LogGroup):
        return found
    return logs.LogGroup(
        stack,
        _HELPER_LOGS,
        retention=logs.RetentionDays.ONE_MONTH,
        removal_policy=RemovalPolicy.DESTROY,
    )

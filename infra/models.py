"""The models: a private bucket, each model below its content hash."""

from pathlib import Path
from typing import Final

from aws_cdk import RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_deployment as deployment
from constructs import Construct

from apparent.model import MANIFEST, store

PREFIX: Final = "models"
UPLOADER_MEMORY: Final = 512
"""MB; one figure for all uploads, so that they share one function."""


class Models(Construct):
    """The bucket, with the embedded model in it; models of earlier deployments stay."""

    def __init__(
        self, scope: Construct, id: str, *, folder: Path, keep: bool, helpers: bool
    ) -> None:
        """`folder` is verified here: a stack with an unsound model is never made."""
        super().__init__(scope, id)
        bundle = store.load(folder.resolve().as_uri())
        self._files = [MANIFEST, *(file.path for file in bundle.manifest.listed())]
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
        self._path = f"{PREFIX}/{bundle.content_hash}"
        self.uri = f"s3://{self.bucket.bucket_name}/{self._path}/"
        self.deployment: deployment.BucketDeployment | None = None
        """What brings the files, where it does: whoever reads them waits for it."""
        if helpers:
            others = [path.name for path in folder.iterdir()]
            self.deployment = deployment.BucketDeployment(
                self,
                "Deployment",
                sources=[
                    deployment.Source.asset(
                        str(folder),
                        exclude=[name for name in others if name not in self._files],
                    )
                ],
                destination_bucket=self.bucket,
                destination_key_prefix=self._path,
                prune=False,  # an object below a content hash never changes
                retain_on_delete=True,  # else a new hash would take the old model with it
                memory_limit=UPLOADER_MEMORY,
            )

    def grant_read(self, role: iam.IRole) -> None:
        """Lets a role read this model's objects and nothing else of the bucket."""
        role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["s3:GetObject"],
                resources=[
                    self.bucket.arn_for_objects(f"{self._path}/{name}") for name in self._files
                ],
            )
        )

"""What all functions of the service have in common: one image, for one kind of processor."""

from typing import Final

from aws_cdk import DockerBuildSecret
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_lambda as lambda_

from infra.image import CONTEXT, DOCKERFILE, build_arguments, build_secrets
from infra.settings import Settings

_ARCHITECTURES: Final = {
    "x86_64": (lambda_.Architecture.X86_64, ecr_assets.Platform.LINUX_AMD64),
    "arm64": (lambda_.Architecture.ARM_64, ecr_assets.Platform.LINUX_ARM64),
}


def architecture(settings: Settings) -> lambda_.Architecture:
    """The one chosen."""
    return _ARCHITECTURES[settings.architecture][0]


def image(settings: Settings, command: list[str] | None = None) -> lambda_.DockerImageCode:
    """The image, which is built and uploaded once, whatever `command` it is started with."""
    return lambda_.DockerImageCode.from_image_asset(
        str(CONTEXT),
        file=DOCKERFILE,
        platform=_ARCHITECTURES[settings.architecture][1],
        build_args=build_arguments(),
        build_secrets={
            name: DockerBuildSecret.from_src(path) for name, path in build_secrets().items()
        },
        # What a machine reaches its packages by does not make another image.
        invalidation=ecr_assets.DockerImageAssetInvalidationOptions(build_secrets=False),
        cmd=command,
    )

"""The stack: the service as CloudFormation gets it."""

from typing import Any

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from infra.api import Api
from infra.models import Models
from infra.monitoring import Monitoring
from infra.settings import Settings
from infra.site import Site


class ApparentStack(Stack):
    """Models, API, page and monitoring, in the order in which they need each other."""

    def __init__(self, scope: Construct, settings: Settings, **options: Any) -> None:
        super().__init__(
            scope, settings.stack, description="Apparent: how old faces in photos look.", **options
        )
        self.models = Models(
            self,
            "Models",
            folder=settings.model_folder,
            keep=settings.keep_models,
            helpers=settings.bucket_helpers,
        )
        self.api = Api(self, "Api", settings=settings, models=self.models)
        self.site = Site(self, "Site", settings=settings, api=self.api)
        self.monitoring = Monitoring(self, "Monitoring", settings=settings, api=self.api)
        CfnOutput(self, "SiteUrl", value=self.site.url)
        CfnOutput(self, "ApiUrl", value=self.api.url)
        CfnOutput(self, "ModelUri", value=self.models.uri)

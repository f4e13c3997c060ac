"""The stack: the service as CloudFormation gets it."""

from typing import Any, Final

from aws_cdk import CfnOutput, CfnResource, Stack, Tags
from constructs import Construct

from infra.api import Api
from infra.batch import Batch
from infra.models import Models, helper_logs
from infra.monitoring import Monitoring
from infra.settings import Settings
from infra.site import Site

_UNTAGGED: Final = ["AWS::CloudFront::Function", "AWS::CloudWatch::Dashboard"]
"""What cfn-lint says has no tags."""
_EMPTIER: Final = "Custom::S3AutoDeleteObjectsCustomResourceProvider"
"""The CDK's own function that empties buckets; nothing but this gives its log an end."""


class ApparentStack(Stack):
    """Models, API, page and monitoring, in the order in which they need each other.

    Without a service, the page alone.
    """

    def __init__(self, scope: Construct, settings: Settings, **options: Any) -> None:
        super().__init__(
            scope, settings.stack, description="Apparent: how old faces in photos look.", **options
        )
        for tag, value in {"Project": "Apparent", "Stack": settings.stack}.items():
            Tags.of(self).add(tag, value, exclude_resource_types=_UNTAGGED)
        if settings.service:
            self._serve(settings)
        else:
            self.site = Site(self, "Site", settings=settings, api=None)
        emptier = self.node.try_find_child(_EMPTIER)
        handler = emptier and emptier.node.try_find_child("Handler")
        if isinstance(handler, CfnResource):
            log = {"LogGroup": helper_logs(self).log_group_name}
            handler.add_property_override("LoggingConfig", log)
        CfnOutput(self, "SiteUrl", value=self.site.url)

    def _serve(self, settings: Settings) -> None:
        models = Models(
            self,
            "Models",
            folder=settings.model_folder,
            keep=settings.keep_models,
            helpers=settings.bucket_helpers,
        )
        api = Api(self, "Api", settings=settings, models=models)
        self.site = Site(self, "Site", settings=settings, api=api)
        monitoring = Monitoring(self, "Monitoring", settings=settings, api=api, site=self.site)
        if settings.batch_input:
            topic = monitoring.topic
            batch = Batch(self, "Batch", settings=settings, models=models, alarms=topic)
            CfnOutput(self, "BatchMachine", value=batch.machine.state_machine_arn)
        if settings.direct:
            CfnOutput(self, "ApiUrl", value=api.url)
        CfnOutput(self, "ModelUri", value=models.uri)

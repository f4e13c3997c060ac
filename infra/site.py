"""The page: a private bucket behind CloudFront, and the API on the same domain."""

import json
from pathlib import Path
from typing import Final

from aws_cdk import Duration, Fn, RemovalPolicy, Stack, Token
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_deployment as deployment
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from infra.api import Api
from infra.models import UPLOADER_MEMORY
from infra.settings import Settings, SettingsError

FOLDER: Final = Path(__file__).parents[1] / "site"
HEADERS_FILE: Final = "headers.json"
"""Of the folder: the page's security headers, on CloudFront and on `scripts/serve` alike."""
_NOT_SERVED: Final = [HEADERS_FILE, "*.md", "*.d.ts"]
"""What of the folder is for developers, in folders below it, too."""
_PAGES: Final = ["*.html", "*.js", "*.css"]
"""Asked for anew each time: they belong together, and keep their names from release to release."""
_KEPT_MINUTES: Final = 60
"""How long browsers keep the rest, the pictures."""


class Site(Construct):
    """Bucket, distribution and, where wished, a firewall."""

    def __init__(self, scope: Construct, id: str, *, settings: Settings, api: Api) -> None:
        super().__init__(scope, id)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            removal_policy=RemovalPolicy.DESTROY,
            auto_delete_objects=settings.bucket_helpers,
        )
        headers = self._headers(json.loads((FOLDER / HEADERS_FILE).read_text()))
        self.distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment="Apparent",
            default_root_object="index.html",
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            minimum_protocol_version=cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021
            if settings.domain
            else None,  # CloudFront has its own for its own domain
            domain_names=[settings.domain] if settings.domain else None,
            certificate=acm.Certificate.from_certificate_arn(
                self, "Certificate", settings.certificate_arn
            )
            if settings.domain
            else None,
            web_acl_id=self._firewall(settings.waf_requests) if settings.waf_requests else None,
            default_behavior=cloudfront.BehaviorOptions(
                origin=origins.S3BucketOrigin.with_origin_access_control(self.bucket),
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
                cache_policy=cloudfront.CachePolicy.CACHING_OPTIMIZED,
                response_headers_policy=headers,
                compress=True,
            ),
            additional_behaviors={
                "/api/*": cloudfront.BehaviorOptions(
                    origin=origins.HttpOrigin(Fn.select(2, Fn.split("/", api.url))),
                    viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
                    allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
                    cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
                    origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
                    response_headers_policy=headers,
                )
            },
        )
        if settings.bucket_helpers:
            self._upload("Pages", include=_PAGES, cache=[deployment.CacheControl.no_cache()])
            minutes = deployment.CacheControl.max_age(Duration.minutes(_KEPT_MINUTES))
            self._upload("Assets", exclude=_PAGES, cache=[minutes])

    @property
    def url(self) -> str:
        """Where CloudFront serves the page, whatever other names it has."""
        return f"https://{self.distribution.distribution_domain_name}"

    def _headers(self, headers: dict[str, str]) -> cloudfront.ResponseHeadersPolicy:
        return cloudfront.ResponseHeadersPolicy(
            self,
            "Headers",
            custom_headers_behavior=cloudfront.ResponseCustomHeadersBehavior(
                custom_headers=[
                    cloudfront.ResponseCustomHeader(
                        header="Permissions-Policy",
                        value=headers["Permissions-Policy"],
                        override=True,
                    )
                ]
            ),
            security_headers_behavior=cloudfront.ResponseSecurityHeadersBehavior(
                content_security_policy=cloudfront.ResponseHeadersContentSecurityPolicy(
                    content_security_policy=headers["Content-Security-Policy"],
                    override=False,  # the API's documentation has a stricter one of its own
                ),
                content_type_options=cloudfront.ResponseHeadersContentTypeOptions(override=True),
                frame_options=cloudfront.ResponseHeadersFrameOptions(
                    frame_option=cloudfront.HeadersFrameOption.DENY, override=True
                ),
                referrer_policy=cloudfront.ResponseHeadersReferrerPolicy(
                    referrer_policy=cloudfront.HeadersReferrerPolicy.NO_REFERRER, override=True
                ),
                strict_transport_security=cloudfront.ResponseHeadersStrictTransportSecurity(
                    access_control_max_age=Duration.days(365),
                    include_subdomains=True,
                    override=True,
                ),
            ),
        )

    def _firewall(self, requests: int) -> str:
        """Blocks an address that sends more in five minutes; returns the firewall's ARN."""
        region = Stack.of(self).region
        if not Token.is_unresolved(region) and region != "us-east-1":
            raise SettingsError(
                "A firewall for CloudFront exists in us-east-1 only. Deploy there, or leave "
                "waf_requests at 0."
            )

        def visibility(name: str) -> waf.CfnWebACL.VisibilityConfigProperty:
            return waf.CfnWebACL.VisibilityConfigProperty(
                cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=False
            )

        rate = waf.CfnWebACL.RateBasedStatementProperty(aggregate_key_type="IP", limit=requests)
        rule = waf.CfnWebACL.RuleProperty(
            name="rate",
            priority=0,
            action=waf.CfnWebACL.RuleActionProperty(block={}),
            statement=waf.CfnWebACL.StatementProperty(rate_based_statement=rate),
            visibility_config=visibility("rate"),
        )
        acl = waf.CfnWebACL(
            self,
            "Firewall",
            scope="CLOUDFRONT",
            default_action=waf.CfnWebACL.DefaultActionProperty(allow={}),
            rules=[rule],
            visibility_config=visibility("apparent"),
        )
        return acl.attr_arn

    def _upload(
        self,
        id: str,
        *,
        cache: list[deployment.CacheControl],
        include: list[str] | None = None,
        exclude: list[str] | None = None,
    ) -> None:
        """One kind of files; only the distribution's copies of them are thrown away."""
        deployment.BucketDeployment(
            self,
            id,
            sources=[deployment.Source.asset(str(FOLDER), exclude=_NOT_SERVED)],
            destination_bucket=self.bucket,
            exclude=["*"] if include else exclude,
            include=include,
            cache_control=cache,
            prune=False,
            distribution=self.distribution,
            distribution_paths=["/*"],
            memory_limit=UPLOADER_MEMORY,
        )

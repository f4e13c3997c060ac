"""The page: a private bucket behind CloudFront, and the API on the same domain."""

import json
import tempfile
from pathlib import Path
from typing import Final

from aws_cdk import Duration, Fn, Names, RemovalPolicy, Stack
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_deployment as deployment
from constructs import Construct

from apparent.model import EMBEDDED
from infra import on_device
from infra.api import Api
from infra.firewall import Firewall, requests_allowed
from infra.models import UPLOADER_MEMORY, helper_logs
from infra.on_device import HEADERS_FILE, INDEX, NOT_SERVED, SITE
from infra.origin import HEADER, HOST_HEADER, forward_host
from infra.settings import Settings

_PAGES: Final = ["*.html", "*.js", "*.css", "*.webmanifest"]
"""Asked for anew each time: they belong together, and keep their names from release to release."""
_KEPT_MINUTES: Final = 60
"""How long browsers keep the rest, the pictures."""
_CACHED: Final = ("/api/v1/model", "/api/v1/docs", "/api/v1/openapi.json")
"""What of the API is the same for all visitors, until the next deployment."""
_CACHED_MINUTES: Final = 5
"""Where the API itself does not say how long."""
_PASSING_ERRORS: Final = (403, 404, 500, 502, 503, 504)
"""Which CloudFront would else go on answering for ten seconds, whatever Retry-After said."""


class Site(Construct):
    """Bucket, distribution and, where wished, a firewall."""

    def __init__(self, scope: Construct, id: str, *, settings: Settings, api: Api | None) -> None:
        """Without an API the page answers on visitors' devices alone."""
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
        headers = self._headers(json.loads((SITE / HEADERS_FILE).read_text()))
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
            web_acl_id=self._firewall(settings),
            error_responses=[
                cloudfront.ErrorResponse(http_status=status, ttl=Duration.seconds(0))
                for status in _PASSING_ERRORS
            ],
            default_behavior=cloudfront.BehaviorOptions(
                origin=origins.S3BucketOrigin.with_origin_access_control(
                    self.bucket,
                    origin_access_control=cloudfront.S3OriginAccessControl(
                        self, "AccessControl", origin_access_control_name=self._name("Pages")
                    ),
                ),
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
                cache_policy=cloudfront.CachePolicy.CACHING_OPTIMIZED,
                response_headers_policy=headers,
                compress=True,
            ),
            additional_behaviors=self._api_behaviors(api, headers) if api else None,
        )
        if settings.bucket_helpers:
            self._upload_page(settings)
            self._upload_model(settings.model_folder)

    @property
    def url(self) -> str:
        """Where CloudFront serves the page, whatever other names it has."""
        return f"https://{self.distribution.distribution_domain_name}"

    def _name(self, what: str) -> str:
        """Of what CloudFront keeps by name for all regions of an account together."""
        own = Names.unique_resource_name(self, max_length=34, separator="-")
        return f"{own}-{what}-{Stack.of(self).region}"

    def _api_behaviors(
        self, api: Api, headers: cloudfront.IResponseHeadersPolicy
    ) -> dict[str, cloudfront.BehaviorOptions]:
        cache = cloudfront.CachePolicy(
            self,
            "Cache",
            cache_policy_name=self._name("Cache"),
            min_ttl=Duration.seconds(0),
            default_ttl=Duration.minutes(_CACHED_MINUTES),
            max_ttl=Duration.hours(1),
            header_behavior=cloudfront.CacheHeaderBehavior.allow_list(HOST_HEADER),
            enable_accept_encoding_gzip=True,
            enable_accept_encoding_brotli=True,
        )
        origin = origins.HttpOrigin(
            Fn.select(2, Fn.split("/", api.url)), custom_headers={HEADER: api.origin_secret.value}
        )
        host = forward_host(self, "ForwardHost", self._name("Host"))

        def behavior(
            methods: cloudfront.AllowedMethods, policy: cloudfront.ICachePolicy
        ) -> cloudfront.BehaviorOptions:
            return cloudfront.BehaviorOptions(
                origin=origin,
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
                allowed_methods=methods,
                cache_policy=policy,
                origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
                response_headers_policy=headers,
                function_associations=[host],
                compress=True,
            )

        reading = cloudfront.AllowedMethods.ALLOW_GET_HEAD
        cached = {path: behavior(reading, cache) for path in _CACHED}
        everything = cloudfront.AllowedMethods.ALLOW_ALL
        return cached | {"/api/*": behavior(everything, cloudfront.CachePolicy.CACHING_DISABLED)}

    def _firewall(self, settings: Settings) -> str | None:
        requests = requests_allowed(self, settings)
        return Firewall(self, "Firewall", requests=requests).acl.attr_arn if requests else None

    def _headers(self, headers: dict[str, str]) -> cloudfront.ResponseHeadersPolicy:
        return cloudfront.ResponseHeadersPolicy(
            self,
            "Headers",
            response_headers_policy_name=self._name("Headers"),
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
                    include_subdomains=False,  # the owner's other names are not ours to change
                    override=True,
                ),
            ),
        )

    def _upload_page(self, settings: Settings) -> None:
        anew = deployment.CacheControl.no_cache()
        kept = deployment.CacheControl.max_age(Duration.minutes(_KEPT_MINUTES))
        with tempfile.TemporaryDirectory() as scratch:
            folder = SITE
            if not settings.service:
                folder = Path(scratch)
                on_device.write_page_alone(folder, settings.model_folder)
            excluded = [*NOT_SERVED, on_device.NAME]
            source = deployment.Source.asset(str(folder), exclude=excluded)
            self._upload("Pages", source, anew, include=_PAGES)
            self._upload("Assets", source, kept, exclude=_PAGES)

    def _upload_model(self, folder: Path) -> None:
        """What answers on the visitor's device, with the model that the service has, too."""
        anew = deployment.CacheControl.no_cache()
        # Each name has the content's hash.
        kept = deployment.CacheControl.from_string("public, max-age=31536000, immutable")
        with tempfile.TemporaryDirectory() as scratch:
            staged = on_device.FOLDER if folder.samefile(EMBEDDED) else Path(scratch)
            on_device.prepare(staged, folder)
            source = deployment.Source.asset(str(staged))
            index = self._upload("ModelIndex", source, anew, include=[INDEX], below=on_device.NAME)
            files = self._upload("ModelFiles", source, kept, exclude=[INDEX], below=on_device.NAME)
            index.node.add_dependency(files)  # or it would name what is not there yet

    def _upload(
        self,
        id: str,
        source: deployment.ISource,
        cache: deployment.CacheControl,
        *,
        include: list[str] | None = None,
        exclude: list[str] | None = None,
        below: str | None = None,
    ) -> Construct:
        """One kind of files; only the distribution's copies of them are thrown away."""
        return deployment.BucketDeployment(
            self,
            id,
            sources=[source],
            destination_bucket=self.bucket,
            destination_key_prefix=below,
            exclude=["*"] if include else exclude,
            include=include,
            cache_control=[cache],
            prune=False,
            distribution=self.distribution,
            distribution_paths=["/*"],
            memory_limit=UPLOADER_MEMORY,
            log_group=helper_logs(self),
        )

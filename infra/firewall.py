"""A firewall before CloudFront: how many requests one address may send."""

from typing import Final

from aws_cdk import Stack, Token
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from infra.settings import Settings, SettingsError

REGION: Final = "us-east-1"
"""Where firewalls, certificates and metrics of CloudFront are."""
DEFAULT_REQUESTS: Final = 300
FILES_PER_REQUEST: Final = 10
"""Requests to the page allowed for each to the API: a visit loads its files once."""


def requests_allowed(scope: Construct, settings: Settings) -> int:
    """To the API, from one address in five minutes; 0 where there is no firewall.

    Raises `SettingsError` where one is asked for that cannot exist.
    """
    if not settings.service:
        return 0
    if not in_cloudfront_s_region(scope):
        if settings.waf_requests:
            raise SettingsError(
                "A firewall for CloudFront exists in us-east-1 only. Deploy there, or leave "
                "waf_requests at 0."
            )
        return 0
    return DEFAULT_REQUESTS if settings.waf_requests is None else settings.waf_requests


def in_cloudfront_s_region(scope: Construct) -> bool:
    """Also where the region is not chosen yet."""
    region = Stack.of(scope).region
    return Token.is_unresolved(region) or region == REGION


class Firewall(Construct):
    """Turns an address away that asks for too much: of the API, and of everything."""

    def __init__(self, scope: Construct, id: str, *, requests: int) -> None:
        super().__init__(scope, id)
        name = Stack.of(self).stack_name
        api = waf.CfnWebACL.StatementProperty(
            byte_match_statement=waf.CfnWebACL.ByteMatchStatementProperty(
                field_to_match=waf.CfnWebACL.FieldToMatchProperty(uri_path={}),
                positional_constraint="STARTS_WITH",
                search_string="/api/",
                text_transformations=[
                    # As CloudFront and API Gateway read a path: /%61pi/ and //api/ are /api/.
                    waf.CfnWebACL.TextTransformationProperty(priority=0, type="URL_DECODE"),
                    waf.CfnWebACL.TextTransformationProperty(priority=1, type="NORMALIZE_PATH"),
                ],
            )
        )
        self.acl = waf.CfnWebACL(
            self,
            "Acl",
            scope="CLOUDFRONT",
            default_action=waf.CfnWebACL.DefaultActionProperty(allow={}),
            rules=[
                _rule(f"{name}-api", 0, requests, api),
                _rule(f"{name}-all", 1, FILES_PER_REQUEST * requests, None),
            ],
            visibility_config=_visibility(name),
        )


def _rule(
    name: str, priority: int, limit: int, within: waf.CfnWebACL.StatementProperty | None
) -> waf.CfnWebACL.RuleProperty:
    rate = waf.CfnWebACL.RateBasedStatementProperty(
        aggregate_key_type="IP", limit=limit, scope_down_statement=within
    )
    return waf.CfnWebACL.RuleProperty(
        name=name,
        priority=priority,
        action=waf.CfnWebACL.RuleActionProperty(block={}),
        statement=waf.CfnWebACL.StatementProperty(rate_based_statement=rate),
        visibility_config=_visibility(name),
    )


def _visibility(name: str) -> waf.CfnWebACL.VisibilityConfigProperty:
    return waf.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=False
    )

"""CloudFront: nobody passes it by, one address gets so much, and what is the same is kept."""

import json
from typing import Any

import pytest
from aws_cdk.assertions import Template

from infra.origin import HEADER, HOST_HEADER
from infra.settings import SettingsError
from predict import origin
from predict.app import PATHS
from tests.infra.conftest import template


@pytest.fixture(scope="session")
def elsewhere() -> Template:
    """A second stage: another stack of the same commit, in a region without a firewall."""
    return template(region="eu-central-1", stack="Apparent-dev")


def only(template: Template, kind: str) -> dict[str, Any]:
    """The properties of the one resource of a kind."""
    (found,) = template.find_resources(kind).values()
    properties: dict[str, Any] = found["Properties"]
    return properties


def distribution(template: Template) -> dict[str, Any]:
    config: dict[str, Any] = only(template, "AWS::CloudFront::Distribution")["DistributionConfig"]
    return config


def secret_of_the_function(template: Template) -> Any:
    functions = template.find_resources(
        "AWS::Lambda::Function", {"Properties": {"PackageType": "Image"}}
    )
    (found,) = functions.values()
    return found["Properties"]["Environment"]["Variables"].get("APPARENT_ORIGIN_SECRET")


def test_the_function_wants_the_header_that_cloudfront_alone_can_send(plain: Template) -> None:
    (api,) = [found for found in distribution(plain)["Origins"] if "CustomOriginConfig" in found]
    (header,) = api["OriginCustomHeaders"]
    assert header["HeaderName"] == HEADER
    assert header["HeaderValue"] == secret_of_the_function(plain)
    secret = only(plain, "AWS::SecretsManager::Secret")
    assert secret["GenerateSecretString"]["PasswordLength"] >= 32
    assert "SecretString" not in secret  # made by AWS: the template holds a reference only
    assert "resolve:secretsmanager" in json.dumps(header["HeaderValue"])


def test_who_asks_for_it_may_use_the_api_s_own_address(rich: Template, plain: Template) -> None:
    assert secret_of_the_function(rich) is None
    assert "ApiUrl" in rich.to_json()["Outputs"]
    assert "ApiUrl" not in plain.to_json()["Outputs"]


def limits(template: Template) -> list[tuple[int, bool]]:
    """Requests in five minutes, and whether to the API only."""
    rules = only(template, "AWS::WAFv2::WebACL")["Rules"]
    rates = [rule["Statement"]["RateBasedStatement"] for rule in rules]
    assert {rate["AggregateKeyType"] for rate in rates} == {"IP"}
    assert all(rule["Action"] == {"Block": {}} for rule in rules)
    return [(rate["Limit"], "ScopeDownStatement" in rate) for rate in rates]


def test_one_address_is_limited_by_default(plain: Template, rich: Template) -> None:
    assert limits(plain) == [(300, True), (3000, False)]
    assert limits(rich) == [(500, True), (5000, False)]
    for stack in (plain, rich):
        assert "Fn::GetAtt" in distribution(stack)["WebACLId"]


def test_the_api_s_limit_counts_any_spelling_of_its_path(plain: Template) -> None:
    """CloudFront and API Gateway read /%61pi/ and //api/ as /api/."""
    rule, _ = only(plain, "AWS::WAFv2::WebACL")["Rules"]
    within = rule["Statement"]["RateBasedStatement"]["ScopeDownStatement"]["ByteMatchStatement"]
    assert within["SearchString"] == "/api/"
    kinds = sorted((it["Priority"], it["Type"]) for it in within["TextTransformations"])
    assert [kind for _, kind in kinds] == ["URL_DECODE", "NORMALIZE_PATH"]


def test_no_firewall_where_none_is_or_none_is_wanted(elsewhere: Template) -> None:
    for stack in (elsewhere, template(waf_requests="0")):
        stack.resource_count_is("AWS::WAFv2::WebACL", 0)
        assert "WebACLId" not in distribution(stack)
    with pytest.raises(SettingsError, match="exists in us-east-1 only"):
        template(region="eu-central-1", waf_requests="300")


def test_what_is_the_same_for_all_is_kept_by_cloudfront_and_compressed(plain: Template) -> None:
    cached = distribution(plain)["CacheBehaviors"][:-1]
    assert {behavior["PathPattern"] for behavior in cached} < PATHS
    assert "/api/v1/model" in {behavior["PathPattern"] for behavior in cached}
    policy = only(plain, "AWS::CloudFront::CachePolicy")["CachePolicyConfig"]
    assert policy["MinTTL"] == 0  # the service's own Cache-Control decides
    assert policy["ParametersInCacheKeyAndForwardedToOrigin"]["EnableAcceptEncodingGzip"]
    for behavior in cached:
        assert behavior["Compress"]
        assert behavior["AllowedMethods"] == ["GET", "HEAD"]


def test_a_photo_that_the_function_takes_fits_into_an_event(plain: Template) -> None:
    functions = plain.find_resources(
        "AWS::Lambda::Function", {"Properties": {"PackageType": "Image"}}
    )
    (found,) = functions.values()
    most = int(found["Properties"]["Environment"]["Variables"]["APPARENT_MAX_BYTES"])
    assert 4 * most / 3 + 64 * 1024 < 6 * 1024 * 1024


def test_an_error_is_not_answered_again_by_cloudfront(plain: Template) -> None:
    errors = distribution(plain)["CustomErrorResponses"]
    assert {503, 500} <= {error["ErrorCode"] for error in errors}
    # Without pages: they would stand in place of the service's own problems.
    assert all(error["ErrorCachingMinTTL"] == 0 and len(error) == 2 for error in errors)


def names(template: Template) -> set[str]:
    """Of what is named, not by CloudFormation: unique in an account or in all of its regions."""
    found: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in ("Name", "MetricName") and isinstance(inner, str):
                    found.add(inner)
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    for resource in template.to_json()["Resources"].values():
        if resource["Type"] != "AWS::CloudWatch::Alarm":  # which names others' metrics
            walk({k: v for k, v in resource["Properties"].items() if k != "Tags"})
    return found


def test_two_stages_of_one_commit_have_no_name_in_common(
    plain: Template, elsewhere: Template
) -> None:
    assert len(names(plain)) >= 5
    assert not names(plain) & names(elsewhere)
    for_all_regions = {name for name in names(plain) if "us-east-1" in name}
    assert len(for_all_regions) == 4  # CloudFront's policies, access control and function
    for other in (template(region="eu-west-1"), template(stack="ApparentDev")):
        assert not for_all_regions & names(other)


def test_everything_is_tagged_by_its_stack(elsewhere: Template) -> None:
    bucket = next(iter(elsewhere.find_resources("AWS::S3::Bucket").values()))
    tags = {tag["Key"]: tag["Value"] for tag in bucket["Properties"]["Tags"]}
    assert tags["Project"] == "Apparent"
    assert tags["Stack"] == "Apparent-dev"


def test_the_stack_and_the_function_mean_the_same_headers() -> None:
    assert (HEADER, HOST_HEADER) == (origin.HEADER, origin.HOST_HEADER)

"""Every promise of the stack, on the template. cdk-nag has passed where these fixtures exist."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aws_cdk import App
from aws_cdk.assertions import Match, Template

from apparent.model import EMBEDDED, store
from infra import on_device
from infra.settings import SettingsError, from_context
from scripts.commands.serve import HEADERS
from tests.infra.conftest import template

FUNCTION = {"PackageType": "Image"}
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/1"
CONTENT_HASH = store.load(EMBEDDED.as_uri()).content_hash


def resources(template: Template, kind: str) -> dict[str, Any]:
    return dict(template.find_resources(kind))


def function(template: Template) -> dict[str, Any]:
    """The properties of our function; others are the CDK's own."""
    (found,) = template.find_resources("AWS::Lambda::Function", {"Properties": FUNCTION}).values()
    properties: dict[str, Any] = found["Properties"]
    return properties


def statements(template: Template, role: str) -> list[dict[str, Any]]:
    """Of all policies of the roles whose logical id begins so."""
    return [
        statement
        for policy in resources(template, "AWS::IAM::Policy").values()
        if policy["Properties"]["Roles"][0]["Ref"].startswith(role)
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


def test_the_function_has_the_size_and_the_cap_promised(plain: Template) -> None:
    properties = function(plain)
    assert properties["MemorySize"] == 1769
    assert properties["Timeout"] == 15
    assert properties["ReservedConcurrentExecutions"] == 10
    assert properties["Architectures"] == ["x86_64"]


def test_its_model_is_the_embedded_one_by_its_hash(plain: Template) -> None:
    uri = function(plain)["Environment"]["Variables"]["APPARENT_MODEL_URI"]
    assert uri["Fn::Join"][1][-1] == f"/models/{CONTENT_HASH}/"
    deployments = resources(plain, "Custom::CDKBucketDeployment").values()
    (deployment,) = [
        found["Properties"]
        for found in deployments
        if found["Properties"].get("DestinationBucketKeyPrefix", "").startswith("models/")
    ]
    assert deployment["DestinationBucketKeyPrefix"] == f"models/{CONTENT_HASH}"
    assert deployment["Prune"] is False
    assert deployment["RetainOnDelete"] is True


def test_the_model_is_in_its_place_before_the_function_asks_for_it(plain: Template) -> None:
    (found,) = plain.find_resources("AWS::Lambda::Function", {"Properties": FUNCTION}).values()
    assert any(name.startswith("ModelsDeployment") for name in found["DependsOn"])


def test_the_function_may_read_models_and_write_its_log_and_nothing_else(
    plain: Template,
) -> None:
    allowed = statements(plain, "ApiRole")
    actions = {action for s in allowed for action in np.atleast_1d(s["Action"]).tolist()}
    assert actions == {"s3:GetObject", "logs:CreateLogStream", "logs:PutLogEvents"}
    (read,) = [s for s in allowed if s["Action"] == "s3:GetObject"]
    # All models: while one follows another, functions start with either.
    assert read["Resource"]["Fn::Join"][1][-1] == "/models/*"
    assert json.dumps([s["Resource"] for s in allowed]).count("*") == 1
    roles = resources(plain, "AWS::IAM::Role")
    (role,) = [found for name, found in roles.items() if name.startswith("ApiRole")]
    assert "ManagedPolicyArns" not in role["Properties"]


def test_both_buckets_are_private_encrypted_and_answer_tls_only(plain: Template) -> None:
    buckets = resources(plain, "AWS::S3::Bucket")
    assert len(buckets) == 2
    for bucket in buckets.values():
        assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
        assert "BucketEncryption" in bucket["Properties"]
        assert "WebsiteConfiguration" not in bucket["Properties"]
    policies = resources(plain, "AWS::S3::BucketPolicy").values()
    assert len(policies) == 2
    assert all('"aws:SecureTransport": "false"' in json.dumps(policy) for policy in policies)
    models = next(b for name, b in buckets.items() if name.startswith("Models"))
    assert models["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}


def test_the_api_is_throttled_and_its_log_holds_neither_addresses_nor_queries(
    plain: Template,
) -> None:
    (stage,) = resources(plain, "AWS::ApiGatewayV2::Stage").values()
    limits = stage["Properties"]["DefaultRouteSettings"]
    assert limits == {"ThrottlingRateLimit": 5, "ThrottlingBurstLimit": 20}
    line = stage["Properties"]["AccessLogSettings"]["Format"]
    assert "$context.status" in line
    assert not re.search(r"identity|query|sourceIp|userAgent|path", line, re.IGNORECASE)


def test_logs_are_not_kept_for_ever(plain: Template, rich: Template) -> None:
    for stack in (plain, rich):
        groups = resources(stack, "AWS::Logs::LogGroup")
        assert all(group["Properties"]["RetentionInDays"] <= 30 for group in groups.values())
        # Lambda makes a group without an end for a function that names none; the CDK's own, too.
        functions = resources(stack, "AWS::Lambda::Function")
        assert len(functions) > 2
        for name, found in functions.items():
            assert found["Properties"]["LoggingConfig"]["LogGroup"]["Ref"] in groups, name


def test_other_sites_may_not_read_answers(plain: Template, rich: Template) -> None:
    (api,) = resources(plain, "AWS::ApiGatewayV2::Api").values()
    assert "CorsConfiguration" not in api["Properties"]
    (api,) = resources(rich, "AWS::ApiGatewayV2::Api").values()
    assert api["Properties"]["CorsConfiguration"]["AllowOrigins"] == ["https://faces.example.org"]


def test_the_page_and_the_api_share_one_domain(plain: Template) -> None:
    (found,) = resources(plain, "AWS::CloudFront::Distribution").values()
    config = found["Properties"]["DistributionConfig"]
    *_, api = config["CacheBehaviors"]
    assert api["PathPattern"] == "/api/*"
    assert api["ViewerProtocolPolicy"] == "https-only"
    assert "POST" in api["AllowedMethods"]
    assert config["DefaultCacheBehavior"]["ViewerProtocolPolicy"] == "redirect-to-https"
    assert config["DefaultCacheBehavior"]["Compress"] is True
    assert config["DefaultRootObject"] == "index.html"
    plain.resource_count_is("AWS::CloudFront::OriginAccessControl", 1)


def test_the_page_s_headers_are_those_of_the_local_server_and_more(plain: Template) -> None:
    (policy,) = resources(plain, "AWS::CloudFront::ResponseHeadersPolicy").values()
    config = policy["Properties"]["ResponseHeadersPolicyConfig"]
    (custom,) = config["CustomHeadersConfig"]["Items"]
    assert custom["Value"] == HEADERS[custom["Header"]]
    headers = config["SecurityHeadersConfig"]
    csp = headers["ContentSecurityPolicy"]["ContentSecurityPolicy"]
    assert csp == HEADERS["Content-Security-Policy"]
    assert headers["ReferrerPolicy"]["ReferrerPolicy"] == HEADERS["Referrer-Policy"]
    assert headers["StrictTransportSecurity"]["AccessControlMaxAgeSec"] >= 31_536_000
    assert headers["FrameOptions"]["FrameOption"] == "DENY"
    assert "ContentTypeOptions" in headers


def test_pages_are_asked_for_anew_and_pictures_kept_for_an_hour(plain: Template) -> None:
    found = [d["Properties"] for d in resources(plain, "Custom::CDKBucketDeployment").values()]
    kinds = {
        (upload.get("DestinationBucketKeyPrefix"), *upload.get("Include", ())): upload[
            "SystemMetadata"
        ]["cache-control"]
        for upload in found
        if "SystemMetadata" in upload
    }
    assert kinds == {
        (None, "*.html", "*.js", "*.css", "*.webmanifest"): "no-cache",
        (None,): "max-age=3600",
        ("on-device", "bundle.json"): "no-cache",
        ("on-device",): "public, max-age=31536000, immutable",
    }


@pytest.mark.parametrize(
    "metric", ["5xx", "Throttles", "Latency", "Apparent-errors", "Invocations"]
)
def test_somebody_is_told_when_it_is_not_well(plain: Template, metric: str) -> None:
    alarms = plain.find_resources("AWS::CloudWatch::Alarm", {"Properties": {"MetricName": metric}})
    (alarm,) = alarms.values()
    assert alarm["Properties"]["AlarmActions"]
    assert alarm["Properties"]["AlarmDescription"]


def test_everything_optional_is_absent_by_default_and_there_when_asked_for(
    plain: Template, rich: Template
) -> None:
    for kind in ("AWS::SNS::Subscription", "AWS::Lambda::Alias", "AWS::Events::Rule"):
        plain.resource_count_is(kind, 0)
        rich.resource_count_is(kind, 1)
    assert function(rich)["Architectures"] == ["arm64"]
    rich.has_resource_properties(
        "AWS::Lambda::Alias",
        {"ProvisionedConcurrencyConfig": {"ProvisionedConcurrentExecutions": 2}},
    )
    rich.has_resource_properties(
        "AWS::CloudFront::Distribution",
        {
            "DistributionConfig": {
                "Aliases": ["faces.example.org"],
                "ViewerCertificate": Match.object_like({"MinimumProtocolVersion": "TLSv1.2_2021"}),
            }
        },
    )
    assert function(rich)["TracingConfig"] == {"Mode": "Active"}
    assert "TracingConfig" not in function(plain)


def test_nothing_is_left_behind_but_models_asked_to_stay(plain: Template, rich: Template) -> None:
    for stack, kept in ((plain, 0), (rich, 1)):
        found: dict[str, Any] = stack.to_json()["Resources"]
        policies = [resource.get("DeletionPolicy") for resource in found.values()]
        assert policies.count("Retain") == kept
    assert len(resources(plain, "Custom::S3AutoDeleteObjects")) == 2
    assert len(resources(rich, "Custom::S3AutoDeleteObjects")) == 1


def test_without_the_cdk_s_helpers_the_rest_is_the_same(plain: Template) -> None:
    bare = template(bucket_helpers="false")
    bare.resource_count_is("AWS::Lambda::Function", 1)
    variables = function(plain)["Environment"]["Variables"]
    assert function(bare)["Environment"]["Variables"].keys() == variables.keys()


@pytest.mark.parametrize("name", ["plain", "rich", "alone"])
def test_cfn_lint_finds_nothing(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    path = tmp_path / "template.json"
    path.write_text(json.dumps(request.getfixturevalue(name).to_json()))
    # W3005: the CDK names dependencies that a reference implies anyway.
    command = ["cfn-lint", "--ignore-checks", "W3005", "--regions", "us-east-1", "--", str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stdout == ""
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("context", "complaint"),
    [
        ({"memory_mb": "lots"}, "memory_mb"),
        ({"architecture": "sparc"}, "architecture"),
        ({"domain": "faces.example.org"}, "certificate_arn go together"),
        ({"domain": "https://faces.example.org"}, "domain"),
        ({"domain": "faces.example.org,www.example.org"}, "domain"),
        ({"waf_requests": "3"}, "at least 10"),
        ({"alarm_email": "nobody"}, "alarm_email"),
        ({"provisioned_concurrency": "11"}, "cannot exceed"),
        ({"reserved_concurency": "2"}, "Is reserved_concurrency meant"),
        ({"bogus": "1"}, "no such setting"),
    ],
)
def test_a_wrong_context_value_is_a_sentence(context: dict[str, str], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        from_context(App(context=context))


@pytest.fixture(scope="module")
def alone() -> Template:
    """The page without a service."""
    return template(service="false", domain="faces.example.org", certificate_arn=CERTIFICATE)


def test_without_a_service_there_is_storage_and_distribution_and_nothing_that_runs(
    alone: Template,
) -> None:
    kinds = {found["Type"] for found in alone.to_json()["Resources"].values()}
    assert {kind for kind in kinds if not kind.startswith("Custom::")} == {
        "AWS::CloudFront::Distribution",
        "AWS::CloudFront::OriginAccessControl",
        "AWS::CloudFront::ResponseHeadersPolicy",
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::Lambda::Function",
        "AWS::Lambda::LayerVersion",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
        "AWS::S3::BucketPolicy",
    }
    alone.resource_count_is("AWS::S3::Bucket", 1)
    functions = resources(alone, "AWS::Lambda::Function")
    assert all(name.startswith("Custom") for name in functions)  # the CDK's own, for the bucket
    assert not alone.find_resources("AWS::Lambda::Function", {"Properties": FUNCTION})
    (found,) = resources(alone, "AWS::CloudFront::Distribution").values()
    config = found["Properties"]["DistributionConfig"]
    assert "CacheBehaviors" not in config
    assert "WebACLId" not in config
    assert config["Aliases"] == ["faces.example.org"]


def test_without_a_service_page_and_model_are_published_as_with_one(
    alone: Template, plain: Template
) -> None:
    def uploads(template: Template) -> list[tuple[str | None, str]]:
        found = [
            d["Properties"] for d in resources(template, "Custom::CDKBucketDeployment").values()
        ]
        return [
            (one.get("DestinationBucketKeyPrefix"), one["SystemMetadata"]["cache-control"])
            for one in found
            if "SystemMetadata" in one
        ]

    assert uploads(alone) == uploads(plain)
    assert len(uploads(alone)) == 4


@pytest.mark.parametrize(
    "setting",
    [
        {"alarm_email": "someone@example.org"},
        {"canary_minutes": "15"},
        {"waf_requests": "500"},
        {"batch_input": "s3://photos/", "batch_output": "s3://answers/"},
    ],
)
def test_settings_of_the_service_mean_nothing_without_it(setting: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=f"service=false has no {next(iter(setting))}"):
        from_context(App(context={"service": "false", **setting}))


def test_another_model_goes_to_the_device_too(other_model: Path, tmp_path: Path) -> None:
    changed = template(model_folder=str(other_model))
    uploads = resources(changed, "Custom::CDKBucketDeployment").values()
    keys = [found["Properties"].get("DestinationBucketKeyPrefix") for found in uploads]
    assert keys.count("on-device") == 2
    index = on_device.prepare(tmp_path, other_model)
    assert index["model"]["version"] == store.manifest_of(other_model).version
    assert {path.name for path in tmp_path.iterdir()} == {
        "bundle.json",
        *(file["url"] for file in index["files"].values()),
    }


def test_the_model_s_index_is_uploaded_after_the_files_that_it_names(plain: Template) -> None:
    uploads = resources(plain, "Custom::CDKBucketDeployment")
    below = {
        name: found
        for name, found in uploads.items()
        if found["Properties"].get("DestinationBucketKeyPrefix") == "on-device"
    }
    (index,) = (found for found in below.values() if "Include" in found["Properties"])
    (files,) = (name for name, found in below.items() if found is not index)
    assert files in index["DependsOn"]


def test_without_npm_the_runtime_cannot_be_had(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(on_device, "FOLDER", tmp_path / "empty")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(on_device.OnDeviceError, match=r"npm, which brings .* is not on PATH"):
        on_device.prepare(tmp_path)

"""CDK context -> typed settings: `-c name=value`, or `context` in infra/cdk.json."""

import difflib
from typing import Final, Literal, Self

from aws_cdk import App
from pydantic import (
    BaseModel,
    ConfigDict,
    DirectoryPath,
    Field,
    ValidationError,
    model_validator,
)

from apparent.model import EMBEDDED

_OF_THE_SERVICE: Final = (
    *("alarm_email", "batch_input", "canary_minutes", "direct", "provisioned_concurrency"),
    *("tracing", "waf_requests"),
)
"""Settings that mean nothing where there is no function and no API."""


class SettingsError(ValueError):
    """A context value cannot be used."""


class Settings(BaseModel):
    """What can be chosen, each by the context key of its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stack: str = Field(default="Apparent", pattern=r"^[A-Za-z][A-Za-z0-9-]*$")
    """Name of the stack; another name is another, independent service."""
    service: bool = True
    """Whether there is a function and an API; without, the page alone is published, which answers
    on visitors' own devices, and nothing but storage and traffic costs."""
    architecture: Literal["x86_64", "arm64"] = "x86_64"
    memory_mb: int = Field(default=1769, ge=512, le=10240)
    """1,769 MB are one virtual CPU."""
    timeout_s: int = Field(default=15, ge=3, le=29)
    """Seconds that one photo may take; HTTP APIs wait 30."""
    reserved_concurrency: int = Field(default=10, ge=0)
    """Photos at once, at most: the cap of the cost. 0 reserves none and caps nothing."""
    provisioned_concurrency: int = Field(default=0, ge=0)
    """Functions kept started: no cold starts, at a price by the hour."""
    requests_per_second: int = Field(default=5, ge=1)
    """Of all visitors together, aimed at by API Gateway: more are answered 429 by itself."""
    burst: int = Field(default=20, ge=1)
    """Requests at once above that rate before it does so."""
    direct: bool = False
    """Whether the API answers at its own address, too, where no limit per address exists."""
    log_days: Literal["1", "7", "30", "90", "365"] = "30"
    domain: str = Field(default="", pattern=r"^(([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]+)?$")
    """The page's own domain, such as faces.example.org; its DNS record is yours to set."""
    certificate_arn: str = Field(default="", pattern=r"^(arn:aws[\w-]*:acm:us-east-1:.+)?$")
    """Of the domain, in us-east-1, as CloudFront wants it."""
    waf_requests: int | None = Field(default=None, ge=0)
    """Requests to the API that one address may send in five minutes, 0 for no firewall. It exists
    in us-east-1 only, where 300 is the default."""
    alarm_email: str = Field(default="", pattern=r"^([^@\s]+@[^@\s]+)?$")
    """Who is told of alarms and of the budget."""
    monthly_budget: int = Field(default=25, ge=0)
    """Dollars a month of the whole account of which alarm_email is told, 0 for no budget."""
    alarm_requests_per_hour: int = Field(default=10_000, ge=1)
    """More are unusual, and cost."""
    canary_minutes: int = Field(default=0, ge=0, le=1440)
    """How often a portrait is sent through CloudFront and the API, 0 for never."""
    tracing: bool = False
    """Whether AWS X-Ray gets the times of requests."""
    batch_input: str = Field(default="", pattern=r"^(s3://[a-z0-9.-]{3,63}/(.+/)?)?$")
    """A bucket's prefix whose photos `scripts/bulk` may read; empty: no batches."""
    batch_output: str = Field(default="", pattern=r"^(s3://[a-z0-9.-]{3,63}/(.+/)?)?$")
    """Where it may write; both buckets are there already."""
    batch_concurrency: int = Field(default=100, ge=1, le=10_000)
    """Batches at once, at most: reserved for them, so that the API keeps its own."""
    batch_size: int = Field(default=100, ge=1, le=1000)
    """Photos of a batch, which has a minute."""
    batch_tolerated_percentage: float = Field(default=5, ge=0, le=100)
    """Batches that may fail before a run is given up; photos that fail fail no batch."""
    keep_models: bool = False
    """Leaves the models' bucket where the stack is destroyed."""
    model_folder: DirectoryPath = EMBEDDED
    """What `python -m training export` and `calibrate` made; the one of this repository else."""
    bucket_helpers: bool = True
    """Functions of the CDK's own that fill both buckets and empty them at the end; without them
    `scripts/publish` has to bring the model, and nobody the page."""

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if bool(self.domain) != bool(self.certificate_arn):
            raise ValueError("domain and certificate_arn go together: give both or neither")
        if bool(self.batch_input) != bool(self.batch_output):
            raise ValueError("batch_input and batch_output go together: give both or neither")
        if not self.service:
            without = [name for name in _OF_THE_SERVICE if getattr(self, name)]
            if without:
                raise ValueError(f"service=false has no {', '.join(without)}: leave that out")
        if 0 < (self.waf_requests or 0) < 10:
            raise ValueError("waf_requests is 0 or at least 10")
        if self.provisioned_concurrency > self.reserved_concurrency > 0:
            raise ValueError("provisioned_concurrency cannot exceed reserved_concurrency")
        return self


def from_context(app: App) -> Settings:
    """Raises `SettingsError` naming each key that is wrong, unknown ones included."""
    values = {k: v for k, v in app.node.get_all_context().items() if not _is_the_cdk_s(k)}
    for name in values.keys() - Settings.model_fields.keys():
        near = difflib.get_close_matches(name, Settings.model_fields, 1)
        hint = f" Is {near[0]} meant?" if near else ""
        raise SettingsError(
            f"The CDK context is wrong at {name}: there is no such setting.{hint} "
            "infra/settings.py has them all."
        )
    try:
        return Settings.model_validate({k: v for k, v in values.items() if v is not None})
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, entry['loc'])) or 'settings'}: {entry['msg']}"
            for entry in error.errors()
        )
        raise SettingsError(f"The CDK context is wrong at {wrong}.") from error


def _is_the_cdk_s(key: str) -> bool:
    """Feature flags, what its command line tells, and answers it has looked up."""
    return key == "cli-telemetry" or any(sign in key for sign in "@:")

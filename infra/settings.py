"""CDK context -> typed settings: `-c name=value`, or `context` in infra/cdk.json."""

from typing import Literal, Self

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


class SettingsError(ValueError):
    """A context value cannot be used."""


class Settings(BaseModel):
    """What can be chosen, each by the context key of its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stack: str = Field(default="Apparent", pattern=r"^[A-Za-z][A-Za-z0-9-]*$")
    """Name of the stack; another name is another, independent service."""
    architecture: Literal["x86_64", "arm64"] = "x86_64"
    memory_mb: int = Field(default=1769, ge=512, le=10240)
    """1,769 MB are one virtual CPU."""
    timeout_s: int = Field(default=15, ge=3, le=29)
    """Seconds that one photo may take; HTTP APIs wait 30."""
    reserved_concurrency: int = Field(default=10, ge=0)
    """Photos at once, at most: the cap of the cost. 0 reserves none and caps nothing."""
    provisioned_concurrency: int = Field(default=0, ge=0)
    """Functions kept started: no cold starts, at a price by the hour."""
    requests_per_second: int = Field(default=20, ge=1)
    burst: int = Field(default=40, ge=1)
    """Requests at once above that rate before API Gateway answers 429."""
    log_days: Literal["1", "7", "30", "90", "365"] = "30"
    domain: str = ""
    """The page's own domain, such as faces.example.org; its DNS record is yours to set."""
    certificate_arn: str = Field(default="", pattern=r"^(arn:aws[\w-]*:acm:us-east-1:.+)?$")
    """Of the domain, in us-east-1, as CloudFront wants it."""
    waf_requests: int = Field(default=0, ge=0)
    """Requests that one address may send in five minutes, 0 for no firewall; us-east-1 only."""
    alarm_email: str = Field(default="", pattern=r"^([^@\s]+@[^@\s]+)?$")
    """Who is told of alarms."""
    alarm_requests_per_hour: int = Field(default=10_000, ge=1)
    """More are unusual, and cost."""
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
        if 0 < self.waf_requests < 10:
            raise ValueError("waf_requests is 0 or at least 10")
        if self.provisioned_concurrency > self.reserved_concurrency > 0:
            raise ValueError("provisioned_concurrency cannot exceed reserved_concurrency")
        return self


def from_context(app: App) -> Settings:
    """Raises `SettingsError` naming each key that is wrong."""
    values = {name: app.node.try_get_context(name) for name in Settings.model_fields}
    try:
        return Settings.model_validate({k: v for k, v in values.items() if v is not None})
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, entry['loc'])) or 'settings'}: {entry['msg']}"
            for entry in error.errors()
        )
        raise SettingsError(f"The CDK context is wrong at {wrong}.") from error

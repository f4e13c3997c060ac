"""Environment -> typed settings. A wrong value ends the program at start, with a sentence."""

import re
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from apparent.model import EMBEDDED

PREFIX = "APPARENT_"
_HOST = r"(\[[0-9a-f:.]+\]|[a-z0-9.-]+)"
_ORIGIN = re.compile(rf"http://{_HOST}(:(?!80$)\d+)?|https://{_HOST}(:(?!443$)\d+)?")
"""As browsers send them (RFC 6454, section 6): small letters, and not the port of the scheme."""


class SettingsError(ValueError):
    """An environment variable has a value that cannot be used."""


class Settings(BaseModel):
    """Each field is the environment variable `APPARENT_<NAME>`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model_uri: str = Field(default=EMBEDDED.as_uri(), pattern=r"^(file|s3)://")
    """Folder of the model."""
    max_pixels: int = Field(default=64_000_000, gt=0)
    """Photos with more pixels are refused before they are decoded."""
    max_bytes: int = Field(default=6 * 1024 * 1024, gt=0)
    """Larger photos are refused; AWS Lambda takes 6 MB."""
    origin_secret: str = ""
    """Where it is set, AWS Lambda answers only events with it, which CloudFront puts there."""
    allowed_origins: tuple[str, ...] = ()
    """Origins of other sites whose pages may call the API, separated by commas; or `*`."""

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        origins = tuple(origin.strip() for origin in value.split(",") if origin.strip())
        for origin in origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(f"'{origin}' is not an origin such as https://example.org")
        return origins


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Raises `SettingsError` naming each variable that is wrong, unknown ones included."""
    values = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX)
    }
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        wrong = "; ".join(
            f"{PREFIX}{str(entry['loc'][0]).upper()}: {entry['msg']}" for entry in error.errors()
        )
        raise SettingsError(f"The environment is wrong at {wrong}.") from error

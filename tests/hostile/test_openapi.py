"""What the OpenAPI document promises, held against requests that are made from it."""

from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import positive_data_acceptance

from predict.app import create_app
from predict.settings import Settings
from scripts.commands.hostile import seeds

schemathesis.openapi.media_type("image/*", st.sampled_from(list(seeds().values())) | st.binary())
schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", create_app(Settings()))


@schema.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_service_does_what_its_description_says(case: Any) -> None:
    # No schema can say which bytes are a photo.
    case.call_and_validate(excluded_checks=[positive_data_acceptance])

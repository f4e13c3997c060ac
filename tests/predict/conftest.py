"""The service, however it runs."""

import httpx2
import pytest


@pytest.fixture(
    scope="module", params=["client", pytest.param("container", marks=pytest.mark.container)]
)
def service(request: pytest.FixtureRequest) -> httpx2.Client:
    """A client of the service, in process or in the hardened container behind the gateway."""
    client: httpx2.Client = request.getfixturevalue(request.param)
    return client

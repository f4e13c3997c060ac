"""Whether an event came through the page's own domain, told before its body is looked at."""

import hmac
import json
from http import HTTPStatus
from typing import Any, Final

from predict.schemas import Problem

HEADER: Final = "x-apparent-origin"
"""CloudFront's, with a secret that no request of others has."""
HOST_HEADER: Final = "x-forwarded-host"
"""CloudFront's, too: the name that the visitor asked for."""


def admit(event: dict[str, Any], secret: str) -> dict[str, Any] | None:
    """The answer for an event that came another way; None for one that is to be worked on.

    The latter gets the visitor's host, and keeps nothing of the secret. Without a secret, all are.
    """
    if not secret:
        return None
    headers: dict[str, str] = event.get("headers", {})
    given = headers.pop(HEADER, "")
    if not hmac.compare_digest(given.encode(), secret.encode()):
        return _refusal()
    if HOST_HEADER in headers:
        headers["host"] = headers[HOST_HEADER]
    return None


def _refusal() -> dict[str, Any]:
    status = HTTPStatus.FORBIDDEN
    detail = "This address takes no requests of its own. Ask at the address of the page."
    problem = Problem.of(status, "Another address", detail)
    return {
        "statusCode": int(status),
        "headers": {"content-type": "application/problem+json", "cache-control": "no-store"},
        "body": json.dumps(problem.model_dump()),
        "isBase64Encoded": False,
    }

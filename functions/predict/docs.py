"""The API's documentation page, rendered from its OpenAPI description: no script, no CDN."""

import json
from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Any, Final

_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem;
       color-scheme: light dark }
h2 { border-top: 1px solid #8888; padding-top: 1rem } code, pre { font-size: .9em }
pre { overflow: auto; padding: .8rem; border: 1px solid #8888; border-radius: .4rem }
td, th { text-align: left; padding: .2rem 1rem .2rem 0; vertical-align: top }
"""
_STYLE_HASH: Final = b64encode(sha256(_STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'"
)
"""Of the page: its own style, and nothing from anywhere."""


def page(openapi: dict[str, Any], predict_url: str) -> str:
    """HTML for an OpenAPI 3.1 description; `predict_url` is where this service takes photos."""
    info = openapi["info"]
    operations = "".join(
        _operation(method, path, operation)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    )
    schemas = "".join(
        f"<details><summary><code>{escape(name)}</code> {escape(schema.get('description', ''))}"
        f"</summary><pre>{escape(json.dumps(schema, indent=2))}</pre></details>"
        for name, schema in openapi.get("components", {}).get("schemas", {}).items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])} API'
        f'</title><meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{escape(info['title'])} API</h1><p>{escape(info.get('summary', ''))}"
        '<p>Machine-readable: <a href="openapi.json">openapi.json</a>. Try it:'
        f"<pre>curl -F image=@photo.jpg {escape(predict_url)}</pre>"
        f"{operations}<h2>Schemas</h2>{schemas}</html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    body = operation.get("requestBody", {})
    takes = (
        f"<p>{escape(body['description'])} Types: "
        + ", ".join(f"<code>{escape(kind)}</code>" for kind in body["content"])
        if body
        else ""
    )
    responses = "".join(
        f"<tr><td><code>{escape(status)}</code><td>{escape(response['description'])}"
        for status, response in operation["responses"].items()
    )
    return (
        f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
        f"<p>{escape(operation['summary'])}{takes}<table>{responses}</table>"
    )

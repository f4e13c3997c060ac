"""The API's documentation page, rendered from its OpenAPI description: no script, no CDN."""

import json
from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Any, Final

_STYLE: Final = """
:root { color-scheme: light dark; --accent: light-dark(#c2410c, #ff9a62);
        --quiet: light-dark(#5f5b57, #aca7a1); --line: light-dark(#dedbd7, #3a3835);
        --raised: light-dark(#f6f5f4, #1e1d1c);
        background: light-dark(#fff, #141413); color: light-dark(#1c1b1a, #efedea) }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 0 auto;
       padding: 1rem clamp(1rem, 4vw, 2.5rem); overflow-wrap: break-word }
a { color: var(--accent) }
.back { color: inherit; font-weight: 700; font-size: 1.25rem; text-decoration: none }
h1 { font-size: 2.25rem; line-height: 1.1; letter-spacing: -.02em; margin: 1.5rem 0 .5rem }
h2 { font-size: 1.25rem; border-top: 1px solid var(--line); padding-top: 1.5rem;
     margin-top: 2.5rem }
code, pre { font-size: .875rem }
h2 code { font-size: inherit }
pre { overflow: auto; padding: 1rem; border-radius: .75rem; background: var(--raised) }
table { border-collapse: collapse; width: 100% } summary { cursor: pointer; padding-block: .25rem }
td { text-align: start; padding: .25rem 1rem .25rem 0; vertical-align: top;
     border-bottom: 1px solid var(--line) }
td:last-child { color: var(--quiet); width: 100% }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
"""
_STYLE_HASH: Final = b64encode(sha256(_STYLE.encode()).digest()).decode()
_SNIPPETS: Final = {
    "curl": "curl -F image=@photo.jpg {url}",
    "Python": """import json, urllib.request

with open("photo.jpg", "rb") as file:
    request = urllib.request.Request("{url}", file.read(), {{"Content-Type": "image/jpeg"}})
with urllib.request.urlopen(request) as response:
    for face in json.load(response)["faces"]:
        print(face["age"]["years"], face["gender"]["label"])""",
    "JavaScript": """import {{ readFile }} from "node:fs/promises"; // a page has input.files[0]

const form = new FormData();
form.append("image", new Blob([await readFile("photo.jpg")]), "photo.jpg");
const response = await fetch("{url}", {{ method: "POST", body: form }});
const {{ faces }} = await response.json();
for (const face of faces) console.log(face.age.years, face.gender.label);""",
}
"""By language, each whole; the tests run them."""
CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'"
)
"""Of the page: its own style, and nothing from anywhere."""


def page(openapi: dict[str, Any], openapi_path: str, predict_url: str) -> str:
    """HTML for the OpenAPI 3.1 description at `openapi_path`; `predict_url` takes photos."""
    info = openapi["info"]
    operations = "".join(
        _operation(method, path, operation)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    )
    snippets = "".join(
        f"<h3>{language}</h3><pre>{escape(code.format(url=predict_url), quote=False)}</pre>"
        for language, code in _SNIPPETS.items()
    )
    schemas = "".join(
        f"<details><summary><code>{escape(name)}</code> {escape(schema.get('description', ''))}"
        f"</summary><pre>{escape(json.dumps(schema, indent=2))}</pre></details>"
        for name, schema in openapi.get("components", {}).get("schemas", {}).items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])} API'
        f'</title><meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f'<a class="back" href="/">{escape(info["title"])}</a>'
        f"<h1>{escape(info['title'])} API</h1><p>{escape(info.get('summary', ''))}"
        f'<p>Machine-readable: <a href="{escape(openapi_path)}">openapi.json</a>. Try it:'
        f"{snippets}"
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

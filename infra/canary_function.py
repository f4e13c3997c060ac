"""What the canary runs on AWS: the page's sample photo, sent as a visitor sends it."""

# ruff: noqa: S310 -- the stack's own URL

import json
import os
import urllib.request

SAMPLE = "/samples/grace_hopper.jpg"


def handler(event: object, context: object) -> str:
    """Fails, with what was answered, unless one face is found."""
    url = os.environ["URL"]
    with urllib.request.urlopen(url + SAMPLE, timeout=20) as response:
        photo = response.read()
    request = urllib.request.Request(f"{url}/api/v1/predict", photo, {"Content-Type": "image/jpeg"})
    with urllib.request.urlopen(request, timeout=30) as response:
        answer = json.load(response)
    if len(answer["faces"]) != 1:
        raise RuntimeError(f"{len(answer['faces'])} faces were found in a portrait of one")
    return str(answer["model"]["version"])

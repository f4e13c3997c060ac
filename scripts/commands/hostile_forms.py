"""Hostile multipart bodies and headers, around a photo."""

from collections.abc import Iterator
from typing import Final

FORM_TYPE: Final = "multipart/form-data; boundary=X"
_HEAD: Final = b'Content-Disposition: form-data; name="image"; filename="a.jpg"'
TYPES: Final = (
    *(
        "image/jpeg",
        "image/png",
        "image/svg+xml",
        "image/",
        "IMAGE/JPEG;;;",
        "application/pdf",
        "\xff",
    ),
    *("text/html", "multipart/mixed; boundary=X", "multipart/form-data", "*/*", "a" * 5_000, ""),
    *("image/jpeg, text/html", "application/x-www-form-urlencoded", "application/json", "image/\0"),
)
"""Content types, most of them lies."""


def forms(photo: bytes) -> Iterator[tuple[str, str, bytes]]:
    """Each: what it is, its content type, the body."""
    whole = b"--X\r\n" + _HEAD + b"\r\nContent-Type: image/jpeg\r\n\r\n" + photo + b"\r\n--X--\r\n"
    for charset in (
        "utf-16",
        "rot13",
        "undefined",
        "idna",
        "punycode",
        "zlib",
        "\xff",
        "utf-7",
        "mbcs",
    ):
        yield f"charset {charset}", f"{FORM_TYPE}; charset={charset}", whole
        words = whole.replace(b'name="image"', b'name="' + b"\xff.\xe4" * 40 + b'"')
        yield f"charset {charset}, odd name", f"{FORM_TYPE}; charset={charset}", words
    for boundary in (
        "",
        '""',
        '"X',
        "X" * 5_000,
        "X\r\n",
        "\0",
        "--",
        "\xff\xfe",
        "X; boundary=Y",
        "a b",
    ):
        kind = f"multipart/form-data; boundary={boundary}"
        yield f"boundary {boundary[:9]!r}", kind, whole
        yield (
            f"boundary {boundary[:9]!r} used",
            kind,
            whole.replace(b"X", boundary.encode("latin-1")),
        )
    for end in (1, 2, 3, 4, 6, 8, len(photo), len(whole) - 20, len(whole) - 3):
        yield f"{end} bytes missing", FORM_TYPE, whole[:-end]
    parts = {
        "no headers": b"",
        "no name": b"Content-Disposition: form-data",
        "no colon": b"Content-Disposition form-data",
        "name twice": _HEAD + b'; name="other"',
        "disposition twice": _HEAD + b'\r\nContent-Disposition: form-data; name="x"',
        "open quote": b'Content-Disposition: form-data; name="image; filename="a',
        "a header of 100 kB": _HEAD + b"\r\nX-Long: " + b"a" * 100_000,
        "10,000 headers": _HEAD + b"\r\nA: b" * 10_000,
        "a name of 60 kB": b'Content-Disposition: form-data; filename="a"; name="'
        + b"n" * 60_000
        + b'"',
        "60,000 options": b"Content-Disposition: form-data" + b";a" * 30_000,
        "60,000 quotes": b"Content-Disposition: form-data; name=" + b'"\\' * 30_000,
        "a NUL in its name": _HEAD.replace(b"image", b"ima\0ge"),
        "a path for a name": _HEAD.replace(b"a.jpg", b"../../../../etc/passwd"),
        "another transfer encoding": _HEAD + b"\r\nContent-Transfer-Encoding: base64",
        "a nested form": _HEAD + b"\r\nContent-Type: multipart/mixed; boundary=Y",
        "bytes for a type": _HEAD + b"\r\nContent-Type: \xff\xfe\0",
        "a folded header": _HEAD.replace(b"; ", b";\r\n "),
        "bare line feeds": _HEAD.replace(b"; ", b";\n"),
        "attachment": _HEAD.replace(b"form-data", b"attachment"),
    }
    for name, head in parts.items():
        yield (
            f"part with {name}",
            FORM_TYPE,
            b"--X\r\n" + head + b"\r\n\r\n" + photo + b"\r\n--X--\r\n",
        )
    yield "line feeds only", FORM_TYPE, whole.replace(b"\r\n", b"\n")
    yield "preamble and epilogue", FORM_TYPE, b"before\r\n" + whole + b"after" * 100
    yield "an end alone", FORM_TYPE, b"--X--\r\n"
    yield "an end at first", FORM_TYPE, b"--X--\r\n" + whole
    yield "boundaries alone", FORM_TYPE, b"--X\r\n" * 5_000
    yield "dashes alone", FORM_TYPE, b"-" * 60_000
    yield (
        "20,000 parts",
        FORM_TYPE,
        b'--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 1_200 + whole,
    )
    yield "17 photos", FORM_TYPE, whole[: -len(b"--X--\r\n")] * 17 + b"--X--\r\n"
    yield "two photos", FORM_TYPE, whole.removesuffix(b"--X--\r\n") + whole
    yield (
        "nearly the boundary",
        FORM_TYPE,
        whole.replace(photo, b"\r\n--" * 8_000 + photo + b"\r\n--Y" * 8_000),
    )
    inner = b"--Y\r\n" + _HEAD + b"\r\n\r\n" + photo + b"\r\n--Y--\r\n"
    for depth in range(3):
        yield f"a form in a form, {depth}", FORM_TYPE, whole.replace(photo, inner * (depth + 1))

import pytest

from apparent.model import EMBEDDED
from predict.settings import SettingsError, from_environment


def test_nothing_set_means_the_embedded_model() -> None:
    settings = from_environment({"PATH": "/bin"})
    assert settings.model_uri == EMBEDDED.as_uri()
    assert settings.max_bytes == 6 * 1024 * 1024
    assert settings.allowed_origins == ()


def test_every_variable_is_read() -> None:
    settings = from_environment(
        {
            "APPARENT_MODEL_URI": "s3://bucket/models/abc/",
            "APPARENT_MAX_PIXELS": "1000",
            "APPARENT_MAX_BYTES": "2000",
            "APPARENT_ALLOWED_ORIGINS": "https://a.example, http://127.0.0.1:8000,http://[::1]:443",
        }
    )
    assert settings.model_uri == "s3://bucket/models/abc/"
    assert (settings.max_pixels, settings.max_bytes) == (1000, 2000)
    assert settings.allowed_origins == (
        "https://a.example",
        "http://127.0.0.1:8000",
        "http://[::1]:443",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APPARENT_MAX_PIXELS", "many"),
        ("APPARENT_MAX_PIXELS", "0"),
        ("APPARENT_MAX_BYTES", "-1"),
        ("APPARENT_MODEL_URI", "/models"),
        ("APPARENT_ALLOWED_ORIGINS", "example.org"),
        ("APPARENT_ALLOWED_ORIGINS", "https://example.org/page"),
        ("APPARENT_ALLOWED_ORIGINS", "https://*.example.org"),
        ("APPARENT_ALLOWED_ORIGINS", "https://Example.org"),
        ("APPARENT_ALLOWED_ORIGINS", "https://example.org:443"),
        ("APPARENT_ALLOWED_ORIGINS", "http://me@example.org"),
        ("APPARENT_MAX_PIXEL", "5"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        from_environment({name: value})

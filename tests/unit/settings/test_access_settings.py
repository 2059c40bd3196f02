"""Sign-in of browsers in the settings: what belongs together, and that no secret is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from scrollintel.composition import from_settings
from scrollintel.core.errors import ConfigError
from scrollintel.settings import Settings, load

PROVIDER = (
    '[access]\noidc_issuer = "https://id.example.com"\noidc_audience = "scrollintel"\n'
    'oidc_jwks_url = "https://id.example.com/keys"\n'
)
ENDPOINTS = {
    "oidc_authorization_url": "https://id.example.com/authorize",
    "oidc_token_url": "https://id.example.com/token",
}


def loaded(folder: Path, text: str, **environment: str) -> Settings:
    """Return the settings of a file and variables."""
    file = folder / "scrollintel.toml"
    file.write_text(text, "utf-8")
    return load(file, {"HOME": str(folder), **environment}, directory=folder)


def lines(**values: str) -> str:
    """Return lines of a settings file."""
    return "".join(f'{key} = "{value}"\n' for key, value in values.items())


def test_access_settings_of_sign_in_reach_the_control_plane(tmp_path: Path) -> None:
    """Client, endpoints and times, from the file and from variables."""
    text = PROVIDER + lines(oidc_client_id="dash", oidc_client_secret="{env:SECRET}", **ENDPOINTS)
    settings = loaded(tmp_path, text, SCROLLINTEL_ACCESS_SESSION_IDLE="120", SCROLLINTEL_ACCESS_SESSION_LIFETIME="240")
    use_cases = from_settings(settings)
    assert use_cases.sessions.ways == ["token", "provider"]
    assert use_cases.sessions.limits.idle == 120.0
    assert use_cases.sessions.limits.lifetime == 240.0
    assert loaded(tmp_path, "").access.session_idle == 1800.0
    assert loaded(tmp_path, "").access.session_lifetime == 43_200.0


def test_access_settings_hide_a_secret_that_is_no_reference(tmp_path: Path) -> None:
    """Neither in the error nor in what is shown."""
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, PROVIDER + lines(oidc_client_id="dash", oidc_client_secret="hunter2-in-clear"))
    assert "hunter2" not in str(caught.value)
    assert "oidc_client_secret" in str(caught.value) and "{env:NAME}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "field", "allowed"),
    [
        ("[access]\n" + lines(oidc_client_id="dash"), "oidc_client_id", "no oidc_issuer"),
        (PROVIDER + lines(oidc_client_secret="{env:X}"), "oidc_client_secret", "no oidc_client_id"),
        (PROVIDER + lines(**ENDPOINTS), "oidc_authorization_url", "no oidc_client_id"),
        (PROVIDER + lines(oidc_redirect_url="https://me.example.com/"), "oidc_redirect_url", "no oidc_client_id"),
        (
            PROVIDER + lines(oidc_client_id="dash", oidc_token_url="https://id.example.com/token"),
            "oidc_authorization_url",
            "the other endpoint",
        ),
        (
            PROVIDER + lines(oidc_client_id="dash", oidc_redirect_url="http://me.example.com/"),
            "oidc_redirect_url",
            "https",
        ),
        ("[access]\nsession_idle = 59\n", "session_idle", "at least 60"),
        ("[access]\nsession_lifetime = 2592001\n", "session_lifetime", "at most 2592000"),
        ("[access]\nsession_idle = 7200\nsession_lifetime = 3600\n", "session_lifetime", "session_idle (7200 seconds)"),
    ],
)
def test_access_settings_that_do_not_fit_are_refused(tmp_path: Path, text: str, field: str, allowed: str) -> None:
    """Each mistake with its key and what would be right."""
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    found = [str(violation) for violation in caught.value.violations]
    assert any(f"access.{field}" in text and allowed in text for text in found), found

"""What of a secret may be shown, and which secrets everybody knows."""

from __future__ import annotations

import re

HIDDEN = "(hidden)"
_PASSWORD = re.compile(r"(://[^/@:]*:)(.*)(@)")

WELL_KNOWN = frozenset(
    [
        "admin",
        "administrator",
        "changeit",
        "changeme",
        "change-me",
        "change_me",
        "default",
        "guest",
        "letmein",
        "master",
        "password",
        "password1",
        "passw0rd",
        "postgres",
        "qwerty",
        "root",
        "scrollintel",
        "secret",
        "test",
        "token",
        "user",
        "123456",
        "12345678",
        "1234567890",
    ]
)
"""Passwords that come with a product or head the lists of guesses; lower case."""


def without_password(url: str) -> str:
    """Return a database address with its password replaced."""
    return _PASSWORD.sub(rf"\1{HIDDEN}\3", url)


def password_of(url: str) -> str | None:
    """Return the password in a database address, or None."""
    found = _PASSWORD.search(url)
    return found.group(2) if found else None


def is_well_known(secret: str) -> bool:
    """Tell whether a secret is one that anybody would try first."""
    return secret.strip().lower() in WELL_KNOWN

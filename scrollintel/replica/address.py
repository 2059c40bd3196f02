"""What an address of a control plane and a token for it look like."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

ADDRESS_ALLOWED = "an http or https address without user name, query and fragment"
TOKEN_ALLOWED = "printable ASCII text"  # noqa: S105 - what is allowed, not one


def parsed_address(url: object) -> SplitResult | None:
    """Return the parts of an address, or None when it is none."""
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    fits = fits and parts.username is None and not parts.query and not parts.fragment
    return parts if fits else None


def is_token(token: object) -> bool:
    """Tell whether something can be sent as a token."""
    return isinstance(token, str) and token.isascii() and token.isprintable() and bool(token.strip())

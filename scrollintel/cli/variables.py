"""The environment variables of the command line; those of settings stand beside them."""

from __future__ import annotations

URL = "SCROLLINTEL_URL"
TOKEN = "SCROLLINTEL_TOKEN"  # noqa: S105 - the name of a variable
TOKEN_FILE = "SCROLLINTEL_TOKEN_FILE"  # noqa: S105 - the name of a variable
CA_FILE = "SCROLLINTEL_CA_FILE"
NO_COLOR = "NO_COLOR"

MEANINGS: dict[str, str] = {
    URL: "control plane to talk to; `--url` wins",
    TOKEN: "API token; `--token` and `--token-file` win",
    TOKEN_FILE: "file with the API token; the three above win",
    CA_FILE: "authorities to trust for https, in PEM form; `--ca-file` wins",
    "SCROLLINTEL_CONFIG": "settings file; `--config` wins",
    "SCROLLINTEL_TABLE_KEY": "any setting, such as `SCROLLINTEL_SERVER_PORT` or `SCROLLINTEL_DATABASE_URL`",
    NO_COLOR: "when it is not empty: no colours, as with `--no-color`",
}
"""What each does; an empty variable counts as one that is not set."""

"""The description of the API (OpenAPI), with how requests prove who sends them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from .browser import COOKIE
from .context import PREFIX

SCHEME = "bearer"
SESSION = "session"


def describe(app: FastAPI) -> dict[str, Any]:  # Any: JSON values
    """Return the description of the application; made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description="Circuits, policies, levels and recoveries of every replica, seen and steered.",
            routes=app.routes,
        )
        components = document.setdefault("components", {})
        components["securitySchemes"] = {
            SCHEME: {
                "type": "http",
                "scheme": "bearer",
                "description": "An API token, or a token of the identity provider.",
            },
            SESSION: {
                "type": "apiKey",
                "in": "cookie",
                "name": COOKIE,
                "description": "A browser that has signed in. A request that changes something also needs the header"
                " X-CSRF-Token, with the session's csrf value.",
            },
        }
        for path, methods in document["paths"].items():
            if path.startswith(PREFIX):
                for operation in methods.values():
                    is_open = operation["tags"] == ["session"]
                    operation["security"] = [] if is_open else [{SCHEME: []}, {SESSION: []}]
        app.openapi_schema = document
    return app.openapi_schema

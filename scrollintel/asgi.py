"""Entry point for an ASGI server of your own: `uvicorn scrollintel.asgi:app`, one worker; settings as for `serve`."""

from __future__ import annotations

from .api.middleware import AllowedHosts
from .composition import from_settings
from .dashboard.application import create_app
from .settings import load

settings = load()
app = create_app(from_settings(settings), hosts=AllowedHosts((settings.server.host, *settings.server.allowed_hosts)))

"""Entry point for an ASGI server of your own: `uvicorn scrollintel.asgi:app`, one worker; settings as for `serve`."""

from __future__ import annotations

from .api.application import create_api
from .app import build
from .settings import load

app = create_api(build(load()))

"""An ASGI application on a real server, on a loopback port, in a thread of its own."""

from __future__ import annotations

import socket
import threading
from typing import Any

import uvicorn


class ServedApplication:
    """Serves `app` until `stop`."""

    def __init__(self, app: Any) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(1024)  # from now on nobody is refused, although the server begins a moment later
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the server and close its port."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

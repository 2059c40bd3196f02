"""The control plane as a child of the demo: `scrollintel serve`. Arguments: the settings file, the port."""

from __future__ import annotations

import http.client
import sys
import threading
import time

from scrollintel.cli.main import main as scrollintel

from . import lifeline


def main() -> None:
    """Serve; say so once it answers."""
    lifeline.hold_on_to_parent()
    settings, port = sys.argv[1], int(sys.argv[2])
    threading.Thread(target=_report, args=(port,), name="ready", daemon=True).start()
    sys.stdout = sys.stderr  # standard output tells the demo one thing only
    sys.argv = ["scrollintel", "serve", "--config", settings]
    scrollintel()


def _report(port: int) -> None:
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1.0)
        try:
            connection.request("GET", "/livez")
            if connection.getresponse().status == 200:
                break
        except OSError:
            time.sleep(0.02)
        finally:
            connection.close()
    lifeline.report_ready(port=port)


if __name__ == "__main__":
    main()

"""The storefront service: every page asks the inventory service over HTTP, without any protection."""

from __future__ import annotations

import http.client
import json
import sys
from pathlib import Path

from . import lifeline
from .web import Answer, Server

PATIENCE = 1.0
"""Seconds that a page waits for the inventory."""


class Storefront:
    """Passes requests on to the inventory, whose port it reads from a file, since a restart may change it."""

    def __init__(self, address: Path) -> None:
        self._address = address

    def product(self, rest: str, query: dict[str, str], lane: str) -> Answer:
        """Show a product."""
        return self._ask("GET", f"/stock/{rest}", lane)

    def related(self, rest: str, query: dict[str, str], lane: str) -> Answer:
        """Show what others bought with it."""
        return self._ask("GET", f"/related/{rest}", lane)

    def order(self, rest: str, query: dict[str, str], lane: str) -> Answer:
        """Order one piece."""
        return self._ask("POST", f"/reserve/{rest}?key={query.get('key', '')}", lane)

    def _ask(self, method: str, path: str, lane: str) -> Answer:
        port = int(self._address.read_text(encoding="ascii"))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request(method, path, headers={"X-Lane": lane})
            response = connection.getresponse()
            body = json.loads(response.read())
        except TimeoutError:
            return 504, {"error": f"the inventory did not answer within {PATIENCE:g} s"}
        except (OSError, http.client.HTTPException, ValueError) as error:
            return 502, {"error": f"the inventory cannot be reached: {type(error).__name__}"}
        finally:
            connection.close()
        return response.status, body


def main() -> None:
    """Serve until the parent ends. Arguments: the file with the inventory's port, the own port (0 for any)."""
    lifeline.hold_on_to_parent()
    storefront = Storefront(Path(sys.argv[1]))
    server = Server(
        int(sys.argv[2]),
        {
            ("GET", "product"): storefront.product,
            ("GET", "related"): storefront.related,
            ("POST", "order"): storefront.order,
        },
    )
    lifeline.report_ready(port=server.port)
    server.serve_forever(poll_interval=60.0)


if __name__ == "__main__":
    main()

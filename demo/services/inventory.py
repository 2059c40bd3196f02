"""The inventory service: HTTP in front of a real SQLite file."""

from __future__ import annotations

import sqlite3
import sys
import threading
from pathlib import Path

from . import database, lifeline
from .web import Answer, Server

BUSY_TIMEOUT = 0.06
RELATED = """
SELECT b.sku, p.name, count(*) AS together
FROM order_lines a JOIN order_lines b ON b.basket = a.basket AND b.sku <> a.sku JOIN products p ON p.sku = b.sku
WHERE a.sku = ? GROUP BY b.sku ORDER BY together DESC, b.sku LIMIT 3
"""


class Inventory:
    """Answers from the database, one connection for each request; SQLite's errors become HTTP's."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = threading.Lock()

    def stock(self, rest: str, query: dict[str, str], lane: str) -> Answer:
        """Return a product with what is left of it."""
        return self._ask("SELECT sku, name, price_cents, stock FROM products WHERE sku = ?", rest)

    def related(self, rest: str, query: dict[str, str], lane: str) -> Answer:
        """Return what was most often bought together with a product."""
        return self._ask(RELATED, rest)

    def reserve(self, rest: str, query: dict[str, str], lane: str) -> Answer:
        """Take one piece from the stock, once for each idempotency key however often it is asked."""
        # SQLite has one writer at a time; threads of this process wait here as long as they would wait there.
        if not self._writing.acquire(timeout=BUSY_TIMEOUT):
            return 503, {"error": "too many orders at once"}
        try:
            self._book(int(rest), query["key"], lane)
        except (sqlite3.Error, ValueError, KeyError) as error:
            return _failure(error)
        finally:
            self._writing.release()
        return 200, {"reserved": query["key"]}

    def _book(self, sku: int, key: str, lane: str) -> None:
        connection = database.connect(self._path, busy_timeout=BUSY_TIMEOUT)
        try:
            connection.execute("BEGIN IMMEDIATE")
            added = connection.execute("INSERT OR IGNORE INTO reservations VALUES (?, ?, ?)", (key, sku, lane))
            if added.rowcount == 1:
                connection.execute("UPDATE products SET stock = stock - 1 WHERE sku = ?", (sku,))
            connection.execute("COMMIT")
        finally:
            connection.close()

    def _ask(self, statement: str, rest: str) -> Answer:
        try:
            connection = database.connect(self._path, busy_timeout=BUSY_TIMEOUT)
            try:
                connection.row_factory = sqlite3.Row
                rows = [dict(row) for row in connection.execute(statement, (int(rest),))]
            finally:
                connection.close()
        except (sqlite3.Error, ValueError) as error:
            return _failure(error)
        return 200, {"rows": rows}


def _failure(error: Exception) -> Answer:
    if isinstance(error, sqlite3.Error):
        return (503 if "locked" in str(error) else 500), {"error": str(error)}
    return 400, {"error": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Serve until the parent ends. Arguments: the database file, the port (0 for any)."""
    lifeline.hold_on_to_parent()
    inventory = Inventory(Path(sys.argv[1]))
    server = Server(
        int(sys.argv[2]),
        {
            ("GET", "stock"): inventory.stock,
            ("GET", "related"): inventory.related,
            ("POST", "reserve"): inventory.reserve,
        },
    )
    lifeline.report_ready(port=server.port)
    server.serve_forever(poll_interval=60.0)


if __name__ == "__main__":
    main()

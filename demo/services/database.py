"""The shop's SQLite file: its tables, its contents and how to open it."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

SKUS = 200
PAST_ORDERS = 3000
STOCK = 100_000

_TABLES = """
CREATE TABLE products (
    sku INTEGER PRIMARY KEY, name TEXT NOT NULL, price_cents INTEGER NOT NULL, stock INTEGER NOT NULL
);
CREATE TABLE order_lines (basket INTEGER NOT NULL, sku INTEGER NOT NULL, PRIMARY KEY (basket, sku)) WITHOUT ROWID;
CREATE INDEX order_lines_by_sku ON order_lines (sku, basket);
CREATE TABLE reservations (key TEXT PRIMARY KEY, sku INTEGER NOT NULL, lane TEXT NOT NULL) WITHOUT ROWID;
"""
_ADJECTIVES = ("Oak", "Brass", "Linen", "Slate", "Amber", "Copper", "Willow", "Cobalt", "Ivory", "Cedar")
_NOUNS = ("Lamp", "Chair", "Kettle", "Shelf", "Clock", "Vase", "Blanket", "Desk", "Mirror", "Stool")


def connect(path: Path, *, busy_timeout: float) -> sqlite3.Connection:
    """Open the file; a lock held by someone else is waited for `busy_timeout` seconds, then it is an error."""
    connection = sqlite3.connect(path, timeout=busy_timeout, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def create(path: Path, seed: int) -> None:
    """Make the file with a catalogue and the orders of the past, the same for the same seed."""
    random_source = random.Random(seed)
    products = [
        (
            sku,
            f"{random_source.choice(_ADJECTIVES)} {random_source.choice(_NOUNS)}",
            random_source.randrange(500, 90_000),
            STOCK,
        )
        for sku in range(1, SKUS + 1)
    ]
    lines = {
        (basket, min(SKUS, 1 + int(random_source.paretovariate(0.6))))
        for basket in range(PAST_ORDERS)
        for _ in range(random_source.randrange(1, 5))
    }
    connection = connect(path, busy_timeout=1.0)
    try:
        connection.executescript(_TABLES)
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO products VALUES (?, ?, ?, ?)", products)
        connection.executemany("INSERT INTO order_lines VALUES (?, ?)", sorted(lines))
        connection.execute("COMMIT")
    finally:
        connection.close()


def audit(path: Path) -> dict[str, int]:
    """Check the file as an accountant would: whole, and each reservation taken from the stock exactly once."""
    connection = connect(path, busy_timeout=5.0)
    try:
        whole = connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        reserved = int(connection.execute("SELECT count(*) FROM reservations").fetchone()[0])
        taken = SKUS * STOCK - int(connection.execute("SELECT sum(stock) FROM products").fetchone()[0])
    finally:
        connection.close()
    return {"damaged": int(not whole), "reservations": reserved, "booked_twice": taken - reserved}

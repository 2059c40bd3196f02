"""A batch job that holds the database's exclusive lock for a share of the time, as a careless report would."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from . import database, lifeline


def main() -> None:
    """Lock and release until the parent ends.

    Arguments: the database file, the file with the rhythm, a seed.
    """
    lifeline.hold_on_to_parent()
    path, rhythm_file, random_source = Path(sys.argv[1]), Path(sys.argv[2]), random.Random(int(sys.argv[3]))
    connection = database.connect(path, busy_timeout=5.0)
    lifeline.report_ready(port=0)
    while True:
        share, period = rhythm(rhythm_file)
        length = period * random_source.uniform(0.7, 1.3)
        if share > 0:
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("SELECT sum(price_cents * stock) FROM products").fetchone()
            time.sleep(length * min(share, 1.0))
            while rhythm(rhythm_file)[0] >= 1:
                time.sleep(0.005)
            connection.execute("ROLLBACK")
        if share < 1:
            time.sleep(length * (1 - share) if share else 0.01)


def rhythm(path: Path) -> tuple[float, float]:
    """Return the share of time to be locked and the mean seconds from one lock to the next."""
    share, period = path.read_text(encoding="ascii").split()
    return float(share), float(period)


if __name__ == "__main__":
    main()

"""What tests of storage start from: a database of each kind whose schema is up to date."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scrollintel.storage.engine import Database
from scrollintel.storage.schema import upgrade
from tests.servers.postgres import Postgres


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres) -> str:
    """Return a PostgreSQL database at the newest step, of which copies are made: that is faster than migrating each."""
    url = postgres.new_database()
    database = Database(url)
    upgrade(database, database.connect_writer())
    database.dispose()
    return url


@pytest.fixture
def postgres_url(postgres: Postgres, postgres_template: str) -> Iterator[str]:
    """Return a PostgreSQL database without rows, at the newest step; it is dropped afterwards."""
    url = postgres.new_database(postgres_template)
    yield url
    postgres.drop(url)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Return a database without rows, of each kind in turn, which is closed afterwards."""
    database = Database(database_url)
    yield database
    database.dispose()

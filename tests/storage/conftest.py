"""What tests of storage start from: an empty database of each kind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scrollintel.storage.engine import Database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Return an empty database, of each kind in turn, which is closed afterwards."""
    database = Database(database_url)
    yield database
    database.dispose()

"""An operator looks at the schema, brings it up to date and takes it back, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from scrollintel.storage.engine import Database
from scrollintel.storage.errors import DatabaseLockedError, SchemaError, StandbyError
from scrollintel.storage.maintenance import bring_up_to_date, schema_step, take_back
from scrollintel.storage.schema import head


def test_schema_goes_up_and_back(database_url: str) -> None:
    """Each function tells where the schema is afterwards; looking changes nothing."""
    assert bring_up_to_date(database_url).is_current
    assert schema_step(database_url)[:2] == (head(), head())
    with pytest.raises(SchemaError, match="no step 'nosuch'"):
        take_back(database_url, "nosuch")
    assert take_back(database_url, "base").step is None
    found = schema_step(database_url)
    assert (found.step, found.wanted, found.is_current, found.exists) == (None, head(), False, True)
    with pytest.raises(SchemaError, match="no tables"):
        take_back(database_url, "base")
    assert bring_up_to_date(database_url).is_current


def test_schema_of_a_database_in_use_is_looked_at_and_left_alone(database_url: str) -> None:
    """A control plane that runs is not disturbed."""
    bring_up_to_date(database_url)
    database = Database(database_url)
    database.connect_writer()
    try:
        assert schema_step(database_url).is_current
        for change in (bring_up_to_date, lambda url: take_back(url, "base")):
            with pytest.raises((DatabaseLockedError, StandbyError)):
                change(database_url)
    finally:
        database.dispose()


def test_schema_of_a_file_that_is_not_there_creates_none(tmp_path: Path) -> None:
    """Neither a look nor the way back makes a database."""
    file = tmp_path / "folder" / "control.db"
    assert schema_step(str(file)).exists is False
    with pytest.raises(SchemaError):
        take_back(str(file), "base")
    assert not file.parent.exists()

"""Configuration values, open or secret; a secret one is sealed and never read back."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Final

from ..control.records import CONFIGURATION, ConfigurationRecord
from ..core.errors import ScrollIntelError
from ..security.access import Permission
from ..security.errors import DecryptionError, KeyUnavailableError
from ..security.secret_digest import Secret
from ..storage import sealed_cells
from ..storage.errors import StoreUnavailableError
from ..storage.transaction import Transaction
from .caller import SYSTEM, Caller
from .errors import AlreadyExistsError, ConflictError, MissingError, RequestError, RevisionConflictError
from .plane import ControlPlane
from .policies import ANY_REVISION, etag

TABLE: Final = "fault_tolerance_configurations"
COLUMN: Final = "sealed"
MAX_VALUES: Final = 1_000
MAX_VALUE_BYTES: Final = 64 * 1024
SELF_TEST_KEY: Final = "\x1fself-test"
"""No name may hold a control character, so that no request reaches this row."""


class ValueTooLargeError(RequestError):
    """A configuration value has more than 64 KiB as JSON."""

    code = "value_too_large"
    status = 422


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueWish:
    """What a caller wants a configuration value to be.

    Arguments:
        value: A JSON value of at most 64 KiB; for one that is secret, not None.
        secret: Whether it is sealed and never shown again.
        description: For people, or None.
        expected: Its revision; None when it must not exist yet, -1 for whatever there is.
    """

    value: Any  # Any: a JSON value
    secret: bool
    description: str | None
    expected: int | None


class Configuration:
    """The use cases around configuration values."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._tested = False

    # ------------------------------------------------------------------ reading

    def all(self) -> list[ConfigurationRecord]:
        """Return every value."""
        return [record for record in self._plane.records.values(CONFIGURATION) if record.key != SELF_TEST_KEY]

    def find(self, key: str) -> ConfigurationRecord:
        """Return one value; raises MissingError when there is none of that key."""
        record = self._plane.records.get(CONFIGURATION, key)
        if record is None:
            raise MissingError("configuration value", key)
        return record

    def secret(self, key: str) -> Any:  # Any: a JSON value
        """Return a secret value in clear, for the parts of the control plane that use it; never for an answer.

        Raises:
            MissingError: when there is none.
            DecryptionError, KeyUnavailableError: when it does not open.
        """
        record = self.find(key)
        if not record.secret:
            return record.value
        return json.loads(self._plane.keys.ring.open_(record.sealed or "", TABLE, key, COLUMN))

    def digest(self, record: ConfigurationRecord) -> str | None:
        """Return the keyed hash of a secret value, or None when it cannot be opened now."""
        if not record.secret:
            return None
        try:
            plain = json.loads(self._plane.keys.ring.open_(record.sealed or "", TABLE, record.key, COLUMN))
            return self._plane.keys.digest.of(Secret(plain))
        except (DecryptionError, KeyUnavailableError):
            return None

    # ------------------------------------------------------------------ changing

    def put(self, tx: Transaction, caller: Caller, key: str, wish: ValueWish) -> ConfigurationRecord:
        """Set a value.

        Raises:
            AlreadyExistsError, MissingError, RevisionConflictError: when what there is is not what the caller expects.
            ValueTooLargeError: when it has more than 64 KiB.
            StoreUnavailableError: when it is secret and encryption has not been proved yet.
        """
        caller.require_for_new(Permission.CONFIGURATION_WRITE, None)
        text = json.dumps(wish.value, ensure_ascii=False, separators=(",", ":"))
        if len(text.encode()) > MAX_VALUE_BYTES:
            raise ValueTooLargeError(f"a configuration value may have {MAX_VALUE_BYTES} bytes as JSON")
        before = tx.get(CONFIGURATION, key)
        _expect(before, wish.expected, key)
        if before is None and sum(1 for _ in tx.values(CONFIGURATION)) >= MAX_VALUES:
            raise ConflictError(f"{MAX_VALUES} configuration values are kept; that is all there can be")
        sealed = None
        if wish.secret:
            if not self._tested:
                raise StoreUnavailableError("encryption has not been tested yet", retry_after=1.0)
            sealed = self._seal(key, text)
        record = ConfigurationRecord(
            key=key,
            value=None if wish.secret else wish.value,
            sealed=sealed,
            secret=wish.secret,
            revision=1 if before is None else before.revision + 1,
            description=wish.description,
            updated_at=tx.now,
            updated_by=caller.identity.id,
        )
        tx.put(CONFIGURATION, record)
        tx.audit(
            caller.entry(
                "configuration.set",
                "configuration",
                key,
                at=tx.now,
                before=None if before is None else self._summary(before),
                after=self._summary(record),
            )
        )
        return record

    def remove(self, tx: Transaction, caller: Caller, key: str, expected: int | None) -> None:
        """Take a value out; raises as `put`."""
        caller.require_for_new(Permission.CONFIGURATION_WRITE, None)
        before = tx.get(CONFIGURATION, key)
        if before is None:
            raise MissingError("configuration value", key)
        _expect(before, ANY_REVISION if expected is None else expected, key)
        tx.delete(CONFIGURATION, key)
        tx.audit(caller.entry("configuration.delete", "configuration", key, at=tx.now, before=self._summary(before)))

    def _seal(self, key: str, text: str) -> str:
        return self._plane.keys.ring.seal(text.encode(), TABLE, key, COLUMN)

    def _summary(self, record: ConfigurationRecord) -> dict[str, Any]:  # Any: JSON values
        value = self.digest(record) if record.secret else record.value
        return {"revision": record.revision, "secret": record.secret, "value": value}

    # ------------------------------------------------------------------ proof

    async def self_test(self) -> None:
        """Prove, once after each start, that ciphertext and not plaintext reaches the disk; else nothing is written."""
        plane = self._plane
        if self._tested or not plane.serving or plane.distrust is not None:
            return
        try:
            await asyncio.to_thread(plane.keys.ring.self_test, self._write_and_read_raw, TABLE, SELF_TEST_KEY, COLUMN)
        except StoreUnavailableError:
            return
        except ScrollIntelError as error:
            plane.distrust = f"nothing is written: {error}"
            raise
        self._tested = True

    def _write_and_read_raw(self, marker: str) -> str:
        plane = self._plane

        def write(tx: Transaction) -> None:
            tx.put(
                CONFIGURATION,
                ConfigurationRecord(
                    key=SELF_TEST_KEY,
                    value=None,
                    sealed=self._seal(SELF_TEST_KEY, marker),
                    secret=True,
                    revision=1,
                    description=None,
                    updated_at=tx.now,
                    updated_by=SYSTEM.identity.id,
                ),
            )
            plane.keys.store_counts(tx)

        plane.writer.change_blocking(write)
        try:
            with plane.database.reader() as connection:
                return sealed_cells.raw_configuration(connection, SELF_TEST_KEY)
        finally:
            plane.writer.change_blocking(lambda tx: tx.delete(CONFIGURATION, SELF_TEST_KEY))


def _expect(before: ConfigurationRecord | None, expected: int | None, key: str) -> None:
    if before is None:
        if expected is not None and expected != ANY_REVISION:
            raise MissingError("configuration value", key)
        return
    if expected is None:
        raise AlreadyExistsError(f"a configuration value {key!r} exists already, at revision {before.revision}")
    if expected not in (ANY_REVISION, before.revision):
        raise RevisionConflictError(
            f"the configuration value {key!r} is at revision {before.revision}, not {expected}",
            headers={"ETag": etag(before.revision)},
        )

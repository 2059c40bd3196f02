"""The first token of an administrator: shown once, to whoever has started the control plane."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TextIO

from ..control.records import ROLE_BINDINGS, RoleBindingRecord
from ..security.access import EVERY_SERVICE, Binding, Role
from ..security.kinds import TOKENS
from ..security.tokens import TokenRecord, issue
from ..storage.transaction import Transaction
from .caller import SYSTEM
from .plane import ControlPlane
from .role_bindings import binding_of

FILE_NAME = "first-admin-token"
logger = logging.getLogger("scrollintel.service")


class Bootstrap:
    """Makes a token when access is enforced and nobody can administer everything.

    Somebody can who has a token that is neither revoked nor expired, or a role that is bound to them.

    Arguments:
        plane: The control plane.
        path: File for the token where no terminal is.
        people: Whether an identity provider lets people in; without one nobody has a role that is bound to them.
        terminal: Where it is shown when that is a terminal; the error output by default.
    """

    def __init__(self, plane: ControlPlane, path: Path, *, people: bool = True, terminal: TextIO | None = None) -> None:
        self._plane = plane
        self._path = path
        self._people = people
        self._terminal = terminal

    async def first_token(self) -> bool:
        """Make a token if there is no administrator; tells whether one was made.

        Raises:
            OSError: when the file cannot be written; then there is no token either.
        """
        records, now = self._plane.records, self._plane.now
        if self._has_admin(records.values(TOKENS), records.values(ROLE_BINDINGS), now):
            return False
        minted, record = issue(name="first admin", bindings=[Binding(Role.ADMIN, (EVERY_SERVICE,))], now=now)
        terminal = sys.stderr if self._terminal is None else self._terminal
        shows = terminal.isatty()
        if not shows:
            # Written before the token counts: a crash in between leaves a file without effect, never a lost token.
            await asyncio.to_thread(_write_private, self._path, minted.text)

        def decide(tx: Transaction) -> bool:
            if self._has_admin(tx.values(TOKENS), tx.values(ROLE_BINDINGS), tx.now):
                return False
            tx.put(TOKENS, record)
            tx.audit(SYSTEM.entry("token.create", "token", record.id, at=tx.now, reason="nobody could administer"))
            tx.afterwards(lambda: self._plane.tokens.put(record))
            return True

        made = await self._plane.change(decide)
        if not made:
            return False
        if shows:
            terminal.write(f"\nThe first admin token, shown this once:\n\n    {minted.text}\n\n")
            terminal.flush()
        else:
            logger.warning("the first admin token is in %s; read it and delete the file", self._path)
        return True

    def _has_admin(self, tokens: Iterable[TokenRecord], bindings: Iterable[RoleBindingRecord], now: datetime) -> bool:
        if any(record.is_admin_everywhere() and record.refusal(now) is None for record in tokens):
            return True
        bound = (binding_of(record) for record in bindings) if self._people else ()
        return any(binding.role is Role.ADMIN and binding.everywhere for binding in bound)


def _write_private(path: Path, text: str) -> None:
    """Write a new file that its owner alone can read; one left by a start that failed holds no valid token."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123 - a descriptor has no path
        file.write(text + "\n")
        file.flush()
        os.fsync(descriptor)

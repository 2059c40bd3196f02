"""Replicas that join, report and listen."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from ..control.records import ENDPOINT_ORDERS, LEVEL_ORDERS, POLICIES
from ..core.config.base import name_problem
from ..replica.protocol import PROTOCOL, ProtocolError
from ..security.access import Permission
from ..storage.errors import StoreUnavailableError
from ..storage.transaction import Transaction
from .caller import Caller
from .errors import AccessDeniedError, ConflictError, MissingError, RequestError
from .fleet import KEPT_REFUSALS, MAX_REPLICAS, Change, Session
from .ingest import Ingest
from .plane import ControlPlane
from .policies import spoken_content
from .remembered import Remembered
from .reports import read_report

POLL_WAIT = 25.0
"""Seconds that a replica's request for changes may stay open."""


class BadMessageError(RequestError):
    """A replica's message is not what the protocol says."""

    code = "protocol_error"
    status = 422


class Replicas:
    """The use cases of replicas; everything on the event loop.

    Arguments:
        plane: The control plane.
        ingest: Takes reports in.
        remembered: Knows what replicas reported before a restart.
        push_interval: Seconds between reports that replicas are asked for.
    """

    def __init__(
        self, plane: ControlPlane, ingest: Ingest, remembered: Remembered, *, push_interval: float = 1.0
    ) -> None:
        self._plane = plane
        self._remembered = remembered
        self._ingest = ingest
        self._push_interval = push_interval

    async def join(self, caller: Caller, message: Mapping[str, Any]) -> dict[str, Any]:  # Any: JSON values
        """Admit a replica of a service that its token names, and tell it what is wanted.

        Raises:
            BadMessageError, AccessDeniedError, ConflictError: as named.
        """
        service, instance = message.get("service"), message.get("instance")
        host, pid, version = message.get("host"), message.get("pid"), message.get("version")
        protocol = message.get("protocol")
        if type(protocol) is not int or protocol < 1:
            raise BadMessageError("the message names no version of the protocol")
        _check(message, {"host": (str,), "pid": (int,), "version": (str,)})
        if name_problem(service) or name_problem(instance):
            raise BadMessageError("a replica joins with the names of its service and of its instance")
        assert isinstance(service, str)
        assert isinstance(instance, str)
        if not caller.identity.allows(Permission.REPLICAS_JOIN, service):
            raise AccessDeniedError("the token is not one for replicas of that service")
        fleet = self._plane.fleet
        former = next((item for item in fleet.sessions() if item.instance == instance), None)
        if former is not None and former.service != service:
            raise ConflictError("the instance has joined for another service")
        if former is None and len(fleet) >= MAX_REPLICAS:
            raise ConflictError(f"{MAX_REPLICAS} replicas have joined; that is all there can be")
        session = fleet.join(
            instance=instance,
            service=service,
            version=version[:50] if isinstance(version, str) and version.isprintable() else "unknown",
            pid=pid if type(pid) is int and 0 <= pid < 2**31 else None,
            host=host[:200] if isinstance(host, str) and host.isprintable() else None,
            actor=caller.identity.id,
        )
        self._plane.facts.tell(
            "replica.joined",
            {"replica": instance, "host": session.host, "version": session.version, "at": self._plane.now.isoformat()},
            service=service,
        )
        await self._note(caller, "replica.join", session)
        return {
            "protocol": PROTOCOL,
            "replica": session.id,
            "sequence": fleet.sequence,
            "push_interval": self._push_interval,
            "poll_wait": POLL_WAIT,
            "stale_after": fleet.stale_after,
            "desired": self.desired(service),
        }

    async def _note(self, caller: Caller, action: str, session: Session) -> None:
        """Write an audit entry when that is possible now; a replica joins without the database as well."""

        def decide(tx: Transaction) -> None:
            tx.audit(caller.entry(action, "replica", session.instance, at=tx.now, service=session.service))

        with contextlib.suppress(StoreUnavailableError):
            await self._plane.change(decide)

    def _own(self, caller: Caller, session_id: str) -> Session:
        session = self._plane.fleet.get(session_id)
        if session.actor != caller.identity.id or not caller.identity.allows(Permission.REPLICAS_JOIN, session.service):
            raise MissingError("replica", session_id[:40])
        return session

    def report(self, caller: Caller, session_id: str, message: Mapping[str, Any]) -> None:  # Any: JSON values
        """Take a report in.

        Raises:
            MissingError: when the replica has to join again.
            BadMessageError: when the report is none; nothing of it is taken.
        """
        session = self._own(caller, session_id)
        _check(message, {"full": (bool,), "dropped": (int,)})
        if message.get("dropped", 0) < 0:
            raise BadMessageError("dropped is no count")
        try:
            report = read_report(message)
        except ProtocolError as error:
            raise BadMessageError(str(error)) from None
        if report.full:
            self._remembered.forget(session.instance)
        self._ingest.report(session, report)

    async def listen(
        self, caller: Caller, session_id: str, message: Mapping[str, Any]
    ) -> dict[str, Any]:  # Any: JSON values
        """Answer with the changes after the one that the replica has applied, as soon as there are some."""
        session = self._own(caller, session_id)
        sequence, wait = message.get("sequence"), message.get("wait", POLL_WAIT)
        if type(sequence) is not int or sequence < 0 or isinstance(wait, bool) or not isinstance(wait, int | float):
            raise BadMessageError("the message says not what was applied, or how long to wait")
        _check(message, {"applied": (dict,), "refused": (list,)})
        if not all(isinstance(item, dict) for item in message.get("refused", ())):
            raise BadMessageError("refused is no list of objects")
        self._acknowledge(session, sequence, message)
        fleet = self._plane.fleet
        if fleet.known_since(sequence) and not fleet.since(session, sequence) and not self._plane.stopping:
            await fleet.wait(session, min(max(float(wait), 0.0), POLL_WAIT))
        if not fleet.known_since(sequence):  # looked at after the wait, in which the database may have been read anew
            return {"sequence": fleet.sequence, "desired": self.desired(session.service)}
        changes = fleet.since(session, sequence)
        return {"sequence": fleet.sequence, "changes": [_wire(change) for change in changes]}

    def _acknowledge(self, session: Session, sequence: int, message: Mapping[str, Any]) -> None:  # Any: JSON values
        session.applied = sequence
        applied = message.get("applied")
        policies = applied.get("policies") if isinstance(applied, dict) else None
        if isinstance(policies, dict):
            session.policies_applied = {
                name: revision
                for name, revision in policies.items()
                if not name_problem(name) and type(revision) is int
            }
        refused = message.get("refused")
        # No more than are kept: one message must not push the facts of all others out of the stream.
        for item in refused[-KEPT_REFUSALS:] if isinstance(refused, list) else ():
            if not isinstance(item, dict):
                continue
            entry = {
                "sequence": item.get("sequence") if type(item.get("sequence")) is int else 0,
                "code": str(item.get("code", ""))[:100],
                "detail": str(item.get("detail", ""))[:1000],
            }
            session.refused.append(entry)
            self._plane.facts.tell(
                "replica.refused",
                {"replica": session.instance, **entry, "at": self._plane.now.isoformat()},
                service=session.service,
            )

    async def leave(self, caller: Caller, session_id: str) -> None:
        """Let a replica go."""
        session = self._own(caller, session_id)
        self._plane.fleet.leave(session_id)
        self.gone(session)

    def gone(self, session: Session) -> None:
        """Forget what was kept of a replica, and tell."""
        self._ingest.forget(session)
        self._plane.facts.tell(
            "replica.left", {"replica": session.instance, "at": self._plane.now.isoformat()}, service=session.service
        )

    def desired(self, service: str) -> dict[str, Any]:  # Any: JSON values
        """Return everything that is wanted of a replica of a service."""
        records, now = self._plane.records, self._plane.now
        return {
            "policies": {
                record.name: {"revision": record.revision, "policy": spoken_content(record.content)}
                for record in records.values(POLICIES)
                if record.service in (None, service)
            },
            "orders": {
                order.circuit: {"order": "isolate", "reason": order.reason, "sequence": order.sequence}
                for order in self._plane.orders.all()
            },
            "levels": {
                order.service: {
                    "level": order.level,
                    "reason": order.reason,
                    "expires_in": None if order.expires_at is None else (order.expires_at - now).total_seconds(),
                    "sequence": order.sequence,
                }
                for order in records.values(LEVEL_ORDERS)
                if not order.expired(now)
            },
            "endpoints": {
                order.name: {"address": order.address, "reason": order.reason, "sequence": order.sequence}
                for order in records.values(ENDPOINT_ORDERS)
            },
        }


def _check(message: Mapping[str, Any], kinds: Mapping[str, tuple[type, ...]]) -> None:  # Any: JSON values
    """Raise BadMessageError when a field that is there is of another kind; unknown fields are a newer version's."""
    for name, allowed in kinds.items():
        if name in message and (
            not isinstance(message[name], allowed) or (isinstance(message[name], bool) and bool not in allowed)
        ):
            raise BadMessageError(f"{name} is of the wrong kind")


def _wire(change: Change) -> dict[str, Any]:  # Any: JSON values
    return {name: value for name, value in change.items() if name != "for_service"}

"""Circuits of all replicas: seen as a whole and one by one, configured, held open, closed, reset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..control.circuit_view import CircuitWhole
from ..control.records import CIRCUIT_ORDERS, POLICIES, CircuitOrder, PolicyRecord
from ..core.config.breaker import CircuitBreakerConfig
from ..core.config.policy import Policy
from ..security.access import ALL, Permission
from ..storage.transaction import Transaction
from .caller import Caller
from .dry_runs import DryRuns
from .errors import AccessDeniedError, AlreadyExistsError, MissingError
from .plane import ControlPlane
from .policies import Policies, Wish
from .remembered import Remembered

KIND = "circuit breaker"


class Circuits:
    """The use cases around circuit breakers."""

    def __init__(self, plane: ControlPlane, policies: Policies) -> None:
        self._plane = plane
        self.remembered = Remembered(plane)
        self.dry_runs = DryRuns()
        self._policies = policies

    # ------------------------------------------------------------------ reading; on the event loop

    def whole(self, name: str) -> CircuitWhole | None:
        """Return a circuit over all replicas, or None when nobody knows it."""
        policy = self._plane.records.get(POLICIES, name)
        if policy is not None and policy.content.get("breaker") is None:
            policy = None
        order = self._plane.orders.of(name)
        parts = [*self._plane.fleet.parts(name), *self.remembered.parts(name)]
        if policy is None and order is None and not parts:
            return None
        return CircuitWhole(name, None if policy is None else policy.service, policy, order, parts)

    def find(self, caller: Caller, name: str) -> CircuitWhole:
        """Return a circuit as far as the caller may see it; raises MissingError when that is nothing."""
        seen = self.seen(caller, name)
        if seen is None:
            raise MissingError(KIND, name)
        return seen

    def seen(self, caller: Caller, name: str) -> CircuitWhole | None:
        """Return a circuit as far as the caller may see it, or None when that is nothing."""
        whole = self.whole(name)
        return None if whole is None else self._seen(caller, whole)

    def names(self) -> set[str]:
        """Return the names of all circuits, whoever may see them."""
        names = {*self._plane.fleet.circuit_names(), *self.remembered.names()}
        names.update(order.circuit for order in self._plane.orders.all())
        for record in self._plane.records.values(POLICIES):
            if record.content.get("breaker") is not None:
                names.add(record.name)
        return names

    def visible(self, caller: Caller) -> list[CircuitWhole]:
        """Return all circuits that the caller may see, by name."""
        found = (self.seen(caller, name) for name in sorted(self.names()))
        return [whole for whole in found if whole is not None]

    def with_policy(self, caller: Caller, name: str, policy: PolicyRecord, known: CircuitWhole | None) -> CircuitWhole:
        """Return a circuit with a configuration that is being written; `known` is what the event loop saw before."""
        parts = () if known is None else known.parts
        whole = CircuitWhole(name, policy.service, policy, None if known is None else known.order, parts)
        return self._seen(caller, whole) or replace(whole, parts=())

    def recent_transitions(self, caller: Caller, name: str) -> list[dict[str, Any]]:  # Any: JSON values
        """Return the newest changes of state on replicas that the caller may see, newest first."""
        sees = caller.identity.services_for(Permission.CIRCUITS_READ)
        return [item for item in reversed(self._plane.transitions.of(name)) if item["service"] in sees]

    @staticmethod
    def _seen(caller: Caller, whole: CircuitWhole) -> CircuitWhole | None:
        permission = Permission.CIRCUITS_READ
        if _is_operable(caller, whole):
            whole = replace(whole, operable=True)
        if caller.sees_everything(permission):
            return whole
        parts = [part for part in whole.parts if caller.identity.allows(permission, part.service)]
        owned = whole.policy is not None and caller.sees(permission, whole.policy.service)
        if not parts and not owned:
            return None
        return replace(whole, parts=parts, policy=whole.policy if owned else None)

    # ------------------------------------------------------------------ steering

    def may_operate(self, caller: Caller, name: str) -> None:
        """Raise unless the caller may steer the circuit on every replica; on the event loop.

        Raises:
            MissingError: when there is none that the caller may see.
            AccessDeniedError: when it belongs to a service, or runs on replicas of one, that is not the caller's.
        """
        if not self.find(caller, name).operable:
            raise AccessDeniedError(
                f"this needs the permission {Permission.CIRCUITS_OPERATE.value} for every service that uses the circuit"
            )

    def told_to(self, name: str) -> list[str | None]:
        """Return the services whose readers hear of an order: those that use the circuit, or None for everybody's."""
        whole = self.whole(name)
        services = set() if whole is None else {part.service for part in whole.parts}
        if whole is not None and whole.policy is not None and whole.policy.service is not None:
            services.add(whole.policy.service)
        listed: list[str | None] = [*sorted(services)]
        return listed or [None]

    def operate(
        self, tx: Transaction, caller: Caller, verb: str, name: str, reason: str, *, told_to: Sequence[str | None] = ()
    ) -> int:
        """Carry an operator's order out on every replica and return its number.

        Arguments:
            told_to: As `told_to` has it, taken on the event loop; by default the service of its policy.
            verb: "isolate" refuses every call until told otherwise, on replicas that join later too; "close" lets calls
                pass and keeps counts; "reset" closes and forgets counts and history.
        """
        before = tx.get(CIRCUIT_ORDERS, name)
        sequence = tx.next_sequence()
        if verb == "isolate":
            order = CircuitOrder(
                circuit=name,
                order="isolated",
                reason=reason,
                since=tx.now,
                changed_by=caller.identity.id,
                sequence=sequence,
            )
            tx.put(CIRCUIT_ORDERS, order)
        else:
            tx.delete(CIRCUIT_ORDERS, name)
        policy = tx.get(POLICIES, name)
        service = None if policy is None else policy.service
        tx.audit(
            caller.entry(
                f"circuit.{verb}",
                "circuit",
                name,
                at=tx.now,
                service=service,
                reason=reason,
                before=None if before is None else {"order": before.order, "reason": before.reason},
                after={"order": verb},
            )
        )
        tx.afterwards(lambda: self._plane.orders.settle(name))
        self._plane.publish(tx, operation(verb, name, reason, sequence))
        told = {"circuit": name, "reason": reason, "by": caller.identity.id}
        for reader in told_to or (service,):
            self._plane.tell(tx, f"circuit.{verb}", told, service=reader)
        return sequence

    # ------------------------------------------------------------------ configuring

    def create(
        self, tx: Transaction, caller: Caller, config: CircuitBreakerConfig, *, service: str | None, reason: str | None
    ) -> PolicyRecord:
        """Put a circuit breaker in force for all replicas; a policy of that name gets it as its breaker.

        Raises:
            AlreadyExistsError: when that policy has a breaker already.
        """
        before = tx.get(POLICIES, config.name)
        if before is not None and not _sees(caller, before):
            raise AccessDeniedError(f"the name {config.name!r} cannot be used")
        if before is not None and before.content.get("breaker") is not None:
            raise AlreadyExistsError(f"a circuit breaker {config.name!r} exists already")
        return self._put(tx, caller, config, before, service, reason, "create")

    def update(
        self,
        tx: Transaction,
        caller: Caller,
        config: CircuitBreakerConfig,
        *,
        expected: int,
        service: str | None,
        reason: str | None,
    ) -> PolicyRecord:
        """Replace the configuration of a circuit breaker; the other parts of its policy stay.

        Raises:
            RevisionConflictError: when `expected` is not its revision.
        """
        before = tx.get(POLICIES, config.name)
        if before is None or before.content.get("breaker") is None or not _sees(caller, before):
            raise MissingError(KIND, config.name)
        return self._put(tx, caller, config, before, service, reason, "update", expected)

    def _put(
        self,
        tx: Transaction,
        caller: Caller,
        config: CircuitBreakerConfig,
        before: PolicyRecord | None,
        service: str | None,
        reason: str | None,
        action: str,
        expected: int | None = None,
    ) -> PolicyRecord:
        if before is None:
            policy = Policy(config.name, breaker=config)
        else:
            policy = replace(Policy.from_dict(before.content), breaker=config)
            expected = before.revision if expected is None else expected
        wish = Wish(content=policy, service=service, reason=reason, expected=expected)
        return self._policies.put(
            tx,
            caller,
            wish,
            permission=Permission.CIRCUITS_CONFIGURE,
            see=Permission.CIRCUITS_READ,
            kind=KIND,
            action=action,
        )

    def delete(self, tx: Transaction, caller: Caller, name: str, *, reason: str | None, expected: int | None) -> None:
        """Take a circuit breaker out of force; a policy with further parts keeps those."""
        before = tx.get(POLICIES, name)
        if before is None or before.content.get("breaker") is None or not _sees(caller, before):
            raise MissingError(KIND, name)
        rest = replace(Policy.from_dict(before.content), breaker=None)
        if any(getattr(rest, layer) is not None for layer in rest.layers):
            wish = Wish(
                content=rest,
                service=before.service,
                reason=reason,
                expected=before.revision if expected is None else expected,
            )
            self._policies.put(
                tx,
                caller,
                wish,
                permission=Permission.CIRCUITS_CONFIGURE,
                see=Permission.CIRCUITS_READ,
                kind=KIND,
                action="delete",
            )
        else:
            self._policies.remove(
                tx,
                caller,
                name,
                reason=reason,
                expected=expected,
                permission=Permission.CIRCUITS_CONFIGURE,
                see=Permission.CIRCUITS_READ,
                kind=KIND,
            )
        if tx.get(CIRCUIT_ORDERS, name) is not None:
            self.operate(tx, caller, "close", name, reason or "the circuit breaker was deleted")


def _is_operable(caller: Caller, whole: CircuitWhole) -> bool:
    """Tell whether the caller may steer a circuit of which everything is known, on every replica."""
    scope = caller.identity.services_for(Permission.CIRCUITS_OPERATE)
    if not scope or scope is ALL:
        return scope is ALL
    owners: set[str | None] = {part.service for part in whole.parts}
    if whole.policy is not None:
        owners.add(whole.policy.service)
    return bool(owners) and all(owner in scope for owner in owners)


def _sees(caller: Caller, record: PolicyRecord) -> bool:
    """Tell whether the caller may see a circuit breaker that is configured here."""
    return caller.sees(Permission.CIRCUITS_READ, record.service)


def operation(verb: str, name: str, reason: str, sequence: int) -> dict[str, Any]:  # Any: JSON values
    """Return what replicas are told of an operator's order."""
    return {"kind": verb, "sequence": sequence, "name": name, "key": None, "reason": reason, "for_service": None}

"""What a file declares: brought into force at start, and taken out of it when the file says it no more."""

from __future__ import annotations

from ..control.declared import Declarations
from ..control.records import POLICIES, SERVICES, Source
from ..storage.transaction import Transaction
from .caller import SYSTEM
from .plane import ControlPlane
from .policies import ANY_REVISION, Policies, Wish
from .registry import ServiceRegistry, ServiceWish

REASON = "declared in a file"


class DeclarationKeeper:
    """Keeps records in step with a file.

    What the API has put in force under a name that the file declares now belongs to the file from then on.
    """

    def __init__(
        self, plane: ControlPlane, policies: Policies, registry: ServiceRegistry, declared: Declarations
    ) -> None:
        self._plane = plane
        self._policies = policies
        self._registry = registry
        self._declared = declared

    async def replace(self, declared: Declarations) -> None:
        """Bring records in step with what the file says now; raises what a change raises, and keeps the former then."""
        former, self._declared = self._declared, declared
        try:
            await self._plane.change(self._apply)
        except BaseException:
            self._declared = former
            raise

    async def apply(self) -> None:
        """Bring records in step; raises what a change raises."""
        if self._declared == Declarations() and not self._from_file_exist():
            return
        await self._plane.change(self._apply)

    def _from_file_exist(self) -> bool:
        records = self._plane.records
        sources = {record.source for record in records.values(POLICIES)}
        sources.update(record.source for record in records.values(SERVICES))
        return Source.FILE in sources

    def _apply(self, tx: Transaction) -> None:
        for name in self._stale_policies(tx):
            self._policies.remove(
                tx, SYSTEM, name, reason="no longer declared in the file", expected=None, from_file=True
            )
        for declared in self._declared.policies:
            name = declared.policy.name
            expected = None if tx.get(POLICIES, name) is None else ANY_REVISION
            wish = Wish(content=declared.policy, service=declared.service, reason=REASON, expected=expected)
            self._policies.put(tx, SYSTEM, wish, source=Source.FILE, location=declared.location)
        kept = {service.name for service in self._declared.services}
        for record in list(tx.values(SERVICES)):
            if record.source is Source.FILE and record.name not in kept:
                self._registry.remove(tx, SYSTEM, record.name, expected=None, from_file=True)
        for service in self._declared.services:
            wanted = ServiceWish(
                name=service.name,
                tier=service.tier,
                owner=service.owner,
                description=service.description,
                depends_on=service.depends_on,
            )
            known = tx.get(SERVICES, service.name)
            if known is not None and known.source is Source.FILE and known.location == service.location:
                same = (known.tier, known.owner, known.description, known.depends_on)
                if same == (wanted.tier, wanted.owner, wanted.description, wanted.depends_on):
                    continue
            self._registry.put(
                tx,
                SYSTEM,
                wanted,
                expected=None if known is None else ANY_REVISION,
                source=Source.FILE,
                location=service.location,
            )

    def _stale_policies(self, tx: Transaction) -> list[str]:
        kept = {declared.policy.name for declared in self._declared.policies}
        return [
            record.name for record in tx.values(POLICIES) if record.source is Source.FILE and record.name not in kept
        ]

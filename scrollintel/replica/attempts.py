"""How many calls and attempts each policy has seen, from the counts that its circuits keep anyway."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..core.config.policy import Policy
from ..core.pipeline import Pipeline, PolicyFigures
from ..core.registry import Registry
from ..core.strategies.breaker import Circuit


class CallCount(NamedTuple):
    """Calls of a policy, and attempts with the first of each call and the refused ones, since they were first read."""

    calls: int
    attempts: int


class _Counted:
    """The running totals of one policy; they never fall, whatever is reset or dropped."""

    __slots__ = ("calls", "seen", "total")

    def __init__(self) -> None:
        self.seen: dict[int, tuple[Circuit, int]] = {}
        self.total = 0
        self.calls = 0

    def add(self, circuits: list[Circuit], count_of: Callable[[Circuit], int]) -> None:
        """Add what each circuit has counted since the last time; one that was reset began anew."""
        seen: dict[int, tuple[Circuit, int]] = {}
        for circuit in circuits:
            known = self.seen.get(id(circuit))
            before = known[1] if known is not None and known[0] is circuit else 0
            now = count_of(circuit)
            self.total += now - before if now >= before else now
            seen[id(circuit)] = circuit, now
        self.seen = seen


class CallCounts:
    """Reads calls and attempts by policy; one thread uses it.

    Every attempt that starts or is refused is counted once, by a circuit or a layer within it, and every one but
    the first of its call is a retry or a hedge, which are counted as well. The rest are the calls.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._counted: dict[str, _Counted] = {}

    def read(self, figures: list[PolicyFigures], count_of: Callable[[Circuit], int]) -> dict[str, CallCount]:
        """Return the counts by policy, without policies that share their circuit: whose attempts were they?

        Arguments:
            figures: Those of all policies.
            count_of: Gives the attempts that a circuit has seen, the refused ones included.
        """
        pipelines: dict[str, list[Pipeline]] = {}
        users: dict[int, set[str]] = {}
        for pipeline in self._pipelines():
            pipelines.setdefault(pipeline.name, []).append(pipeline)
            users.setdefault(id(pipeline.lane.parts.circuit), set()).add(pipeline.name)
        counted: dict[str, _Counted] = {}
        found: dict[str, CallCount] = {}
        for row in figures:
            same = pipelines.get(row.name, [])
            circuits = {id(circuit): circuit for pipeline in same for circuit in _circuits(pipeline)}
            if not circuits or any(len(users.get(at, ())) > 1 for at in circuits):
                continue
            policy = counted[row.name] = self._counted.get(row.name) or _Counted()
            policy.add(list(circuits.values()), count_of)
            attempts = policy.total + row.rejections + _unseen(same[-1].policy, row)
            # An extra attempt is counted when it is planned and again when it has ended.
            policy.calls = max(policy.calls, attempts - row.retries - row.hedges)
            found[row.name] = CallCount(policy.calls, attempts)
        self._counted = counted
        return found

    def _pipelines(self) -> list[Pipeline]:
        others = [pipeline for source in self._registry.others for pipeline in source()]
        return [*others, *self._registry.pipelines()]


def _circuits(pipeline: Pipeline) -> list[Circuit]:
    parts = pipeline.lane.parts
    return [parts.circuit] if parts.keyed is None else parts.keyed.all()


def _unseen(policy: Policy, row: PolicyFigures) -> int:
    """Return the extra attempts that take place inside of the circuit, which sees all of them as one."""
    layers = policy.layers
    if policy.breaker is None or "breaker" not in layers:
        return 0
    breaker = layers.index("breaker")
    inside = layers[breaker:]
    return (row.retries if "retry" in inside else 0) + (row.hedges if "hedge" in inside else 0)

"""The whole of a policy, or a circuit alone, in plain sentences."""

from __future__ import annotations

from ..config.breaker import CircuitBreakerConfig
from ..config.policy import Policy
from ..snapshot import CircuitSnapshot, PolicySnapshot
from .account import Account, Explanation
from .circuits import explain_circuit, explain_circuits
from .parts import explain_parts


def explain_policy(policy: Policy, view: PolicySnapshot, at: float) -> Explanation:
    """Return why a policy stands as its snapshot says."""
    account = Account()
    if policy.breaker is not None:
        explain_circuits(account, view.circuits, policy.breaker)
    explain_parts(account, policy, view)
    return Explanation(view.name, at, tuple(account.sentences), tuple(account.next), view.to_dict())


def explain_shared(config: CircuitBreakerConfig, view: CircuitSnapshot, at: float) -> Explanation:
    """Return why a circuit that belongs to no policy stands as its snapshot says."""
    account = Account()
    explain_circuit(account, view, config)
    return Explanation(view.name, at, tuple(account.sentences), tuple(account.next), view.to_dict())

"""Why a circuit, a limit or a budget is as it is, by name."""

from __future__ import annotations

from .errors import NotFoundError
from .explaining.account import Explanation
from .registry import DEFAULT_REGISTRY, Registry


def explain(name: str, *, registry: Registry = DEFAULT_REGISTRY) -> Explanation:
    """Return in plain sentences why a policy is as it is, from which calls, and what comes next.

    It reads what `snapshot` reads and changes nothing; texts of errors are left out.

    Arguments:
        name: Name of a policy, or of a circuit that no policy has.
        registry: Where the name is looked up; the process-wide one by default.

    Raises:
        NotFoundError: when neither a policy nor a circuit has that name.
    """
    try:
        return registry.get(name).explain()
    except NotFoundError:
        from .explaining.policy import explain_shared

        try:
            circuit = registry.find_circuit(name)
        except NotFoundError:
            raise NotFoundError("policy or circuit", name) from None
        return explain_shared(circuit.config, circuit.snapshot(), registry.clock.time())

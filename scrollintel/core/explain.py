"""Why a circuit, a limit or a budget is as it is, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .errors import NotFoundError
from .explaining.account import Explanation
from .pipeline import Pipeline
from .registry import DEFAULT_REGISTRY, Registry


def explain(target: str | Pipeline | Callable[..., Any], *, registry: Registry = DEFAULT_REGISTRY) -> Explanation:
    """Return in plain sentences why a policy is as it is, from which calls, and what comes next.

    It reads what `snapshot` reads and changes nothing; texts of errors are left out.

    Arguments:
        target: Name of a policy, or of a circuit that no policy has; or a pipeline, or a function that one protects.
        registry: Where the name is looked up; the process-wide one by default.

    Raises:
        NotFoundError: when neither a policy nor a circuit has that name.
    """
    pipeline = target if isinstance(target, Pipeline) else getattr(target, "pipeline", None)
    if isinstance(pipeline, Pipeline):
        return pipeline.explain()
    name: Any = target  # whatever it is, it is told as the name that nothing has
    try:
        return registry.get(name).explain()
    except NotFoundError:
        from .explaining.policy import explain_shared

        try:
            circuit = registry.find_circuit(name)
        except NotFoundError:
            raise NotFoundError("policy or circuit", name) from None
        return explain_shared(circuit.config, circuit.snapshot(), registry.clock.time())

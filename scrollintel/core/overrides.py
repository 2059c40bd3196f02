"""Configurations from outside the code, which hold in spite of what the code says under the same name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .config.merge import from_content, merged
from .config.policy import Policy
from .errors import ConfigError, Violation

Content = Mapping[str, Any]  # Any: JSON values of mixed types
"""A policy as `Policy.to_dict` writes it, or a part of it."""


class Overrides:
    """What is in force by name instead of the code's policies and of the breakers of the same circuits.

    The owner guards it. What the code gives keeps its callables, which no content can carry.

    Attributes:
        on_refused: Hears of the name and the error when content does not fit what the code registers later; the
            code's own configuration holds then.
    """

    def __init__(self) -> None:
        self._contents: dict[str, Content] = {}
        self._breakers: dict[str, tuple[str, Content]] = {}
        self.on_refused: Callable[[str, ConfigError], object] | None = None

    def names(self) -> tuple[str, ...]:
        """Return the names of the policies that are overridden."""
        return tuple(self._contents)

    def concerns_circuit(self, name: str) -> bool:
        """Tell whether a circuit's configuration comes from here."""
        return name in self._breakers

    def put(self, name: str, content: Content) -> Callable[[], None]:
        """Override the policy `name`, and its circuit everywhere; returns a function that takes that back.

        Raises:
            ConfigError: when the content is no valid policy of that name; nothing changes then.
        """
        policy = from_content(Policy, {**content, "name": content.get("name", name)})
        if policy.name != name:
            raise ConfigError("Policy", [Violation("name", policy.name, f"{name!r}, the name it is put under")])
        before = dict(self._contents)
        self._contents[name] = content
        self._index()

        def undo() -> None:
            self._contents = before
            self._index()

        return undo

    def remove(self, name: str) -> bool:
        """Let the code's own configuration hold again; False when nothing was overridden."""
        found = self._contents.pop(name, None) is not None
        self._index()
        return found

    def clear(self) -> None:
        """Override nothing."""
        self._contents.clear()
        self._breakers.clear()

    def laid_over(self, policy: Policy) -> Policy:
        """Return `policy` as it is in force.

        Raises:
            ConfigError: when what comes out is not valid.
        """
        content = self._contents.get(policy.name)
        result = policy if content is None else merged(policy, content)
        breaker = result.breaker
        if breaker is not None and breaker.name in self._breakers:
            source, fields = self._breakers[breaker.name]
            if source != policy.name:
                result = replace(result, breaker=merged(breaker, fields))
        return result

    def in_force(self, policy: Policy) -> Policy:
        """Return the same, or `policy` itself when the content does not fit, which is then told."""
        if not self._contents:
            return policy
        try:
            return self.laid_over(policy)
        except ConfigError as error:
            if self.on_refused is not None:
                self.on_refused(policy.name, error)
            return policy

    def _index(self) -> None:
        """Find the source of each circuit's configuration: the policy of its own name, or else the latest other."""
        self._breakers = {}
        for name, content in self._contents.items():
            fields = content.get("breaker")
            if isinstance(fields, Mapping):
                circuit = str(fields.get("name", name))
                known = self._breakers.get(circuit)
                if known is None or known[0] != circuit:
                    self._breakers[circuit] = (name, fields)

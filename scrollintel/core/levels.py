"""Keys with several levels: a shard within a host within the service."""

from __future__ import annotations

from collections.abc import Callable

from .errors import ConfigError, Violation

MOST_LEVELS = 5


class Levels:
    """A key function that gives one value for each level, the narrowest first.

    Attributes:
        labels: Names of the levels, the narrowest first.
    """

    __slots__ = ("_functions", "labels")

    def __init__(self, functions: dict[str, Callable[..., object]]) -> None:
        self.labels = tuple(functions)
        self._functions = tuple(functions.values())

    def __call__(self, *args: object, **kwargs: object) -> tuple[object, ...]:
        """Return the values for the arguments of a call."""
        return tuple([function(*args, **kwargs) for function in self._functions])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Levels):
            return NotImplemented
        return (self.labels, self._functions) == (other.labels, other._functions)

    def __hash__(self) -> int:
        return hash((self.labels, self._functions))


def _is_callable(value: object) -> bool:
    return callable(value)


def levels(**functions: Callable[..., object]) -> Levels:
    """Return the `key` of a policy whose circuits stand in levels, such as `levels(shard=..., host=...)`.

    Arguments:
        functions: One to five functions of the call's arguments by the name of their level, the narrowest first. The
            whole service, the policy's own circuit, is the widest level and is not named.

    Raises:
        ConfigError: when there is none, there are too many, or one is not callable.
    """
    if not 1 <= len(functions) <= MOST_LEVELS:
        raise ConfigError("levels", [Violation("levels", sorted(functions), f"1 to {MOST_LEVELS} functions")])
    wrong = [Violation(name, value, "a callable") for name, value in functions.items() if not _is_callable(value)]
    if wrong:
        raise ConfigError("levels", wrong)
    return Levels(functions)

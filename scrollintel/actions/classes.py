"""Strategies that are plain classes: `@strategy` makes a kind of one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from ..core.config.base import NAME_ALLOWED, Config, NoOptions, name_problem
from ..core.errors import ConfigError, Violation
from ..recovery.strategy import RecoveryStrategy, Traits, traits_of
from .kinds import StrategyContext, StrategyKind, register

Strategy = TypeVar("Strategy", bound=type[Any])
METHODS = ("observe", "plan", "act", "verify", "undo")


def strategy(
    name: str,
    *,
    options: type[Config] | None = None,
    traits: Traits | None = None,
    description: str = "",
) -> Callable[[Strategy], Strategy]:
    """Make a kind of strategy of a class, for the chains in a settings file.

    The class has the methods of `RecoveryStrategy`, most easily by deriving from `TargetStrategy`, and is made with the
    `StrategyContext` of a target, and with the options when it has some. Its attributes `name` and `traits` are set. A
    person has to agree before it acts, unless its place in a chain says `approval = false`.

    Arguments:
        name: What a chain says; one that ships is replaced.
        options: A frozen dataclass derived from `Config` that validates the further keys in the chain; without it the
            strategy takes none.
        traits: What it does to the world; by default the class's own attribute `traits`, and without one nothing is
            assumed to be safe about it.
        description: One sentence; the first line of the class's docstring by default.

    Raises:
        ConfigError: when the name does not fit, or the class lacks a method.
    """
    if name_problem(name):
        raise ConfigError("strategy", [Violation("name", name, NAME_ALLOWED)])

    def decorate(cls: Strategy) -> Strategy:
        missing = [method for method in METHODS if not callable(getattr(cls, method, None))]
        if missing:
            raise ConfigError("strategy", [Violation(name, cls.__name__, f"a class with {', '.join(missing)}")])
        said = description or (inspect.getdoc(cls) or name).partition("\n")[0]
        cls.name = name
        cls.traits = traits if traits is not None else traits_of(cls)

        def build(context: StrategyContext, given: Any) -> RecoveryStrategy:  # Any: the options
            made: RecoveryStrategy = cls(context) if options is None else cls(context, given)
            return made

        register(StrategyKind(name, options or NoOptions, cls.traits, said, build))
        return cls

    return decorate

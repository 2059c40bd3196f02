"""What can be decorated, in which colour it comes back, and what is refused with a reason."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from typing import Any
from unittest.mock import AsyncMock

import pytest

from scrollintel import (
    CircuitBreakerConfig,
    CircuitState,
    Pipeline,
    RetryConfig,
    UnprotectedError,
)
from tests.conformance.conftest import Build
from tests.conformance.driver import Script


@pytest.fixture(params=["short", "chain"])
def pipeline(request: pytest.FixtureRequest, build: Build) -> Pipeline:
    """Return a policy that takes the short way, and one that never does."""
    extra: dict[str, Any] = {} if request.param == "short" else {"bulkhead": 10}
    return build(breaker=CircuitBreakerConfig("service", failure_threshold=100), **extra)


def counted(pipeline: Pipeline) -> int:
    """Return the successes so far."""
    return pipeline.snapshot().tally.successes


PARAMETERS: list[Callable[..., Any]] = [
    lambda: (),
    lambda a: (a,),
    lambda a, b=2: (a, b),
    lambda a, /, b, *, c, d=4: (a, b, c, d),
    lambda *args, **kwargs: (args, kwargs),
    lambda a, *args, k=1, **kwargs: (a, args, k, kwargs),
    lambda fn, args, kwargs, self: (fn, args, kwargs, self),
    lambda lane, circuit, era, value, error, started, elapsed: (lane, circuit, era, value, error, started, elapsed),
    lambda holder, failed, finish, run, recover, clock: (holder, failed, finish, run, recover, clock),
    lambda _a, __b, fallback, BATCH, Scope, BaseException: (_a, __b, fallback, BATCH, Scope, BaseException),
    lambda *, type, len, inherited, INTERVENTIONS: (type, len, inherited, INTERVENTIONS),
]


@pytest.mark.parametrize("fn", PARAMETERS, ids=lambda fn: str(inspect.signature(fn)))
def test_decorated_function_takes_its_arguments_as_before(pipeline: Pipeline, fn: Callable[..., Any]) -> None:
    """Every way of passing arguments gives the same result decorated and bare, errors of arity included."""
    names = [p.name for p in inspect.signature(fn).parameters.values() if p.kind is not p.VAR_POSITIONAL]
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((), {}),
        ((1,), {}),
        ((1, 2), {}),
        ((1, 2, 3), {"c": 5}),
        ((1, 2), {"c": 3}),
        ((), {name: index for index, name in enumerate(names) if name != "kwargs"}),
        (tuple(range(len(names))), {}),
        ((1,), {"unknown": 1}),
    ]
    protected = pipeline(fn)
    for args, kwargs in calls:
        try:
            expected = fn(*args, **kwargs)
        except TypeError:
            with pytest.raises(TypeError):
                protected(*args, **kwargs)
        else:
            assert protected(*args, **kwargs) == expected


def test_decorated_function_may_name_its_parameters_at_will(pipeline: Pipeline) -> None:
    """No name that the wrapper uses inside can be taken for a parameter, nor the other way round."""

    async def example(a: int, b: int = 2) -> int:
        return a + b

    codes = [pipeline(example).__code__, pipeline(lambda a, b=2: a + b).__code__]
    names = {name for code in codes for name in (*code.co_names, *code.co_varnames)} - {"print"}
    assert {"a", "lane", "error"} <= names
    for name in sorted(names):
        for given in (f"({name})", f"({name}=7)", f"(*, {name}=7)", f"({name}, /, other=3)"):
            space: dict[str, Any] = {}
            exec(f"def fn{given}: return {name}\nasync def later{given}: return {name}", space)
            if "*" in given:
                assert pipeline(space["fn"])(**{name: 5}) == 5
            else:
                assert pipeline(space["fn"])(5) == 5
                assert asyncio.run(pipeline(space["later"])(5)) == 5
            if "=7" in given:
                assert pipeline(space["fn"])() == 7


def test_decorated_function_with_a_made_up_signature_takes_what_it_took(pipeline: Pipeline) -> None:
    """A `__signature__` that some other decorator has set is for show: arguments reach the function as they are."""

    def takes_all(*args: int, **kwargs: int) -> tuple[tuple[int, ...], dict[str, int]]:
        return args, kwargs

    takes_all.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter("a", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=1)]
    )
    protected = pipeline(takes_all)
    assert protected() == ((), {})
    assert protected(5, 6, b=7) == ((5, 6), {"b": 7})
    assert str(inspect.signature(protected)) == "(a=1)"


def test_decorated_function_keeps_name_signature_and_documentation(pipeline: Pipeline) -> None:
    """The wrapper looks like the function, and leads to its pipeline."""

    def add(a: int, b: int = 2, *, c: int) -> int:
        """Add."""
        return a + b + c

    protected = pipeline(add)
    assert (protected.__name__, protected.__doc__, protected.__module__) == ("add", "Add.", __name__)
    assert protected.__qualname__ == add.__qualname__
    assert inspect.signature(protected) == inspect.signature(add)
    assert protected.__wrapped__ is add  # type: ignore[attr-defined]
    assert protected.pipeline is pipeline  # type: ignore[attr-defined]


def test_decorated_function_shares_its_defaults(pipeline: Pipeline) -> None:
    """A mutable default is the function's own object, not a copy."""

    def collect(item: int, into: list[int] = []) -> list[int]:  # noqa: B006 - the shared default is the point
        into.append(item)
        return into

    protected = pipeline(collect)
    protected(1)
    assert protected(2) == [1, 2]
    assert collect(3) == [1, 2, 3]


def test_decorated_functions_do_not_mix(pipeline: Pipeline, build: Build) -> None:
    """Functions of one signature under different policies keep apart."""
    other = build("other", breaker=CircuitBreakerConfig("other"))
    first, second = pipeline(lambda a: ("first", a)), other(lambda a: ("second", a))
    assert (first(1), second(1)) == (("first", 1), ("second", 1))
    assert (counted(pipeline), counted(other)) == (1, 1)


def test_decorated_coroutine_function_stays_one(pipeline: Pipeline) -> None:
    """The colour is kept, and the wrapper is known as a coroutine function."""

    async def double(a: int) -> int:
        await asyncio.sleep(0)
        return 2 * a

    protected = pipeline(double)
    assert inspect.iscoroutinefunction(protected)
    assert asyncio.run(protected(4)) == 8
    assert counted(pipeline) == 1


def test_decorated_methods_of_every_kind(pipeline: Pipeline) -> None:
    """Methods, class methods, static methods, async methods and properties are protected, in either order."""

    class Service:
        factor = 3

        @pipeline
        def method(self, a: int) -> int:
            return self.factor * a

        @pipeline
        async def later(self, a: int) -> int:
            return self.factor * a

        @classmethod
        @pipeline
        def inner_class(cls, a: int) -> int:
            return cls.factor * a

        @pipeline
        @classmethod
        def outer_class(cls, a: int) -> int:
            return cls.factor * a

        @staticmethod
        @pipeline
        def inner_static(a: int) -> int:
            return a

        @pipeline
        @staticmethod
        def outer_static(a: int) -> int:
            return a

        @property
        @pipeline
        def value(self) -> int:
            return self.factor

        @functools.cached_property
        @pipeline
        def cached(self) -> int:
            return self.factor

        @pipeline
        def __call__(self, a: int) -> int:
            return -a

    class Child(Service):
        factor = 5

        def method(self, a: int) -> int:
            return super().method(a) + 1

    service, child = Service(), Child()
    assert (service.method(2), child.method(2)) == (6, 11)
    assert Service.method(service, 2) == 6
    assert asyncio.run(service.later(2)) == 6
    assert (Service.inner_class(2), service.inner_class(2), Child.outer_class(2)) == (6, 6, 10)
    assert (Service.inner_static(2), service.outer_static(2)) == (2, 2)
    assert (service.value, service.cached, service.cached, child.value) == (3, 3, 3, 5)
    assert service(4) == -4
    assert counted(pipeline) == 13


def test_decorated_partials_and_callable_objects(pipeline: Pipeline) -> None:
    """Partials and objects with `__call__`, of both colours, are protected and keep their colour."""

    class Plain:
        def __call__(self, a: int) -> int:
            return a + 1

    class Later:
        async def __call__(self, a: int) -> int:
            return a + 2

    async def add(a: int, b: int) -> int:
        return a + b

    assert pipeline(functools.partial(max, 3))(1, 2) == 3
    assert pipeline(functools.partial(lambda a, *, b: a + b, b=5))(1) == 6
    partial = pipeline(functools.partial(functools.partial(add, 1), 2))
    assert inspect.iscoroutinefunction(partial)
    assert asyncio.run(partial()) == 3
    assert pipeline(Plain())(1) == 2
    assert asyncio.run(pipeline(Later())(1)) == 3
    assert pipeline(len)([1, 2]) == 2
    assert pipeline("abc".upper)() == "ABC"
    assert counted(pipeline) == 7
    assert pipeline(functools.partial(max, 3)).__name__ == "max"


def test_decorated_mock_of_a_coroutine_function_is_protected(pipeline: Pipeline) -> None:
    """The standard library's AsyncMock counts as a coroutine function."""
    mock = AsyncMock(return_value=7)
    protected: Any = pipeline(mock)
    assert asyncio.run(_await(protected, 1)) == 7
    mock.assert_awaited_once_with(1)
    assert counted(pipeline) == 1


async def _await(fn: Callable[..., Any], *args: Any) -> Any:
    return await fn(*args)


def test_decorated_wrapped_coroutine_function_is_followed(pipeline: Pipeline) -> None:
    """A plain wrapper that returns a coroutine is refused when it is called by blocking code, not run unprotected."""

    async def inner() -> int:
        return 1

    @pipeline
    @functools.wraps(inner)
    def wrapper() -> Any:
        return inner()

    with pytest.raises(UnprotectedError, match="coroutine"):
        wrapper()
    assert pipeline.circuit().state is CircuitState.CLOSED
    assert pipeline.snapshot().tally.failures == 0


def test_decorated_recursion_and_mutual_calls(pipeline: Pipeline) -> None:
    """A protected function may call itself."""

    @pipeline
    def factorial(n: int) -> int:
        return 1 if n == 0 else n * factorial(n - 1)

    assert factorial(5) == 120
    assert counted(pipeline) == 6


def test_decorated_twice_is_protected_twice(build: Build) -> None:
    """Policies may be stacked on one function."""
    inner = build("inner", retry=RetryConfig(max_attempts=2, base_delay=0))
    outer = build("outer", retry=RetryConfig(max_attempts=3, base_delay=0))
    script = Script(ConnectionError("down"))

    @outer
    @inner
    def operation() -> object:
        return script()

    with pytest.raises(ConnectionError):
        operation()
    assert script.calls == 6

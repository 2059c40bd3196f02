"""Checks that are plain functions: `@check` makes a kind of one."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar, overload

from ..core.config.base import NAME_ALLOWED, Config, NoOptions, name_problem
from ..core.errors import ConfigError, ScrollIntelError, Violation
from ..recovery.symptom import Depth
from ..recovery.target import Check, Target
from .kinds import CheckKind, ProbeContext, register
from .looking import Bad, LookingProbe

logger = logging.getLogger("scrollintel.watch")

Found = str | bool | None
"""What a check returns: what is good in one sentence, or True or None; False for something bad without a name."""
Returned = Found | Awaitable[Found]
Options = TypeVar("Options", bound=Config)
Plain = TypeVar("Plain", bound=Callable[[Target], Returned])


@overload
def check(name: str, *, depth: Depth | str = ..., description: str = ...) -> Callable[[Plain], Plain]: ...
@overload
def check(
    name: str, *, options: type[Options], depth: Depth | str = ..., description: str = ...
) -> Callable[[Callable[[Target, Options], Returned]], Callable[[Target, Options], Returned]]: ...


def check(
    name: str,
    *,
    options: type[Any] | None = None,  # Any: a class of configurations
    depth: Depth | str = Depth.READY,
    description: str = "",
) -> Callable[[Any], Any]:  # Any: the overloads say what functions
    """Make a kind of check of a function, for `kind = NAME` in a settings file.

    The function gets the target, and the options when it has some. It returns what is good in one sentence, or None,
    and raises `Bad` with what is wrong; any other exception counts as a bad look with the exception's class. It may be
    a coroutine function, which must not block; a plain one runs in a thread of its own, one look of a target at a time.
    The check's timeout bounds both: a plain function that goes on after it makes the next looks bad until it returns.

    Arguments:
        name: What `kind` in a settings file says; one that ships is replaced.
        options: A frozen dataclass derived from `Config` that validates the further keys of the check; without it
            the check takes none.
        depth: Depth of a check that names none: alive, ready (default) or deep.
        description: One sentence; the first line of the function's docstring by default.

    Raises:
        ConfigError: when the name or the depth does not fit.
    """
    if name_problem(name):
        raise ConfigError("check", [Violation("name", name, NAME_ALLOWED)])
    if depth not in list(Depth):
        raise ConfigError("check", [Violation("depth", depth, f"one of {', '.join(Depth)}")])

    def decorate(function: Callable[..., Returned]) -> Callable[..., Returned]:
        def build(target: Target, declared: Check, given: Any, _: ProbeContext) -> FunctionProbe:  # Any: the options
            arguments = (target,) if options is None else (target, given)
            return FunctionProbe(target, declared, lambda: function(*arguments), inspect.iscoroutinefunction(function))

        said = description or (inspect.getdoc(function) or name).partition("\n")[0]
        register(CheckKind(name, options or NoOptions, Depth(depth), said, build))
        return function

    return decorate


class FunctionProbe(LookingProbe):
    """Calls a function for each look.

    Arguments:
        target, check: What is looked at, and how.
        call: The function.
        is_async: Whether it gives a coroutine.
    """

    def __init__(self, target: Target, check: Check, call: Callable[[], Returned], is_async: bool) -> None:
        super().__init__(target, check)
        self._call = call
        self._is_async = is_async
        self._is_running = False
        self._logged: type[Exception] | None = None  # class of the exception that was logged last

    async def find(self) -> str:
        """Call it and read what it returns."""
        try:
            returned = self._call() if self._is_async else await self._in_thread()
            found = await returned if inspect.isawaitable(returned) else returned
        except (Bad, OSError, ScrollIntelError):
            raise
        except Exception as error:  # the function is the user's: its log is where they look
            if type(error) is not self._logged:
                logger.warning("check %s of %s failed", self.check.name, self.target.name, exc_info=error)
            self._logged = type(error)
            raise
        self._logged = None
        if found is False:
            raise Bad(self.wrong, "not as expected")
        if found is not None and found is not True and not isinstance(found, str):
            raise Bad(self.wrong, f"returned {type(found).__name__}, and not a sentence, True, False or None")
        return found if isinstance(found, str) else "as expected"

    async def _in_thread(self) -> Returned:
        """Run it in a daemon thread: one that never returns must not keep the process, nor the other checks."""
        if self._is_running:
            raise Bad(self.silent, "the look before has not ended")
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Returned] = loop.create_future()

        def tell(result: Returned, error: BaseException | None) -> None:
            if ended.done():
                return
            if error is None:
                ended.set_result(result)
            else:
                ended.set_exception(error)

        def run() -> None:
            result: Returned = None
            error: BaseException | None = None
            try:
                result = self._call()
            except StopIteration:  # no future can hold one
                error = RuntimeError("StopIteration")
            except BaseException as raised:  # whatever it is, the loop has to hear of it
                error = raised
            self._is_running = False
            with suppress(RuntimeError):  # the watcher has stopped meanwhile
                loop.call_soon_threadsafe(tell, result, error)

        self._is_running = True
        threading.Thread(target=run, name=f"scrollintel check {self.check.name}", daemon=True).start()
        return await ended

"""One face for both drivers, so that one suite runs on both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from scrollintel import Event, EventHub, FaultToleranceManager, Pipeline
from scrollintel.testing import ManualClock

Operation = Callable[..., Any]


class Script:
    """Results in order; those that are errors are raised, the last one repeats, and calls are counted."""

    def __init__(self, *results: object) -> None:
        self.results = results
        self.calls = 0

    def __call__(self, *args: object, **kwargs: object) -> object:
        result = self.results[min(self.calls, len(self.results) - 1)]
        self.calls += 1
        if isinstance(result, BaseException):
            raise result
        return result


class Ledger(EventHub):
    """A hub that also keeps what is emitted, at once and in order."""

    def __init__(self) -> None:
        super().__init__()
        self.active = self.watched = True
        self.events: list[Event] = []

    def wants(self, kind: type[Event]) -> bool:
        """Keep events of every kind."""
        return True

    def emit(self, event: Event) -> None:
        """Keep the event."""
        super().emit(event)
        self.events.append(event)

    def of(self, kind: type[Any]) -> list[Any]:
        """Return the events of one class."""
        return [event for event in self.events if isinstance(event, kind)]


class Driver:
    """The blocking driver: plain functions and `Pipeline.call`."""

    asynchronous = False

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock

    def make(self, fn: Operation) -> Operation:
        """Return a plain function as an operation of this driver's colour."""

        def operation(*args: Any, **kwargs: Any) -> Any:
            return fn(*args, **kwargs)

        return operation

    def takes(self, seconds: float, fn: Operation = lambda: None) -> Operation:
        """Return an operation that takes `seconds` and then does what `fn` does."""

        def operation(*args: Any, **kwargs: Any) -> Any:
            self.clock.sleep(seconds)
            return fn(*args, **kwargs)

        return operation

    def through(self, pipeline: Pipeline, operation: Operation) -> Operation:
        """Return an operation that is a protected call itself."""

        def nested(*args: Any, **kwargs: Any) -> Any:
            return pipeline.call(operation, *args, **kwargs)

        return nested

    def call(self, pipeline: Pipeline, operation: Operation, /, *args: Any, **kwargs: Any) -> Any:
        """Run an operation of this colour through a pipeline."""
        return pipeline.call(operation, *args, **kwargs)

    def run(self, operation: Operation, /, *args: Any, **kwargs: Any) -> Any:
        """Run an operation of this colour, decorated or not."""
        return operation(*args, **kwargs)

    def error(self, pipeline: Pipeline, operation: Operation, /, *args: Any) -> type[Exception] | None:
        """Run an operation and return the class of its error, keeping no reference to the error itself."""
        try:
            pipeline.call(operation, *args)
        except Exception as error:
            return type(error)
        return None

    def execute(self, manager: FaultToleranceManager, operation: Operation, **options: Any) -> Any:
        """Run an operation of this colour through the manager."""
        return manager.execute_blocking(operation, **options)

    def block(self, pipeline: Pipeline, fn: Operation) -> Any:
        """Run a plain function inside a guard."""
        with pipeline.guard():
            return fn()

    def loop(self, pipeline: Pipeline, fn: Operation) -> Any:
        """Run a plain function as the body of a loop of attempts."""
        for attempt in pipeline.attempts():
            with attempt:
                return fn()
        return None

    def finish(self) -> None:
        """Give back what the driver holds."""


class AsynchronousDriver(Driver):
    """The asynchronous driver: coroutine functions and `Pipeline.acall`, in one event loop per test."""

    asynchronous = True

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self._runner = asyncio.Runner()

    def make(self, fn: Operation) -> Operation:
        """Return a plain function as an operation of this driver's colour."""

        async def operation(*args: Any, **kwargs: Any) -> Any:
            return fn(*args, **kwargs)

        return operation

    def takes(self, seconds: float, fn: Operation = lambda: None) -> Operation:
        """Return an operation that takes `seconds` and then does what `fn` does."""

        async def operation(*args: Any, **kwargs: Any) -> Any:
            await self.clock.asleep(seconds)
            return fn(*args, **kwargs)

        return operation

    def through(self, pipeline: Pipeline, operation: Operation) -> Operation:
        """Return an operation that is a protected call itself."""

        async def nested(*args: Any, **kwargs: Any) -> Any:
            return await pipeline.acall(operation, *args, **kwargs)

        return nested

    def call(self, pipeline: Pipeline, operation: Operation, /, *args: Any, **kwargs: Any) -> Any:
        """Run an operation of this colour through a pipeline."""
        return self.run(pipeline.acall, operation, *args, **kwargs)

    def run(self, operation: Operation, /, *args: Any, **kwargs: Any) -> Any:
        """Run an operation of this colour, decorated or not."""

        async def main() -> Any:
            return await operation(*args, **kwargs)

        return self._runner.run(main())

    def error(self, pipeline: Pipeline, operation: Operation, /, *args: Any) -> type[Exception] | None:
        """Run an operation and return the class of its error, keeping no reference to the error itself."""

        async def main() -> type[Exception] | None:
            try:
                await pipeline.acall(operation, *args)
            except Exception as error:
                return type(error)
            return None

        kind: type[Exception] | None = self.run(main)
        return kind

    def execute(self, manager: FaultToleranceManager, operation: Operation, **options: Any) -> Any:
        """Run an operation of this colour through the manager."""
        return self.run(manager.execute_with_fault_tolerance, operation, **options)

    def block(self, pipeline: Pipeline, fn: Operation) -> Any:
        """Run a plain function inside a guard."""

        async def main() -> Any:
            async with pipeline.guard():
                return fn()

        return self.run(main)

    def loop(self, pipeline: Pipeline, fn: Operation) -> Any:
        """Run a plain function as the body of a loop of attempts."""

        async def main() -> Any:
            async for attempt in pipeline.attempts():
                async with attempt:
                    return fn()
            return None

        return self.run(main)

    def finish(self) -> None:
        """Close the loop."""
        self._runner.close()

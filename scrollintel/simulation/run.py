"""Runs a scenario: the real pipelines of each policy, in virtual time, against the modelled service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from random import Random

from ..core.chance import drawing_from
from ..core.config.known_names import one_of
from ..core.errors import ConfigError, RejectedError, Violation, kind_of
from ..core.hub import EventHub
from ..core.pipeline import Pipeline
from .arrivals import arrivals
from .clock import VirtualClock
from .contender import Contender
from .loop import VirtualLoop
from .report import Report, Run, Tally
from .scenario import Route, Scenario
from .service import Answer, Host

GRACE = 60.0
"""Seconds after the last request in which calls may still end."""

Progress = Callable[[str, float], object]
"""Is told which policy runs, and which share of its time is over."""


class Request:
    """One request: its host when it has one of its own, when it came, and whether the service answered it."""

    __slots__ = ("answered", "began", "host", "task")

    def __init__(self, host: int, began: float) -> None:
        self.host = host
        self.began = began
        self.answered = False
        self.task: asyncio.Task[None] | None = None


class World:
    """One policy's run: loop, clock, hosts, clients, and the figures that come of it."""

    def __init__(self, scenario: Scenario, name: str, contender: Contender, seed: int) -> None:
        self.scenario = scenario
        self.name = name
        self.loop = VirtualLoop()
        self.clock = VirtualClock(self.loop)
        self.tally = Tally(scenario)
        # Each purpose has a stream of its own, so that all policies meet the same requests at the same times. A text is
        # hashed by random.Random itself, the same in every process.
        self._arrivals = Random(f"arrivals {seed}")
        self._engine = Random(f"engine {seed}")
        self._routing = Random(f"routing {seed}")
        self._hosts = [
            Host(number, scenario.service, self.loop, Random(f"host {number} {seed}"))
            for number in range(scenario.service.hosts)
        ]
        self._turn = 0
        # In order of arrival, which a set would not keep.
        self._open: dict[Request, None] = {}
        self._pipelines = [
            self._pipeline(contender) for _ in range(1 if scenario.clients.shared else scenario.clients.count)
        ]
        # Compiled for the signature, as the decorator does it.
        self._asks = [pipeline(self._ask) for pipeline in self._pipelines]

    def _pipeline(self, contender: Contender) -> Pipeline:
        policy = contender.policy
        if contender.keyed:
            policy = replace(policy, key=lambda request: f"host-{request.host}")
        return Pipeline(policy, clock=self.clock, hub=EventHub())

    def run(self, progress: Progress | None) -> Run:
        """Let it happen, and return what came of it."""
        scenario, loop = self.scenario, self.loop
        times = arrivals(scenario.arrivals, scenario.duration, self._arrivals)
        with drawing_from(self._engine.random):
            loop.call_soon(self._next, times)
            end = 0.0
            while end < scenario.duration:
                end = min(end + scenario.bucket, scenario.duration)
                loop.run_until(end)
                if progress is not None:
                    progress(self.name, end / scenario.duration)
            loop.run_until(scenario.duration + GRACE)
            self._end()
        return self.tally.run(self.name)

    def _end(self) -> None:
        """Cancel the calls that never ended, so that nothing is left behind."""
        self.tally.unanswered([request.began for request in self._open])
        for request in self._open:
            if request.task is not None:
                request.task.cancel()
        self.loop.run_until(self.loop.time())
        self.loop.close()

    def _next(self, times: Iterator[float]) -> None:
        at = next(times, None)
        if at is not None:
            self.loop.call_at(at, self._arrive, times)

    def _arrive(self, times: Iterator[float]) -> None:
        now = self.loop.time()
        client = self._routing.randrange(self.scenario.clients.count) % len(self._asks)
        keyed = self.scenario.clients.route is Route.KEY
        host = self._routing.randrange(len(self._hosts)) if keyed else -1
        request = Request(host, now)
        self._open[request] = None
        self.tally.offer(now, len(self._open))
        request.task = self.loop.create_task(self._call(self._asks[client], request))
        self._next(times)

    async def _call(self, ask: Callable[[Request], Awaitable[None]], request: Request) -> None:
        """Make one call as a client does, and count how it ended."""
        tally, began = self.tally, request.began
        try:
            await ask(request)
        except RejectedError as error:
            tally.refused(began, error.code)
        except Exception as error:
            tally.failed(began, kind_of(error))
        else:
            if request.answered:
                tally.answered(began, self.loop.time() - began)
            else:
                tally.substituted(began)
        del self._open[request]

    async def _ask(self, request: Request) -> None:
        """Be the operation: send one attempt to a host and wait for its answer as long as the client does."""
        loop = self.loop
        self.tally.attempt(loop.time())
        answer: Answer = loop.create_future()
        self._hosts[self._choose(request)].accept(answer)
        patience = self.scenario.clients.timeout
        timer = loop.call_later(patience, _give_up, answer) if patience else None
        try:
            await answer
        finally:
            if timer is not None:
                timer.cancel()
            del answer  # it holds the error, which holds this frame: a cycle for the collector
        request.answered = True

    def _choose(self, request: Request) -> int:
        if request.host >= 0:
            return request.host
        if len(self._hosts) == 1:
            return 0
        if self.scenario.clients.route is Route.RANDOM:
            return self._routing.randrange(len(self._hosts))
        self._turn += 1
        return self._turn % len(self._hosts)


def _give_up(answer: Answer) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError("no answer in time"))


def simulate(
    scenario: Scenario, *, seed: int = 1, policies: Sequence[str] | None = None, progress: Progress | None = None
) -> Report:
    """Run a scenario under each of its policies and return what came of each.

    The same scenario and seed give the same report, byte for byte, in every process of the same Python version and
    platform. It blocks while it computes, and draws no randomness from the process.

    Arguments:
        scenario: What happens, and the policies to compare.
        seed: Any whole number; default 1. All policies meet the same requests at the same times.
        policies: Names of the policies to run; all by default.
        progress: Is told the name of the policy that runs, and which share of its time is over, 0 to 1.

    Raises:
        ConfigError: when a name is unknown.
        RuntimeError: inside a running event loop; `asyncio.to_thread(simulate, ...)` works there.
    """
    runs = tuple(run_one(scenario, name, seed, progress) for name in chosen(scenario, policies))
    return Report.of(scenario, seed, runs)


def run_one(scenario: Scenario, name: str, seed: int, progress: Progress | None = None) -> Run:
    """Run a scenario under the policy of that name, and return what came of it."""
    return World(scenario, name, scenario.policies[name], seed).run(progress)


def chosen(scenario: Scenario, policies: Sequence[str] | None) -> list[str]:
    """Return the names of the policies to run.

    Raises:
        ConfigError: when one is unknown.
    """
    names = list(scenario.policies) if policies is None else list(policies)
    wrong = [
        Violation("policies", name, one_of(scenario.policies, name, "policies"))
        for name in names
        if name not in scenario.policies
    ]
    if wrong:
        raise ConfigError("simulation", wrong)
    return names

"""All use cases over one control plane, and the background work that belongs to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from ..control.alerts import AlertRules
from ..control.declared import Declarations
from ..recovery.runner import RecoveryRunner
from ..security.code_flow import OidcClient
from ..security.oidc import OidcConfig
from ..security.sessions import SessionLimits
from ..storage.retention import RetentionPolicy
from ..telemetry.families import MAX_CIRCUITS
from . import recovery
from .access import BAD_TOKENS_PER_MINUTE, Access
from .alerts.alerting import Alerting
from .alerts.channels import Channels
from .alerts.gathering import Gathering
from .alerts.silences import Silences
from .audit import AuditLog
from .automation.automation import Automation
from .automation.configured import AutomationConfig
from .bootstrap import FILE_NAME, Bootstrap
from .break_glass import BreakGlass
from .capacity import Capacity
from .checkpoints import INTERVAL, RECORDS, Checkpoints
from .circuits import Circuits
from .configuration import Configuration
from .declarations import DeclarationKeeper
from .degradation import Degradation
from .full_disk import FullDisk
from .health import Health
from .housekeeping import Housekeeping
from .incidents import Incidents
from .ingest import Ingest
from .key_rotation import KeyRotation
from .live.everything import Everything
from .live.stream import LiveStream
from .metrics.metrics import Metrics
from .persons import Persons
from .plane import ControlPlane
from .policies import Policies
from .provider_login import ProviderLogin
from .provider_sign_in import ProviderSignIn
from .recovery import BUILT_IN_PATIENCE, Recoveries
from .registry import ServiceRegistry
from .rendered import Rendered
from .replicas import Replicas
from .role_bindings import RoleBindings
from .sessions import BrowserSessions
from .tokens import Tokens

CHECKPOINT_FILE = "audit-checkpoints.jsonl"
"""Name of the file of checkpoints in the directory, where no other place is given."""
logger = logging.getLogger("scrollintel.service")


class UseCases:
    """What an application of the control plane can do.

    Arguments:
        plane: The control plane, not started yet.
        directory: Where the journal of emergencies lies.
        enforced: Whether requests need a token.
        oidc: Which tokens of an identity provider are accepted, or None.
        oidc_client: How browsers sign in at the provider; None when they cannot.
        sessions: How long sessions of browsers last; the defaults of `SessionLimits`.
        declared: What a file declares; nothing by default.
        push_interval: Seconds between reports of replicas.
        bad_tokens_per_minute: Requests without a valid token that one address may send in a minute.
        runner: Recovery strategies of this process; none by default.
        automation: What is watched and repaired; nothing by default.
        alerts: When the platform itself alerts; the defaults of `AlertRules`.
        retention: How long histories are kept; the defaults of `RetentionPolicy`.
        checkpoint_file: Where checkpoints of the audit log are kept outside the database; by default in the directory.
        checkpoint_records: Records after which one is signed.
        checkpoint_interval: Seconds after which one is signed anyway.
        max_circuits: Circuits, policies, services and targets that metrics tell of one by one, of each so many at most.
    """

    def __init__(
        self,
        plane: ControlPlane,
        *,
        directory: Path,
        enforced: bool,
        oidc: OidcConfig | None = None,
        oidc_client: OidcClient | None = None,
        sessions: SessionLimits | None = None,
        declared: Declarations | None = None,
        push_interval: float = 1.0,
        checkpoint_file: Path | None = None,
        checkpoint_records: int = RECORDS,
        checkpoint_interval: float = INTERVAL,
        bad_tokens_per_minute: int = BAD_TOKENS_PER_MINUTE,
        runner: RecoveryRunner | None = None,
        automation: AutomationConfig | None = None,
        alerts: AlertRules | None = None,
        retention: RetentionPolicy | None = None,
        max_circuits: int = MAX_CIRCUITS,
    ) -> None:
        self.plane = plane
        self.tokens = Tokens(plane, enforced=enforced)
        self.persons = Persons(plane.keys, self.tokens)
        self.configuration = Configuration(plane)
        self.key_rotation = KeyRotation(plane)
        self.checkpoints = Checkpoints(
            plane,
            file_path=checkpoint_file or directory / CHECKPOINT_FILE,
            records=checkpoint_records,
            interval=checkpoint_interval,
        )
        self.audit = AuditLog(plane, self.checkpoints)
        self._bootstrap = Bootstrap(plane, directory / FILE_NAME, people=oidc is not None) if enforced else None
        self.role_bindings = RoleBindings(plane)
        login = None if oidc is None else ProviderLogin(plane, oidc, self.role_bindings)
        self.access = Access(plane, enforced=enforced, jwt=login, bad_tokens_per_minute=bad_tokens_per_minute)
        provider = None
        if oidc is not None and oidc_client is not None:
            provider = ProviderSignIn(plane, oidc, oidc_client, self.role_bindings)
        self.sessions = BrowserSessions(plane, self.access, limits=sessions, provider=provider)
        self.policies = Policies(plane)
        self.circuits = Circuits(plane, self.policies)
        self.degradation = Degradation(plane)
        self.capacity = Capacity(plane.fleet)
        self.registry = ServiceRegistry(plane)
        self.declarations = DeclarationKeeper(plane, self.policies, self.registry, declared or Declarations())
        self.reload: Callable[[], Awaitable[Any]] | None = None  # Any: what whoever reads the file tells of it
        """Reads the settings file anew; None when there is none."""
        self._declared = False
        self.ingest = Ingest(plane)
        self.replicas = Replicas(plane, self.ingest, self.circuits.remembered, push_interval=push_interval)
        self.break_glass = BreakGlass(plane, directory / "break-glass.jsonl")
        patience = BUILT_IN_PATIENCE if runner is None else runner.config
        self.automation = Automation(
            plane,
            self.circuits,
            self.degradation,
            directory=directory,
            config=automation or AutomationConfig(),
            runner=runner or RecoveryRunner(config=patience, clock=plane.clock),
            patience=patience,
            is_open=not enforced,
            max_local=recovery.MAX_RUNNING,
        )
        self.incidents = Incidents(plane, self.automation.keeper)
        self.recovery = Recoveries(
            plane,
            self.automation.strategies,
            keeper=self.automation.keeper,
            performer=self.automation.performer,
            engine=self.automation.engine,
        )
        self.health = Health(self)
        self.metrics = Metrics(self, max_circuits=max_circuits)
        self.rendered = Rendered(plane.clock, lambda: (plane.records.version, plane.fleet.version))
        self.loops = Loops()
        self.live = LiveStream(
            Everything(self),
            plane.fleet,
            plane.facts,
            plane.clock,
            on_look=lambda error: self.loops.note("look for pages", error),
        )
        self.silences = Silences(plane)
        gathering = Gathering(plane, self.circuits, self.automation, self.checkpoints, lambda: self.loops.last_errors)
        self.alerting = Alerting(plane, gathering, self.silences, self.automation.notifier.send, alerts or AlertRules())
        self.channels = Channels(plane, self.automation.notifier)
        self.full_disk = FullDisk(plane)
        self._introduce()
        self._add_loops(Housekeeping(plane, retention))

    def _introduce(self) -> None:
        """Let those hear of each other that were made without knowing each other."""
        self.ingest.on_circuit = self.automation.took
        self.ingest.on_left = self.automation.left
        self.ingest.on_transition = self.alerting.took
        self.automation.overseer.on_finished = self.recovery.finished
        self.recovery.waiting = self.automation.waiting
        self.recovery.stopped = self.automation.judgement.stopped
        self.recovery.on_ended = self.metrics.ended

    def _add_loops(self, housekeeping: Housekeeping) -> None:
        """Name what is done again and again."""
        self.loops.add("flush reports", 1.0, self.ingest.flush)
        self.loops.add("sweep replicas", 1.0, self._sweep)
        self.loops.add("forget silent replicas", 5.0, self.circuits.remembered.sweep)
        self.loops.add("note health", 5.0, self.health.note_changes)
        self.loops.add("recovery times", 15.0, self.health.recovery_times.load)
        self.loops.add("expire levels", 1.0, self.degradation.expire)
        self.loops.add("record access", 1.0, self.access.record)
        self.loops.add("forget sessions", 10.0, self.sessions.sweep)
        self.loops.add("apply declarations", 1.0, self._apply_declarations)
        self.loops.add("prove encryption", 1.0, self.configuration.self_test)
        self.loops.add("first token", 1.0, self._first_token)
        self.loops.add("flush token uses", 30.0, self.tokens.flush_uses)
        self.loops.add("audit checkpoints", 1.0, self.checkpoints.look)
        self.loops.add("rotate keys", 1.0, self.key_rotation.go_on)
        self.loops.add("import journal", 1.0, self._import_journal)
        self.loops.add("watch the disk", 1.0, self.full_disk.look)
        self.loops.add("expire idempotency keys", 10.0, housekeeping.expire_idempotency)
        self.loops.add("roll up metrics", 10.0, housekeeping.roll_up)
        self.loops.add("expire histories", 60.0, housekeeping.expire_histories)
        self.loops.add("forget strangers", 60.0, housekeeping.forget_strangers)
        self.loops.add("end interrupted recoveries", 1.0, self.recovery.mark_interrupted)
        self.loops.add("watch and repair", 0.5, self.automation.adjust)
        self.loops.add("look for alerts", 1.0, self.alerting.look)
        self.loops.add("expire silences", 5.0, self.silences.expire)

    async def start(self) -> None:
        """Start the control plane and its background work."""
        await self.loops.attempt("import journal", self.break_glass.recall)
        await self.plane.start()
        await self._secure()
        await self.loops.attempt("import journal", self._import_journal)
        self.circuits.remembered.load()
        if self.plane.serving:
            await self.plane.transitions.load()
        await self.loops.attempt("recovery times", self.health.recovery_times.load)
        await self._apply_declarations()
        await self.automation.start()
        await self.loops.attempt("look for alerts", self.alerting.look)
        self.loops.start()

    def close_streams(self) -> None:
        """Answer whoever waits for news, because the service stops."""
        self.plane.close_streams()

    async def stop(self) -> None:
        """Stop both, in reverse order."""
        self.alerting.stop()
        await self.automation.stop_deciding()
        await self.recovery.stop()
        await self.automation.stop()
        self.close_streams()
        await self.loops.stop()
        if self.plane.serving:
            await self.ingest.flush()
            await self.loops.attempt("record access", self.access.record)
            await self._leave_evidence()
        await self.plane.stop()

    async def _secure(self) -> None:
        """Keep a reserve, prove encryption, look at the audit log, make the first token; loops go on with the rest."""
        for name, work in (
            ("watch the disk", self.full_disk.look),
            ("prove encryption", self.configuration.self_test),
            ("audit checkpoints", self.checkpoints.look),
            ("first token", self._first_token),
        ):
            await self.loops.attempt(name, work)

    async def _leave_evidence(self) -> None:
        """Store the last uses of tokens and sign how the audit log stands at the end."""
        await self.loops.attempt("flush token uses", self.tokens.flush_uses)
        await self.loops.attempt("audit checkpoints", self.checkpoints.sign)

    async def _first_token(self) -> None:
        if self._bootstrap is not None and self.plane.serving:
            await self._bootstrap.first_token()

    async def _sweep(self) -> None:
        for session in self.plane.fleet.sweep():
            self.replicas.gone(session)

    async def _apply_declarations(self) -> None:
        """Bring what the file declares into force, once, as soon as that is possible."""
        if not self._declared and self.plane.serving:
            await self.declarations.apply()
            self._declared = True

    async def _import_journal(self) -> None:
        await self.break_glass.import_journal()


class Loops:
    """Work that is done again and again; each loop is owned here, and its errors are counted and logged."""

    def __init__(self) -> None:
        self._work: list[tuple[str, float, Callable[[], Awaitable[object]]]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.errors: dict[str, int] = {}
        self.last_errors: dict[str, str] = {}

    @property
    def names(self) -> list[str]:
        """What is done again and again."""
        return [*dict.fromkeys([*(name for name, _, _ in self._work), *self.errors])]

    def add(self, name: str, interval: float, work: Callable[[], Awaitable[object]]) -> None:
        """Do `work` every `interval` seconds once started."""
        self._work.append((name, interval, work))

    def start(self) -> None:
        """Start one task for each loop."""
        for name, interval, work in self._work:
            self.begin(name, interval, work)

    def begin(self, name: str, interval: float, work: Callable[[], Awaitable[object]]) -> None:
        """Do `work` every `interval` seconds from now on, until `stop`."""
        self._tasks.append(asyncio.create_task(self._repeat(name, interval, work), name=f"scrollintel {name}"))

    async def stop(self) -> None:
        """Cancel the tasks and wait for them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _repeat(self, name: str, interval: float, work: Callable[[], Awaitable[object]]) -> None:
        while True:
            await asyncio.sleep(interval)
            await self.attempt(name, work)

    async def attempt(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Do work once; an error of it is counted and logged, and told where health is asked for."""
        try:
            await work()
        except Exception as error:  # a loop outlives an error of its work
            self.note(name, error)
        else:
            self.note(name, None)

    def note(self, name: str, error: Exception | None) -> None:
        """Take note of how work has ended that is done again and again."""
        if error is None:
            self.last_errors.pop(name, None)
            return
        self.errors[name] = self.errors.get(name, 0) + 1
        if self.last_errors.get(name) != type(error).__name__:
            logger.warning("%s failed: %s", name, type(error).__name__, exc_info=error)
        self.last_errors[name] = type(error).__name__

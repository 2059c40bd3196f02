"""The incident desk: takes what happens from any thread, and has one thread work through it."""

from __future__ import annotations

from collections.abc import Callable

from ...control.incidents import IncidentRecord
from ...control.records import RecoveryOperationRecord
from ...core.clock import Clock
from ...recovery.strategy import Step
from ...recovery.symptom import Condition, ConditionChange
from .casework import Casework
from .desk_ports import Aftermath, Watch
from .incident_book import IncidentBook
from .judgement import Judgement
from .mailbox import Mailbox
from .outbox import Outbox, Run


class Desk:
    """Follows incidents. Messages come from any thread; none of the methods that take them blocks.

    Arguments:
        book: The incidents.
        judgement: What is known of targets, and what may be done.
        watch: Is told how targets are treated.
        clock: Source of time.
        submit: Gives a run to the engine; blocks until it is durable there.
        cancel: Ends a run: its id, and why.
        aftermath: Dependents and people.
    """

    def __init__(
        self,
        book: IncidentBook,
        judgement: Judgement,
        watch: Watch,
        clock: Clock,
        *,
        submit: Callable[[Run], None],
        cancel: Callable[[str, str], None],
        aftermath: Aftermath,
    ) -> None:
        self._judgement = judgement
        self._watch = watch
        self._aftermath = aftermath
        self._outbox = Outbox(submit)
        self._casework = Casework(
            book, judgement, watch, clock, outbox=self._outbox, cancel=cancel, aftermath=aftermath
        )
        self._mailbox = Mailbox("scrollintel incidents", self._casework.tick)

    @property
    def waiting(self) -> set[str]:
        """Recoveries that the engine could not take yet."""
        return self._outbox.waiting

    # ------------------------------------------------------------------ life

    def prepare(self) -> None:
        """Have the incidents of the life before come first, before anything that targets tell."""
        self._mailbox.put(self._casework.resume)

    def start(self) -> None:
        """Begin."""
        self._mailbox.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Work off what has come in, and end; waits up to `timeout` seconds."""
        self._mailbox.stop(timeout)

    def stand_back(self) -> None:
        """Decide nothing while another control plane does."""
        self._mailbox.rest()

    def stand_in(self) -> None:
        """Decide again, beginning with what the other has left."""
        self._mailbox.wake(self._casework.resume)

    # ------------------------------------------------------------------ messages

    def condition(self, change: ConditionChange) -> None:
        """Take a change of a target's condition; from the watcher's thread."""
        self._judgement.note(change)
        if change.new is Condition.FAILED:
            self._mailbox.put(lambda: self._casework.failed(change))
        elif change.new is Condition.HEALTHY:
            self._mailbox.put(lambda: self._casework.healthy(change))

    def entered(self, run: Run, step: Step) -> None:
        """Hear that a step of a recovery begins; from the recovery's thread."""
        if run.get("incident") is not None:
            self._watch.hold(run["target"], Condition.VALIDATING if step is Step.VERIFY else Condition.RECOVERING)

    def finished(self, run: Run, record: RecoveryOperationRecord) -> None:
        """Hear that a recovery is over; from its thread."""
        if record.incident is not None:
            self._mailbox.put(lambda: self._casework.finished(run, record))

    def look_again(self) -> None:
        """Consider all open incidents anew: targets, switch or brake have changed."""
        self._mailbox.put(self._casework.consider_all)

    def cancelled(self, incident: IncidentRecord, by: str, reason: str) -> None:
        """Hear that a person has cancelled an incident, which is on record already."""
        self._mailbox.put(lambda: self._casework.withdraw(incident, by, reason))

    def acknowledged(self, incident: IncidentRecord) -> None:
        """Hear that a person looks after an incident, which is on record already."""
        self._aftermath.tell("acknowledged", incident, f"{incident.acknowledged_by} looks after it")

    def released(self, subject: str, by: str) -> None:
        """Hear that a person has released the storm brake that something has engaged."""
        self._aftermath.released(subject, by)
        self.look_again()

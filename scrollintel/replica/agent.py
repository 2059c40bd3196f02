"""The one daemon thread of a replica: joins, listens, applies, reports, and starts over when anything is wrong."""

from __future__ import annotations

import os
import random
import select
import socket
import ssl
import sys
import threading
import time
from collections import deque
from datetime import UTC, datetime
from logging import getLogger
from typing import Any
from urllib.parse import SplitResult

from ..core.events import Event
from .apply import LocalReplica
from .disk import Copy
from .exchange import Channel, ExchangeError
from .protocol import PROTOCOL, ProtocolError, read_heard, read_joined

# Whatever the thread needs is imported before it starts: a fork in the middle of an import breaks the child.
CALL_TIMEOUT = 5.0
LEAVE_TIMEOUT = 0.2
FIRST_DELAY, LONGEST_DELAY = 0.2, 15.0
FACT_DELAY = 0.01
FACT_INTERVAL = 0.05
MAX_FACTS = 2000
MAX_ROWS = 2000


class Agent:
    """Runs in its thread until `stop`; whatever the control plane does, it neither raises nor reaches a call.

    Attributes:
        connected: True between a join and the next error.
        error: Code of the last error, or None once an exchange has succeeded again.
        sequence: The last change that was applied.
        heard_at: Monotonic time of the last successful exchange, or None.
    """

    def __init__(
        self, url: SplitResult, token: str | None, service: str, instance: str, replica: LocalReplica, copy: Copy,
        context: ssl.SSLContext | str | None,
    ) -> None:  # fmt: skip
        self._url, self._token, self._service, self.instance = url, token, service, instance
        self._replica, self._copy, self._context = replica, copy, context
        self.connected = False
        self.error: str | None = None
        self.sequence = 0
        self.heard_at: float | None = None
        self._started_at = datetime.now(UTC)
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._buffer = replica.registry.hub.buffer(size=MAX_FACTS, wake=self.wake)
        self._facts: deque[Event] = deque()
        self._overflow = 0
        self._stopping = False
        self._logged_at = -60.0
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="scrollintel-replica", daemon=True)

    @property
    def dropped(self) -> int:
        """Facts that were lost because nobody fetched them in time."""
        return self._buffer.dropped + self._overflow

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Make the thread look; never blocks."""
        try:
            self._writer.send(b"\0")
        except OSError:  # full, so it wakes anyway; or closed
            pass

    def stop(self, timeout: float) -> None:
        """Leave the control plane and end the thread, waiting at most `timeout` seconds for it."""
        self._stopping = True
        self._buffer.cancel()
        self.wake()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout)

    def abandon(self) -> None:
        """Let go of the sockets: at the end of the thread, and in a forked child, where the thread does not exist."""
        self._buffer.cancel()
        self._reader.close()
        self._writer.close()

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        try:
            context = self._tls()
        except OSError:
            self._failed("tls")
            self.abandon()
            return
        headers = {"User-Agent": "scrollintel-replica", "Accept": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        listen, report = Channel(self._url, headers, context), Channel(self._url, headers, context)
        while not self._stopping:
            try:
                self._session(listen, report)
            except ExchangeError as error:
                self._failed(error.code)
            except ProtocolError:
                self._failed("bad_answer")
            except Exception as error:  # a bug of ours must not end the thread
                self._failed(type(error).__name__)
            listen.close()
            report.close()
            self.connected = False
            if not self._stopping:
                self._rest()
        self._copy.save(self._replica)
        self.abandon()

    def _session(self, listen: Channel, report: Channel) -> None:
        joined = read_joined(report.call("POST", "/replicas", self._introduction(), CALL_TIMEOUT))
        path = f"/replicas/{joined.replica}"
        try:
            self._replica.apply_desired(joined.desired)
            self.sequence = joined.sequence
            self._succeeded()
            self._push(report, path, full=True)
            self._listen(listen, path, joined.poll_wait)
            began = time.monotonic()
            answer_due = began + joined.poll_wait + 10.0
            push_due = fact_due = began + joined.push_interval
            last_fact_push = 0.0
            while not self._stopping:
                due = min(push_due, fact_due, answer_due)
                woken = self._wait(listen.fileno(), max(0.0, due - time.monotonic()))
                now = time.monotonic()
                if woken and not self._stopping:
                    fact_due = min(fact_due, max(now + FACT_DELAY, last_fact_push + FACT_INTERVAL))
                if listen.arrived():
                    heard = read_heard(listen.receive(CALL_TIMEOUT))
                    self._take(heard.sequence, heard.changes, heard.desired)
                    self._failures = 0
                    self._listen(listen, path, joined.poll_wait)
                    self._copy.save(self._replica)
                    answer_due = time.monotonic() + joined.poll_wait + 10.0
                elif now >= answer_due:
                    self._failed("timeout")
                    return
                if now >= min(push_due, fact_due):
                    self._push(report, path)
                    last_fact_push = now
                    push_due = fact_due = now + joined.push_interval
                    self._copy.save(self._replica)
        finally:
            if self._stopping:
                report.call("DELETE", path, None, LEAVE_TIMEOUT)

    def _listen(self, channel: Channel, path: str, wait: float) -> None:
        refused = [
            {"sequence": item.sequence, "code": item.code, "detail": item.detail}
            for item in self._replica.take_refused()
        ]
        message = {"sequence": self.sequence, "wait": wait, "applied": self._replica.applied(), "refused": refused}
        channel.send("POST", f"{path}/listen", message, CALL_TIMEOUT)

    def _take(self, sequence: int, changes: Any, desired: Any) -> None:
        if desired is not None:
            self._replica.apply_desired(desired)
        for change in changes:
            if change.sequence > self.sequence:
                self._replica.apply(change)
        self.sequence = max(self.sequence, sequence) if desired is None else sequence
        self._succeeded()

    def _push(self, channel: Channel, path: str, *, full: bool = False) -> None:
        self._collect()
        facts = list(self._facts)
        replica = self._replica
        circuits = replica.circuits(full=full)
        rest: dict[str, Any] = {
            "policies": replica.policy_reports(full=full),
            "levels": replica.level_reports(full=full),
            "facts": [fact.to_dict() for fact in facts],
        }
        for start in range(0, len(circuits) or 1, MAX_ROWS):
            message = {
                "sequence": self.sequence,
                "sent_at": datetime.now(UTC).isoformat(),
                "full": full and start == 0,
                "circuits": circuits[start : start + MAX_ROWS],
                "dropped": self.dropped,
                **(rest if start == 0 else {"policies": [], "levels": [], "facts": []}),
            }
            channel.call("POST", f"{path}/report", message, CALL_TIMEOUT)
        for _ in facts:
            self._facts.popleft()
        self._succeeded()

    def _collect(self) -> None:
        self._facts.extend(self._buffer.take())
        while len(self._facts) > MAX_FACTS:
            self._facts.popleft()
            self._overflow += 1

    # ------------------------------------------------------------------ waiting and failing

    def _wait(self, descriptor: int, seconds: float) -> bool:
        """Wait for the listen answer or for a wake-up; True when woken."""
        watched = [self._reader.fileno(), *([descriptor] if descriptor >= 0 else [])]
        poll = select.poll() if hasattr(select, "poll") else None
        if poll is None:
            ready, _, _ = select.select(watched, [], [], seconds)
        else:
            for number in watched:
                poll.register(number, select.POLLIN)
            ready = [number for number, _ in poll.poll(seconds * 1000)]
        if self._reader.fileno() not in ready:
            return False
        try:
            while self._reader.recv(4096):
                pass
        except BlockingIOError:
            pass
        return True

    def _rest(self) -> None:
        """Wait before the next try, at random up to a bound that doubles each time; source: AWS, "full jitter"."""
        self._failures += 1
        bound = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(self._failures, 10))
        end = time.monotonic() + max(FIRST_DELAY / 2, random.random() * bound)
        while not self._stopping and (left := end - time.monotonic()) > 0.0:
            if self._wait(-1, left):
                self._collect()
            self._copy.save(self._replica)

    def _succeeded(self) -> None:
        self.connected = True
        self.error = None
        self.heard_at = time.monotonic()

    def _failed(self, code: str) -> None:
        self.connected = False
        self.error = code
        now = time.monotonic()
        if now - self._logged_at >= 60.0 and not self._stopping:
            self._logged_at = now
            getLogger("scrollintel").warning(
                "the control plane does not serve this replica: %s; protection goes on as it is", code
            )

    def _tls(self) -> ssl.SSLContext | None:
        if self._url.scheme != "https":
            return None
        if isinstance(self._context, ssl.SSLContext):
            return self._context
        return ssl.create_default_context(cafile=self._context)

    def _introduction(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        return {
            "protocol": PROTOCOL, "instance": self.instance, "service": self._service,
            "version": sys.modules["scrollintel"].__version__,
            "pid": os.getpid(), "host": socket.gethostname().partition(".")[0],
            "started_at": self._started_at.isoformat(),
        }  # fmt: skip

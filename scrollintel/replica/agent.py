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
from datetime import UTC, datetime
from logging import getLogger
from math import inf
from typing import Any
from urllib.parse import SplitResult

from .apply import LocalReplica
from .disk import Copy
from .exchange import Channel, ExchangeError
from .protocol import PROTOCOL, Heard, Joined, ProtocolError
from .reading import read_heard, read_joined
from .report import Reporter

# Whatever the thread needs is imported before it starts: a fork in the middle of an import breaks the child.
CALL_TIMEOUT = 5.0
LEAVE_TIMEOUT = 0.2
FIRST_DELAY, LONGEST_DELAY = 0.2, 15.0
FACT_DELAY = 0.01
FACT_INTERVAL = 0.05
SAVE_INTERVAL = 0.25


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
        self._reporter = Reporter(replica, self.wake)
        self._saved_at = -SAVE_INTERVAL
        self._stopping = False
        self._logged_at = -60.0
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="scrollintel-replica", daemon=True)

    @property
    def dropped(self) -> int:
        """Facts that nobody fetched in time, and rows and facts that the control plane refused."""
        return self._reporter.dropped

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
        self._reporter.cancel()
        self.wake()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout)
            if self._thread.is_alive():  # it waits for the control plane, and the process may be at its end
                self._copy.save(self._replica)

    def abandon(self) -> None:
        """Let go of the sockets: at the end of the thread, and in a forked child, where the thread does not exist."""
        self._reporter.cancel()
        self._reader.close()
        self._writer.close()

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        headers = {"User-Agent": "scrollintel-replica", "Accept": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        while not self._stopping:
            channels: list[Channel] = []
            try:
                context = self._tls()
                channels += [Channel(self._url, headers, context) for _ in range(2)]
                self._session(*channels)
            except ExchangeError as error:
                self._failed(error.code)
            except ProtocolError:
                self._failed("bad_answer")
            except OSError:  # nothing but the file with certificate authorities
                self._failed("tls")
            except Exception as error:  # a bug of ours must not end the thread
                self._failed(type(error).__name__)
            for channel in channels:
                channel.close()
            self.connected = False
            if not self._stopping:
                self._rest()
        self._copy.save(self._replica)
        self._copy.let_go()
        self.abandon()

    def _session(self, listen: Channel, report: Channel) -> None:
        joined = read_joined(report.call("POST", "/replicas", self._introduction(), CALL_TIMEOUT))
        path = f"/replicas/{joined.replica}"
        try:
            self._replica.apply_desired(joined.desired)
            self.sequence = joined.sequence
            self._succeeded()
            self._reporter.join(report, path, self.sequence, CALL_TIMEOUT)
            self._succeeded()
            self._listen(listen, path, joined.poll_wait)
            self._follow(listen, report, path, joined)
        finally:
            if self._stopping:
                self._copy.save(self._replica)
                report.call("DELETE", path, None, LEAVE_TIMEOUT)

    def _follow(self, listen: Channel, report: Channel, path: str, joined: Joined) -> None:
        """Take changes and send reports until something is wrong or the thread is to end."""
        reporter = self._reporter
        told_at = began = time.monotonic()
        answer_due = began + joined.poll_wait + 10.0
        push_due = began + joined.push_interval
        fact_due, facts_told_at = inf, 0.0
        save_due = began
        while not self._stopping:
            due = min(push_due, fact_due, answer_due, save_due)
            woken = self._wait(listen.fileno(), max(0.0, due - time.monotonic()))
            now = time.monotonic()
            if woken:
                fact_due = min(fact_due, max(now + FACT_DELAY, facts_told_at + FACT_INTERVAL))
            if listen.arrived():
                heard = read_heard(listen.receive(CALL_TIMEOUT))
                self._take(heard)
                self._failures = 0
                self._listen(listen, path, joined.poll_wait)
                now = time.monotonic()
                answer_due = now + joined.poll_wait + 10.0
                save_due = min(save_due, max(now, self._saved_at + SAVE_INTERVAL))
            elif now >= answer_due:
                raise ExchangeError("timeout")
            if now >= push_due:
                alive = now + joined.push_interval >= told_at + joined.quiet
                if reporter.push(report, path, self.sequence, CALL_TIMEOUT, alive=alive):
                    told_at = now
                    self._succeeded()
                push_due, fact_due = now + joined.push_interval, inf
                save_due = min(save_due, now)
            elif now >= fact_due:
                if reporter.push_facts(report, path, self.sequence, CALL_TIMEOUT):
                    facts_told_at = told_at = now
                    self._succeeded()
                fact_due = inf
                save_due = min(save_due, max(now, self._saved_at + SAVE_INTERVAL))
            if now >= save_due:
                self._save()
                save_due = inf

    def _save(self) -> None:
        self._saved_at = time.monotonic()
        self._copy.save(self._replica)

    def _listen(self, channel: Channel, path: str, wait: float) -> None:
        refused = [
            {"sequence": item.sequence, "code": item.code, "detail": item.detail}
            for item in self._replica.take_refused()
        ]
        message = {"sequence": self.sequence, "wait": wait, "applied": self._replica.applied(), "refused": refused}
        channel.send("POST", f"{path}/listen", message, CALL_TIMEOUT)

    def _take(self, heard: Heard) -> None:
        if heard.desired is not None:
            self._replica.apply_desired(heard.desired)
            self.sequence = heard.sequence
        else:
            for change in heard.changes:
                if change.sequence > self.sequence:
                    self._replica.apply(change)
            self.sequence = max(self.sequence, heard.sequence)
        self._succeeded()

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
            if self._wait(-1, min(left, 1.0)):
                self._reporter.collect()
            if time.monotonic() >= self._saved_at + SAVE_INTERVAL:
                self._save()

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

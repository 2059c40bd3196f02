"""The channels through which people are told: how each does, and a test message through one."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass

from ...security.access import Permission
from ...storage.transaction import Transaction
from ...telemetry.notify.config import ChannelConfig
from ...telemetry.notify.notice import DeliveryError, Notice, NoticeKind
from ...telemetry.notify.notifier import Notifier
from ...telemetry.notify.outlet import OutletFigures
from ..caller import Caller
from ..errors import MissingError, TooManyRequestsError
from ..plane import ControlPlane

TEST_INTERVAL = 10.0
"""Seconds between two tests of one channel: people at the other end are not to be flooded."""
TEST_TIMEOUT = 8.0
"""Seconds for which a test waits for its receiver; whoever asked waits for the answer."""


@dataclass(frozen=True, slots=True)
class ChannelView:
    """One channel as it is configured, and how it does."""

    name: str
    config: ChannelConfig
    figures: OutletFigures


@dataclass(frozen=True, slots=True)
class Tested:
    """What came of a test.

    Arguments:
        delivered: Whether the receiver took the message.
        answer: What came back, or why nothing did; without addresses and secrets.
        seconds: How long that took.
    """

    delivered: bool
    answer: str
    seconds: float


class Channels:
    """The use cases around channels. Everything on the event loop.

    Arguments:
        plane: The control plane.
        notifier: Owns the channels.
        patience: Seconds that whoever asks for a test waits at most; a mail is several exchanges, each within the
            time-out.
    """

    def __init__(self, plane: ControlPlane, notifier: Notifier, *, patience: float = TEST_TIMEOUT + 1.0) -> None:
        self._plane = plane
        self._notifier = notifier
        self.patience = patience
        self._tested: dict[str, float] = {}
        self._testing = asyncio.Lock()
        self._sending: asyncio.Future[str] | None = None

    def all(self) -> list[ChannelView]:
        """Return every channel, in the order of the configuration."""
        figures = self._notifier.figures()
        return [
            ChannelView(name, config, figures.get(name, OutletFigures()))
            for name, config in self._notifier.channels.items()
        ]

    async def test(self, caller: Caller, name: str) -> Tested:
        """Send a real message through a channel, and return what came of it; it is in the audit log before it is sent.

        Raises:
            AccessDeniedError: when the caller may not start recoveries of all services.
            MissingError: when there is no such channel.
            TooManyRequestsError: within 10 s of the last test of this channel, or while another test is under way.
            StoreUnavailableError: while the database is away, so that nothing could be noted.
        """
        caller.require_for_new(Permission.RECOVERY_START, None)
        if name not in self._notifier.channels:
            raise MissingError("channel", name)
        now = self._plane.clock.monotonic()
        wait = self._tested.get(name, -math.inf) + TEST_INTERVAL - now
        if wait > 0.0:
            raise TooManyRequestsError(f"a channel is tested every {TEST_INTERVAL:g} s at most", retry_after=wait)
        if self._testing.locked() or (self._sending is not None and not self._sending.done()):
            raise TooManyRequestsError("another test is under way", retry_after=1.0)
        async with self._testing:

            def decide(tx: Transaction) -> None:
                tx.audit(caller.entry("channel.test", "channel", name, at=tx.now))

            await self._plane.change(decide)
            self._tested[name] = now
            return await self._send(name)

    async def _send(self, name: str) -> Tested:
        notice = Notice(
            kind=NoticeKind.TEST,
            subject=f"test:{name}",
            summary=f"this is a test of the channel {name}, and nothing is wrong",
            at=self._plane.now,
            severity=4,
        )
        began = self._plane.clock.monotonic()
        self._sending = asyncio.ensure_future(
            asyncio.to_thread(self._notifier.test, name, notice, timeout=TEST_TIMEOUT)
        )
        await asyncio.wait([self._sending], timeout=self.patience)
        seconds = self._plane.clock.monotonic() - began
        if not self._sending.done():
            self._sending.add_done_callback(lambda sending: sending.exception())
            return Tested(False, f"no answer within {seconds:.2g} s", seconds)
        try:
            return Tested(True, self._sending.result(), seconds)
        except DeliveryError as error:
            return Tested(False, str(error), seconds)
        except KeyError:  # it was taken out of the configuration meanwhile
            raise MissingError("channel", name) from None

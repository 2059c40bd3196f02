"""All channels together: each notice once to each, without waiting for any."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace

from ...core.config.retry import RetryConfig
from ...outbound.policy import OutboundPolicy
from .channels import channel_for
from .config import ChannelConfig
from .notice import Notice
from .outlet import RETRY, Outlet, OutletFigures

REMEMBERED = 10_000
"""Notices that are remembered so that they are not told again."""


class Notifier:
    """Tells people. Its owner starts and stops it; `send` may be called from any thread and never waits.

    Arguments:
        channels: Configuration of each channel by its name.
        policy: Which addresses may be spoken to.
        capacity: Notices that may wait for each channel; default 1,000.
        retry: Waits between attempts, by default 1 s, 2 s, 4 s and so on up to 60 s, each spread at random.
    """

    def __init__(
        self,
        channels: Mapping[str, ChannelConfig],
        policy: OutboundPolicy,
        *,
        capacity: int = 1000,
        retry: RetryConfig = RETRY,
    ) -> None:
        self._channels = dict(channels)
        self._policy = policy
        self._capacity = capacity
        self._retry = retry
        self._outlets = {name: self._outlet(name, config, policy) for name, config in channels.items()}
        self._lock = threading.Lock()
        self._told: OrderedDict[str, None] = OrderedDict()

    def start(self) -> None:
        """Begin to tell: one thread for each channel."""
        for outlet in self._outlets.values():
            outlet.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Tell what waits for at most `timeout` seconds in all, then end every thread; the rest counts as dead."""
        _end(self._outlets, timeout)

    def change(self, channels: Mapping[str, ChannelConfig], policy: OutboundPolicy, timeout: float = 5.0) -> None:
        """Tell through other channels from now on; those that stay as they are go on undisturbed.

        Waits up to `timeout` seconds for what the others have still to tell.
        """
        stays = {
            name: self._outlets[name]
            for name, config in channels.items()
            if policy == self._policy and self._channels.get(name) == config
        }
        fresh = {name: self._outlet(name, config, policy) for name, config in channels.items() if name not in stays}
        for outlet in fresh.values():
            outlet.start()
        with self._lock:
            gone = {name: outlet for name, outlet in self._outlets.items() if name not in stays}
            self._channels, self._policy, self._outlets = dict(channels), policy, {**stays, **fresh}
        _end(gone, timeout)

    def send(self, notice: Notice) -> bool:
        """Take a notice for every channel that wants its severity; False when it was told before.

        A brake is told whatever its severity.
        """
        with self._lock:
            if notice.key in self._told:
                return False
            self._told[notice.key] = None
            while len(self._told) > REMEMBERED:
                self._told.popitem(last=False)
            for name, outlet in self._outlets.items():
                if notice.severity <= self._channels[name].least_severity or notice.kind.value.startswith("brake"):
                    outlet.put(notice)
        return True

    def test(self, name: str, notice: Notice, *, timeout: float) -> str:
        """Make one attempt through one channel, at once and whatever severity it wants; blocks until that has ended.

        Arguments:
            name: The channel.
            notice: What is told.
            timeout: Seconds for the attempt, where the channel itself allows more.

        Returns:
            What came back, in a few words.

        Raises:
            KeyError: when there is no such channel.
            DeliveryError: when the receiver did not take it.
        """
        with self._lock:
            config, outlet, policy = self._channels[name], self._outlets[name], self._policy
        return outlet.attempt(channel_for(replace(config, timeout=min(timeout, config.timeout)), policy), notice)

    @property
    def channels(self) -> Mapping[str, ChannelConfig]:
        """Configuration of each channel by its name."""
        return self._channels

    def figures(self) -> Mapping[str, OutletFigures]:
        """Return how each channel does."""
        return {name: outlet.figures() for name, outlet in self._outlets.items()}

    def _outlet(self, name: str, config: ChannelConfig, policy: OutboundPolicy) -> Outlet:
        channel = channel_for(config, policy)
        return Outlet(name, channel, attempts=config.attempts, capacity=self._capacity, retry=self._retry)


def _end(outlets: Mapping[str, Outlet], timeout: float) -> None:
    enders = [
        threading.Thread(target=outlet.stop, args=(timeout,), name=f"scrollintel-notify-stop-{name}")
        for name, outlet in outlets.items()
    ]
    for ender in enders:
        ender.start()
    for ender in enders:
        ender.join()

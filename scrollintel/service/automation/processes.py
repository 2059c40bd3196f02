"""The processes that the control plane itself runs for the targets that declare one."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from ...actions.supervised import ProcessError, SupervisedProcess
from ...recovery.target import Target
from .stop_switch import StopSwitch

logger = logging.getLogger("scrollintel.recovery")


class Processes:
    """Its methods may block.

    Arguments:
        directory: Where pidfiles and logs lie.
        switch: Nothing is started while it stops automation.
    """

    def __init__(self, directory: Path, switch: StopSwitch) -> None:
        self._directory = directory
        self._switch = switch

    def start(self, targets: Iterable[Target]) -> list[str]:
        """Start what is to be started with the control plane and does not run; return the names of those."""
        started = []
        stopped = self._switch.stopped()
        for target in targets:
            if target.process is None or not target.process.autostart:
                continue
            process = SupervisedProcess(target, self._directory)
            if process.running() is None and stopped is not None:
                logger.warning("%s is not started: automation is stopped by %s", target.name, stopped.by)
            elif process.running() is None:
                try:
                    running = process.start("autostart")
                    started.append(target.name)
                    logger.info("%s is started: process %d", target.name, running.pid)
                except (ProcessError, OSError, ValueError) as error:
                    logger.warning("%s cannot be started: %s", target.name, error)
        return started

    def move(self, former: Iterable[Target], targets: Iterable[Target]) -> None:
        """Keep sight of processes whose pidfile is to lie elsewhere from now on, so that none is started twice."""
        before = {target.name: target for target in former if target.process is not None}
        for target in targets:
            known = before.get(target.name)
            if known is not None and target.process is not None:
                SupervisedProcess(known, self._directory).move(SupervisedProcess(target, self._directory))

    def life_of(self, target: Target) -> tuple[int, float] | None:
        """Return the number of the process of a target and when it was created, or None when none runs."""
        if target.process is None:
            return None
        running = SupervisedProcess(target, self._directory).running()
        if running is None:
            return None
        import psutil

        try:
            return running.pid, psutil.Process(running.pid).create_time()
        except psutil.NoSuchProcess:
            return None

"""The yard: start real child processes, stop, continue and kill them, and leave none behind."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from scrollintel.actions.supervised import ProcessError, SupervisedProcess
from scrollintel.recovery.target import Process, Target

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[1]
READY_WITHIN = 20.0
PORT = "{port}"
"""Stands in a service's arguments for the port it is to take."""


class StartError(RuntimeError):
    """A child did not come up; the text holds what it wrote to standard error."""


class Yard:
    """Owns a folder for the run and all child processes; `close` kills them and removes the folder."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="scrollintel-demo-"))
        self.nonce = secrets.token_hex(8)
        self.services: dict[str, Service] = {}
        self._closed = False
        self._guard: subprocess.Popen[bytes] | None = None
        # One thread for the whole run starts all children: Linux kills a child when the thread that made it ends.
        self._spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")

    def add_watched(self, name: str, module: str, *arguments: str) -> WatchedService:
        """Describe a program that the control plane watches and may start anew; it runs once it is started."""
        service = WatchedService(self, name, module, arguments)
        self.services[name] = service
        return service

    def hold(self) -> None:
        """See that nothing that is watched outlives the demo, whatever ends it."""
        self.on_spawner(self._start_guard)

    def _start_guard(self) -> None:
        if self._guard is None:
            self._guard = subprocess.Popen(
                [sys.executable, "-m", "demo.services.guard", str(self.folder)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    def add(self, name: str, module: str, *arguments: str) -> Service:
        """Describe a program; it runs once it is started."""
        service = self.services[name] = Service(self, name, module, arguments)
        return service

    def on_spawner(self, action: Callable[[], T]) -> T:
        """Run `action` on the spawning thread and return its result."""
        return self._spawner.submit(action).result()

    def refuse_if_closed(self) -> None:
        """Start nothing any more once the run is over."""
        if self._closed:
            raise StartError("the demo is ending")

    def close(self) -> None:
        """Kill every child, wait until each is gone, remove the folder; safe to call twice."""
        if not self._closed:
            self._closed = True
            self.on_spawner(self._kill_all)
            self._spawner.shutdown()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _kill_all(self) -> None:
        # Who starts others goes first.
        for service in sorted(self.services.values(), key=lambda service: isinstance(service, WatchedService)):
            service.kill()
        if self._guard is not None:
            assert self._guard.stdin is not None
            self._guard.stdin.close()
            self._guard.wait()

    def write(self, name: str, text: str) -> Path:
        """Replace a file of the folder in one step, so that no reader sees half of it."""
        path, draft = self.folder / name, self.folder / f"{name}.new"
        draft.write_text(text, encoding="ascii")
        draft.replace(path)
        return path


class Service:
    """One program of the demo: the process that runs it now, and the port that it keeps over restarts."""

    def __init__(self, yard: Yard, name: str, module: str, arguments: tuple[str, ...]) -> None:
        self.name = name
        self.port = 0
        self.starts = 0
        self._yard = yard
        self._module = module
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def nonce(self) -> str:
        """What an answer must carry to be this demo's."""
        return self._yard.nonce

    @property
    def pid(self) -> int | None:
        """Process id of the newest process, whether it still runs or not."""
        return None if self._process is None else self._process.pid

    def is_gone(self) -> bool:
        """Tell whether the newest process has ended."""
        return self._process is not None and self._process.poll() is not None

    def start(self) -> None:
        """Start the program and wait until it reports its port.

        Raises:
            StartError: when it ends or stays silent instead.
        """
        self._yard.on_spawner(self._spawn)

    def kill(self) -> None:
        """Kill the process (SIGKILL, which reaches a stopped one too) and wait until it is gone."""
        process = self._process
        if process is not None and process.poll() is None:
            self.send(signal.SIGKILL)
            process.wait()
        if process is not None:
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process; nothing happens when it is gone."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _spawn(self) -> None:
        self._yard.refuse_if_closed()
        self.kill()
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DEMO_NONCE": self._yard.nonce,
            "DEMO_PARENT": str(os.getpid()),
        }
        arguments = [str(self.port) if argument == PORT else argument for argument in self._arguments]
        with self._log.open("ab") as log:
            self._process = process = subprocess.Popen(
                [sys.executable, "-m", self._module, *arguments],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                process_group=0,  # Ctrl-C in the terminal is for the demo alone
            )
        self.port = int(self._ready(process)["port"])
        self.starts += 1
        self._yard.write(f"{self.name}.port", str(self.port))

    @property
    def _log(self) -> Path:
        return self._yard.folder / f"{self.name}.log"

    def _ready(self, process: subprocess.Popen[bytes]) -> dict[str, Any]:  # Any: JSON values of mixed types
        assert process.stdout is not None
        line, deadline = b"", time.monotonic() + READY_WITHIN
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            ready, _, _ = select.select([process.stdout], [], [], max(0.0, left))
            piece = os.read(process.stdout.fileno(), 4096) if ready else b""
            if not piece:
                self.kill()
                raise StartError(self._complaint("did not report" if not ready else "ended before it was ready"))
            line += piece
        facts: dict[str, Any] = json.loads(line)  # Any: JSON values of mixed types
        if facts.get("nonce") != self._yard.nonce or facts.get("pid") != process.pid:
            self.kill()
            raise StartError(self._complaint("answered as somebody else"))
        return facts

    def _complaint(self, what: str) -> str:
        log = self._log.read_text(encoding="utf-8", errors="replace")[-2000:].strip()
        return f"service {self.name!r} {what}" + (f":\n{log}" if log else "")


class WatchedService(Service):
    """A program in a session of its own, under a lock and a pidfile, so that the control plane can restart it."""

    def __init__(self, yard: Yard, name: str, module: str, arguments: tuple[str, ...]) -> None:
        super().__init__(yard, name, module, arguments)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        listed = [str(self.port) if argument == PORT else argument for argument in arguments]
        self.process = Process(
            command=(sys.executable, "-m", module, *listed),
            directory=str(ROOT),
            environment={
                "PYTHONPATH": str(ROOT),
                "DEMO_NONCE": yard.nonce,
                "DEMO_PARENT": str(os.getpid()),
                "DEMO_SUPERVISED": "1",
            },
            pidfile=str(yard.folder / f"{name}.pid"),
            log=str(self._log),
            stop_timeout=1.0,
            start_timeout=READY_WITHIN,
        )
        target = Target(name=name, service=name, process=self.process)
        self._supervised = SupervisedProcess(target, yard.folder)

    @property
    def pid(self) -> int | None:
        """Process id of the newest process, whether it still runs or not, and whoever has started it."""
        known = self._supervised.known()
        return None if known is None else known[0].pid

    def is_gone(self) -> bool:
        """Tell whether the newest process has ended."""
        return self._supervised.running() is None

    def kill(self) -> None:
        """Kill the process and wait until it is gone."""
        running = self._supervised.running()
        if running is not None:
            self._supervised.kill_now(running)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process; nothing happens when it is gone."""
        running = self._supervised.running()
        if running is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(running.pid, number)

    def _spawn(self) -> None:
        self._yard.refuse_if_closed()
        self.kill()
        try:
            self._supervised.start("demo")
        except (ProcessError, OSError) as error:
            raise StartError(self._complaint(str(error))) from error
        self._yard.write(f"{self.name}.port", str(self.port))
        deadline = time.monotonic() + READY_WITHIN
        while not self._answers():
            if self.is_gone() or time.monotonic() >= deadline:
                raise StartError(self._complaint("did not answer"))
            time.sleep(0.01)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1.0)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().headers.get("X-Nonce") == self._yard.nonce
        except OSError:
            return False
        finally:
            connection.close()

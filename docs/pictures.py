"""The picture of the command line: `python docs/pictures.py` takes it anew of a control plane that really runs.

It starts `scrollintel serve` in a folder of its own and three processes that join it. They call real sockets, one of
which nobody listens on, so that a circuit really opens; another one is held open by an order. What the commands print
on a terminal is then written to `docs/images/control-plane.svg`.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

IMAGE = Path(__file__).parent / "images" / "control-plane.svg"
WIDTH = 96
PATIENCE = 60.0
SERVICES = ("orders", "orders", "billing")
ORDER = ("circuits", "isolate", "recommendations", "--reason", "INC-4711")
SHOWN = (("status",), ("circuits", "list"), ("circuits", "show", "payments"))
SETTLED = 10.0
"""Seconds for which everything runs before the picture is taken, so that the rates say something."""
LINES = 11
"""Lines of the last command that are shown; its counters and history would fill a page."""

APPLICATION = """
import json, socket, sys, time
import scrollintel
from scrollintel import CircuitBreakerConfig, protect

url, service, cache, ports = sys.argv[1:]
connection = scrollintel.connect(url, service=service, cache_dir=cache)
dependencies = {
    name: (protect(name, breaker=CircuitBreakerConfig(name, failure_threshold=5)), port)
    for name, port in json.loads(ports).items()
}
while True:
    for guarded, port in dependencies.values():
        try:
            guarded.call(lambda: socket.create_connection(("127.0.0.1", port), timeout=1).close())
        except (OSError, scrollintel.RejectedError):
            pass
    time.sleep(0.02)
"""


@contextmanager
def _process(command: list[str], environment: dict[str, str]) -> Iterator[None]:
    running = subprocess.Popen(  # noqa: S603 - our own programs
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield
    finally:
        running.terminate()
        running.wait(PATIENCE)


def _command(arguments: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "scrollintel", *arguments]


def on_terminal(command: list[str], environment: dict[str, str]) -> str:
    """Return what a command prints on a terminal of `WIDTH` columns, colours included."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, WIDTH, 0, 0))
    running = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)  # noqa: S603
    os.close(theirs)
    output = b""
    while True:
        try:
            chunk = os.read(ours, 65_536)
        except OSError:  # Linux tells the end of a terminal in this way
            break
        if not chunk:
            break
        output += chunk
    os.close(ours)
    running.wait(PATIENCE)
    return output.decode().replace("\r\n", "\n")


def _wait_for(states: dict[str, str], environment: dict[str, str]) -> None:
    """Wait until every circuit is in its state on every replica."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        listed = subprocess.run(  # noqa: S603 - our own programs
            _command(("--json", "circuits", "list")), env=environment, capture_output=True, text=True, check=False
        )
        found = json.loads(listed.stdout)["items"] if listed.returncode == 0 else []
        if {item["name"]: item["state"] for item in found if item["replicas"] == len(SERVICES)} == states:
            return
        time.sleep(0.5)
    raise TimeoutError("the circuits did not come into the states that the picture shows")


def screens() -> list[tuple[str, str]]:
    """Return commands with what they print, of a control plane and applications that really run."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sip-", dir="/tmp")))
        listening = [stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=4096)) for _ in range(2)]
        closed, control = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
        ports = {
            "payments": closed.getsockname()[1],
            "recommendations": listening[0].getsockname()[1],
            "search": listening[1].getsockname()[1],
        }
        port = control.getsockname()[1]
        closed.close()
        control.close()
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "SCROLLINTEL_DATA_DIRECTORY": str(folder / "data"),
            "SCROLLINTEL_SERVER_PORT": str(port),
        }
        stack.enter_context(_process(_command(("serve",)), environment))
        for number, service in enumerate(SERVICES):
            cache = str(folder / f"cache-{number}")
            url = f"http://127.0.0.1:{port}"
            program = [sys.executable, "-c", APPLICATION, url, service, cache, json.dumps(ports)]
            stack.enter_context(_process(program, environment))
        states = {"payments": "open", "recommendations": "closed", "search": "closed"}
        _wait_for(states, environment)
        subprocess.run(_command(ORDER), env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        _wait_for({**states, "recommendations": "isolated"}, environment)
        time.sleep(SETTLED)
        return [(" ".join(shown), on_terminal(_command(shown), environment)) for shown in SHOWN]


def picture(shown: list[tuple[str, str]]) -> str:
    """Return commands and their output as an SVG picture that loads nothing from elsewhere."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for number, (command, output) in enumerate(shown):
        console.print(f"{'' if number == 0 else chr(10)}[bold green]$[/] scrollintel {command}", highlight=False)
        lines = output.rstrip().split("\n")
        cut = number == len(shown) - 1 and len(lines) > LINES
        text = "\n".join(lines[:LINES] if cut else lines)
        console.print(Text.from_ansi(text))
        if cut:
            console.print("[dim]…[/]")
    # The fonts that rich names lie on another server, and a picture that is shown by a page may load nothing.
    return re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="scrollintel"), flags=re.DOTALL)


def main() -> int:
    """Take the picture and write it."""
    IMAGE.write_text(picture(screens()), encoding="utf-8")
    sys.stdout.write(f"{IMAGE.relative_to(Path(__file__).parent)}: written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The tie between a service and the demo that started it: report readiness, never outlive the parent."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
import time

PR_SET_PDEATHSIG = 1


def hold_on_to_parent() -> None:
    """End this process when its parent ends, however that happens.

    Three ties, because no one of them holds everywhere: Linux kills the child even while it is stopped; a reader
    notices that the parent's end of standard input closed; and a terminal's Ctrl-C is left to the parent.

    What runs under supervision may be started by somebody else than the demo; it watches the demo's process instead.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = int(os.environ["DEMO_PARENT"])
    if "DEMO_SUPERVISED" in os.environ:
        threading.Thread(target=_watch, args=(parent,), name="lifeline", daemon=True).start()
        return
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    threading.Thread(target=_read_until_closed, name="lifeline", daemon=True).start()


def _watch(pid: int) -> None:
    while _exists(pid):
        time.sleep(0.2)
    os._exit(0)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _read_until_closed() -> None:
    while os.read(0, 1024):
        pass
    os._exit(0)


def report_ready(**facts: object) -> None:
    """Tell the parent that the service is up; the nonce proves that it is the one that was started."""
    line = json.dumps({"nonce": os.environ["DEMO_NONCE"], "pid": os.getpid(), **facts})
    os.write(1, line.encode() + b"\n")

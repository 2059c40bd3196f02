"""Break real services on this machine and watch scrollintel survive it. Run it by `make demo`."""

from __future__ import annotations

import sys


def _start() -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever starts it by hand may have an older one
        return _complain(f"this is Python {sys.version_info[0]}.{sys.version_info[1]}, and it needs 3.11 or newer")
    try:
        import rich  # noqa: F401

        import scrollintel  # noqa: F401
    except ModuleNotFoundError as error:
        return _complain(f"the module {error.name!r} is not installed in {sys.prefix}")
    from demo.run import main

    return main()


def _complain(reason: str) -> int:
    print(f"The demo cannot run: {reason}.", file=sys.stderr)
    print("Run `make demo`: it makes an environment of its own in .venv and starts the demo there.", file=sys.stderr)
    return 3


if __name__ == "__main__":
    sys.exit(_start())

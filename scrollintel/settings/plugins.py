"""Loads the modules that bring checks and strategies of their own."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from ..core.errors import ScrollIntelError
from .findings import Findings
from .layers import beside


def load_plugins(names: Iterable[str], file: Path | None, where: str, findings: Findings) -> None:
    """Import each module once in a process; one that cannot be is noted in `findings` with what it raised.

    Arguments:
        names: Names of modules, or paths of Python files, which begin at the folder of the settings file.
        file: The settings file, or None when there is none.
        where: The setting, as messages name it.
        findings: Takes the mistakes.
    """
    for name in names:
        try:
            if name.endswith(".py"):
                _import_file(Path(name if file is None else beside(file, name)).expanduser())
            else:
                importlib.import_module(name)
        except (Exception, SystemExit) as error:  # whatever a module does while it is imported
            why = f"a module or .py file that can be imported; this one raises {type(error).__name__}"
            if isinstance(error, ImportError | SyntaxError | FileNotFoundError | ScrollIntelError):
                why = f"{why}: {error}"  # these say where, and never a secret
            elif error.__traceback__ is not None:
                last = traceback.extract_tb(error.__traceback__)[-1]
                why = f"{why} in {Path(last.filename).name}, line {last.lineno}"
            findings.add(where, name, why)


def _import_file(path: Path) -> None:
    place = path.resolve()
    known = f"scrollintel_plugin_{place.stem}_{sha256(str(place).encode()).hexdigest()[:8]}"
    if known in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(known, place)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"no Python file: {place}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[known] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[known]
        raise

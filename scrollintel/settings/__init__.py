"""Settings of the control plane and its command line: `load()` checks them as a whole, `describe()` lists them all."""

from .advice import Advice, advise
from .declared import Declared, DeclaredPolicy, DeclaredService, ServiceDeclaration
from .description import SettingDescription, describe
from .explaining import Explanation, explain
from .loading import load
from .reloading import needs_restart, reload
from .settings import Settings

__all__ = [
    "Advice",
    "Declared",
    "DeclaredPolicy",
    "DeclaredService",
    "Explanation",
    "ServiceDeclaration",
    "SettingDescription",
    "Settings",
    "advise",
    "describe",
    "explain",
    "load",
    "needs_restart",
    "reload",
]

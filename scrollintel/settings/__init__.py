"""Settings of the control plane and its command line: `load()` checks them as a whole, `describe()` lists them all."""

from .declared import Declared, DeclaredPolicy, DeclaredService, ServiceDeclaration
from .description import SettingDescription, describe
from .loading import load
from .reloading import needs_restart, reload
from .settings import Settings

__all__ = [
    "Declared",
    "DeclaredPolicy",
    "DeclaredService",
    "ServiceDeclaration",
    "SettingDescription",
    "Settings",
    "describe",
    "load",
    "needs_restart",
    "reload",
]

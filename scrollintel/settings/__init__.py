"""Settings of the control plane and its command line: `load()` returns them, checked as a whole."""

from .declared import Declared, DeclaredPolicy, DeclaredService, ServiceDeclaration
from .loading import load
from .settings import Settings

__all__ = ["Declared", "DeclaredPolicy", "DeclaredService", "ServiceDeclaration", "Settings", "load"]

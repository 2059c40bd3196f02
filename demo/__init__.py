"""The demo: real services on this machine, broken for real and survived with the help of scrollintel."""

from __future__ import annotations

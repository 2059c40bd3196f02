"""The programs that the demo starts and breaks; ordinary services that know nothing of scrollintel."""

from __future__ import annotations

"""How a process that mounts the router gets its control plane: the same settings, and itself as the replica."""

from __future__ import annotations

import asyncio

from ..composition import from_settings
from ..core.manager import ft_manager
from ..service.local import LocalSession
from ..service.use_cases import UseCases
from ..settings import load


async def start_embedded() -> UseCases:
    """Make and start a control plane that serves this process alone.

    Raises:
        ConfigError: when the settings file or a variable is wrong; all mistakes are listed.
    """
    use_cases = from_settings(await asyncio.to_thread(load))
    await use_cases.start()
    LocalSession(use_cases, ft_manager).attach()
    return use_cases

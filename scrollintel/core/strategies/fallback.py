"""What a call answers when it has failed: kept results and the chain of fallbacks."""

from __future__ import annotations

import contextlib
import inspect
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from threading import RLock
from typing import TYPE_CHECKING, Any

from ..call import Call
from ..clock import Clock
from ..config.fallback import FallbackConfig, Value, may_shadow
from ..errors import UnprotectedError, kind_of, note_broken
from ..hub import EventHub
from ..locks import new_lock
from ..outcome import ErrorMatcher, Outcome

if TYPE_CHECKING:
    from .shadow import Shadows

STALE = "stale"
MISSING: Any = object()


def takes_outcome(fallback: Callable[..., Any]) -> bool:
    """Tell whether a fallback wants the `Outcome`: it has a positional parameter without a default."""
    code = getattr(fallback, "__code__", None)
    if code is not None and not hasattr(fallback, "__wrapped__"):
        bound = 1 if getattr(fallback, "__self__", None) is not None else 0
        return bool(code.co_argcount - len(getattr(fallback, "__defaults__", None) or ()) - bound > 0)
    try:
        parameters = inspect.signature(fallback).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty for p in parameters)


def describe(fallback: Callable[..., Any]) -> str:
    """Return the name under which uses of a fallback are counted."""
    if isinstance(fallback, Value):
        return "value"
    return getattr(fallback, "__name__", None) or type(fallback).__name__


class FallbackRule:
    """The rule of one policy's fallbacks. Counts each use by name; the kept results are bounded."""

    __slots__ = ("_applies", "_clock", "_hub", "_kept", "_lock", "_name", "chain", "config", "keeps", "shadows", "uses")

    def __init__(
        self,
        name: str,
        config: FallbackConfig | None,
        clock: Clock,
        hub: EventHub,
        *,
        before: FallbackRule | None = None,
    ) -> None:
        self.config = config
        self.uses: Counter[str] = Counter() if before is None else before.uses
        self.chain: Sequence[Callable[..., Any]] = () if config is None else tuple(config.chain)  # type: ignore[arg-type]  # normalised to a tuple on validation
        self.keeps = config is not None and config.stale_if_error is not None
        self._name = name
        self._clock = clock
        self._hub = hub
        self._lock: RLock = new_lock() if before is None else before._lock
        self._kept: OrderedDict[object, tuple[float, object]] = OrderedDict()
        if before is not None and _stale_key(before.config) is _stale_key(config):
            self._kept = before._kept
        self.shadows: Shadows | None = None
        if config is not None and config.shadow_rate > 0.0 and any(map(may_shadow, self.chain)):
            from .shadow import Shadows

            known = None if before is None else before.shadows
            chain = [(describe(fallback), fallback) for fallback in self.chain]
            self.shadows = Shadows(name, config, clock, hub, chain, before=known)
        self._applies = ErrorMatcher((Exception,) if config is None else config.on)

    def applies(self, outcome: Outcome) -> bool:
        """Tell whether this end of a call is answered by a fallback; a call that was not protected never is."""
        if isinstance(outcome.error, UnprotectedError):
            return False
        config = self.config
        if config is not None and config.when is not None:
            try:
                return bool(config.when(outcome))
            except Exception as broken:
                if outcome.error is None:
                    raise
                note_broken(outcome.error, "when", broken, "no fallback answers")
                return False
        if outcome.error is not None:
            return self._applies(outcome.error)
        return self.rejects(outcome.value)

    def rejects(self, value: object) -> bool:
        """Tell whether a returned value is to be replaced."""
        predicate = None if self.config is None else self.config.result_predicate
        return predicate is not None and bool(predicate(value))

    @property
    def looks_at_values(self) -> bool:
        """True when returned values may be replaced."""
        return self.config is not None and (self.config.result_predicate is not None or self.config.when is not None)

    def candidates(self, call: Call) -> Sequence[Callable[..., Any]]:
        """Return the chain for a call: the one it brought along, or the policy's."""
        brought = call.fallback
        if brought is None:
            return self.chain
        return brought if isinstance(brought, list | tuple) else (brought,)

    def keep(self, call: Call, value: object) -> None:
        """Remember a good result for `stale_if_error`; one whose key cannot be made is not kept."""
        try:
            key = self._key(call)
            hash(key)
        except Exception:  # the result is good, and the caller gets it whatever the hook does
            return
        with self._lock:
            self._kept[key] = (self._clock.monotonic(), value)
            self._kept.move_to_end(key)
            while self.config is not None and len(self._kept) > self.config.stale_entries:
                self._kept.popitem(last=False)

    def kept(self, call: Call) -> object:
        """Return the kept result that is young enough, or MISSING."""
        if not self.keeps or self.config is None or self.config.stale_if_error is None:
            return MISSING
        try:
            key = self._key(call)
            hash(key)
        except Exception:  # whatever the hook does, the chain is asked, and the error of the call surfaces
            return MISSING
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
        if found is None or self._clock.monotonic() - found[0] > self.config.stale_if_error:
            return MISSING
        return found[1]

    def used(self, index: int, kind: str, error: BaseException | None) -> None:
        """Count an answer by a fallback."""
        with self._lock:
            self.uses[kind] += 1
        if self.shadows is not None:
            self.shadows.ran(index, kind, worked=True)
        if self._hub.active:
            from ..events import FallbackUsed

            self._hub.emit(
                FallbackUsed(policy=self._name, at=self._clock.time(), index=index, kind=kind, error=kind_of(error))
            )

    def failed(self, index: int, kind: str, error: BaseException, first: BaseException | None) -> None:
        """Tell that a fallback itself raised, in an event and in a note on the `first` error."""
        if first is not None:
            with contextlib.suppress(Exception):  # an error that takes no notes surfaces all the same
                first.add_note(f"fallback {kind!r} raised {type(error).__name__}")
        if self.shadows is not None:
            self.shadows.ran(index, kind, worked=False)
        if self._hub.active:
            from ..events import FallbackFailed

            self._hub.emit(
                FallbackFailed(policy=self._name, at=self._clock.time(), index=index, kind=kind, error=kind_of(error))
            )

    def _key(self, call: Call) -> object:
        key = _stale_key(self.config)
        return None if key is None else key(*call.args, **call.kwargs)


def _stale_key(config: FallbackConfig | None) -> Callable[..., object] | None:
    return None if config is None else config.stale_key

"""A budget for retries and hedges: extra attempts stay a share of the ordinary traffic."""

from __future__ import annotations

from ..config.retry import BudgetConfig

# Amounts are whole millionths of a token, so ten deposits of 0.1 are exactly one token.
UNITS = 1_000_000


class BudgetMachine:
    """Rules of one token bucket that pays for extra attempts. Pure and not thread-safe; the owner locks.

    The bucket starts full, with `reserve` tokens, and always holds between 0 and `reserve`. It has three forms:

    * Ratio (default): every call deposits `ratio` tokens and every extra attempt takes `cost`. Over any stretch of
      time there are at most `(reserve + ratio * calls) / cost` extra attempts. This is the retry budget of the SRE
      book ("Handling Overload": 10 % per client), Finagle and Envoy.
    * `across_layers`: the ratio form, but only a call that succeeds deposits. So a full outage earns nothing, and costs
      `reserve / cost` extra attempts altogether.
    * `deposit_on_success`: a success deposits `ratio`, a failure takes `cost`, and an extra attempt takes nothing
      because the failure before it has paid. With a threshold of one half this is gRPC's retry throttling (gRFC A6).

    In all an extra attempt needs more than `threshold * reserve` tokens. Amounts are kept to a millionth of a token.
    """

    __slots__ = ("_cost", "_floor", "_per_call", "_per_success", "_price", "_reserve", "_units")

    def __init__(self, config: BudgetConfig) -> None:
        self._units = self._reserve = 0
        self.reconfigure(config)
        self._units = self._reserve

    def reconfigure(self, config: BudgetConfig) -> None:
        """Follow `config` from now on; tokens above the new reserve are lost, none are added."""
        ratio = round(config.ratio * UNITS)
        cost = max(1, round(config.cost * UNITS))
        self._reserve = max(1, round(config.reserve * UNITS))
        self._floor = round(config.reserve * config.threshold * UNITS)
        if config.deposit_on_success:
            self._per_call, self._per_success, self._cost, self._price = 0, ratio, cost, 0
        elif config.across_layers:
            self._per_call, self._per_success, self._cost, self._price = 0, ratio, 0, cost
        else:
            self._per_call, self._per_success, self._cost, self._price = ratio, 0, 0, cost
        self._units = min(self._units, self._reserve)

    @property
    def tokens(self) -> float:
        """Tokens in the bucket, between 0 and `reserve`."""
        return self._units / UNITS

    @property
    def affords(self) -> bool:
        """True when an extra attempt may start."""
        return self._units > self._floor and self._units >= self._price

    @property
    def is_full(self) -> bool:
        """True when a deposit would change nothing."""
        return self._units >= self._reserve

    def deposit_call(self) -> None:
        """Count a call (not its retries): in the ratio form it adds `ratio` tokens, otherwise nothing."""
        units = self._units + self._per_call
        self._units = units if units < self._reserve else self._reserve

    def record_success(self) -> None:
        """Count an attempt that succeeded: it adds `ratio` tokens, in the ratio form nothing."""
        units = self._units + self._per_success
        self._units = units if units < self._reserve else self._reserve

    def record_failure(self) -> None:
        """Count an attempt that failed: with `deposit_on_success` it takes `cost` tokens, as far as there are any."""
        units = self._units - self._cost
        self._units = units if units > 0 else 0

    def withdraw(self) -> bool:
        """Decide whether an extra attempt may start, and take its price; nothing is taken when it may not.

        There must be more than `threshold * reserve` tokens, and in the ratio form at least `cost`.
        """
        if not self.affords:
            return False
        self._units -= self._price
        return True

    def refund(self) -> None:
        """Undo one successful `withdraw` whose attempt did not start: what it took comes back, up to `reserve`."""
        units = self._units + self._price
        self._units = units if units < self._reserve else self._reserve

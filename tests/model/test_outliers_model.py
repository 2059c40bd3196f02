"""The rules of a pool of hosts against invariants and an account of what each host did."""

from __future__ import annotations

from fractions import Fraction
from math import sqrt

from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from scrollintel.core.config.outliers import OutlierConfig
from scrollintel.core.machines.outliers import Host, OutlierMachine
from scrollintel.core.outcome import Verdict

SUCCESS, FAILURE = Verdict.SUCCESS, Verdict.FAILURE
VERDICTS = st.sampled_from([SUCCESS, SUCCESS, FAILURE, FAILURE, Verdict.IGNORED, Verdict.ABANDONED])
UNIT = st.floats(0.0, 1.0, exclude_max=True, allow_nan=False)


class PoolModel(RuleBasedStateMachine):
    """Calls go to hosts, time passes, hosts come and go."""

    @initialize(
        hosts=st.integers(1, 12),
        failures=st.integers(1, 4),
        share=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
        panic=st.sampled_from([0.0, 0.5, 0.9]),
        calls=st.integers(1, 6),
    )
    def create(self, hosts: int, failures: int, share: float, panic: float, calls: int) -> None:
        """Begin with hosts of which nothing is known."""
        self.config = OutlierConfig(
            consecutive_failures=failures, max_ejection_share=share, panic_threshold=panic, minimum_hosts=3,
            minimum_calls=calls, interval=10.0, ejection_time=30.0, max_ejection_time=75.0, slow_start=20.0,
            success_rate_factor=1.0,
        )  # fmt: skip
        self.now = 0.0
        self.machine = OutlierMachine(self.config, [f"h{number}" for number in range(hosts)], self.now)
        self.running: list[Host] = []
        self.rows: dict[Host, int] = {}
        self.out_until: dict[Host, float] = {}

    def allowed(self) -> int:
        """Return how many hosts may be out at once."""
        return max(1, int(self.config.max_ejection_share * len(self.machine.hosts)))

    @rule(u=UNIT, v=UNIT, w=UNIT)
    def start(self, u: float, v: float, w: float) -> None:
        """A call starts: it goes to an admitted host, or in a panic to any."""
        self.forget_past_ejections()
        host = self.machine.pick(self.now, u, v, w)
        self.running.append(host)
        assert host in self.machine.hosts.values()
        if host.ejected_until is not None:
            admitted = len(self.machine.hosts) - len(self.out())
            assert admitted == 0 or Fraction(admitted, len(self.machine.hosts)) < Fraction(self.config.panic_threshold)
            event("panic")

    @precondition(lambda self: self.running)
    @rule(pick=st.integers(0, 1000), verdict=VERDICTS)
    def end(self, pick: int, verdict: Verdict) -> None:
        """A call ends; enough failures in a row eject its host, unless too many are out."""
        host = self.running.pop(pick % len(self.running))
        self.finish(host, verdict)

    @rule(number=st.integers(1, 12), bad=st.integers(0, 12))
    def traffic(self, number: int, bad: int) -> None:
        """Each host gets some calls, and the first few of them fail most."""
        for index, host in enumerate(list(self.machine.hosts.values())):
            for turn in range(number):
                host.in_flight += 1
                self.finish(host, FAILURE if index < bad and turn % 3 else SUCCESS)

    def finish(self, host: Host, verdict: Verdict) -> None:
        """Settle a call and check what came of it."""
        self.forget_past_ejections()
        self.machine.advance(self.now)
        self.take_changes(sweeping=True)
        before = host.ejected_until
        row = self.rows.get(host, 0)
        self.machine.settle(host, verdict, self.now)
        if verdict is SUCCESS:
            row = 0
        elif verdict is FAILURE:
            row += 1
        self.rows[host] = row
        known = self.machine.hosts.get(host.name) is host
        must = (
            verdict is FAILURE and known and row >= self.config.consecutive_failures and before is None
            and len(self.out()) < self.allowed()
        )  # fmt: skip
        changes = self.take_changes(sweeping=False)
        assert changes == ([host] if must else [])
        if must:
            event("ejected for failures in a row")

    @rule(seconds=st.sampled_from([0.0, 1.0, 9.0, 10.0, 30.0, 100.0]))
    def wait(self, seconds: float) -> None:
        """Time passes; success rates are compared by an account of their own."""
        self.now += seconds
        rates = {
            host: host.successes / host.calls
            for host in self.machine.hosts.values()
            if host.calls >= self.config.minimum_calls and host.ejected_until is None
        }
        self.forget_past_ejections()
        self.machine.advance(self.now)
        outliers: set[Host] = set()
        if len(rates) >= self.config.minimum_hosts:
            mean = sum(rates.values()) / len(rates)
            spread = sqrt(sum((rate - mean) ** 2 for rate in rates.values()) / len(rates))
            outliers = {host for host, rate in rates.items() if rate < mean - spread}
        ejected = self.take_changes(sweeping=True)
        assert set(ejected) <= outliers
        if ejected:
            event("ejected as an outlier")
        if outliers and not ejected and seconds >= 10.0:
            assert len(self.out()) >= self.allowed()

    @rule(hosts=st.lists(st.integers(0, 15), min_size=1, max_size=12, unique=True))
    def update(self, hosts: list[int]) -> None:
        """Hosts come and go; who stays keeps its record."""
        before = dict(self.machine.hosts)
        self.machine.update([f"h{number}" for number in hosts])
        for name, host in self.machine.hosts.items():
            assert name not in before or before[name] is host

    def forget_past_ejections(self) -> None:
        """Drop ejections that time has ended, and with them the rows of failures."""
        for host, end in list(self.out_until.items()):
            if end <= self.now:
                del self.out_until[host]
                self.rows[host] = 0

    def take_changes(self, *, sweeping: bool) -> list[Host]:
        """Take what the machine tells and return who was ejected."""
        changes, self.machine.changes = self.machine.changes, []
        ejected = []
        for change in changes:
            if change.seconds is None:
                assert change.host.returned_at == change.at
                continue
            assert change.seconds == min(75.0, 30.0 * change.host.ejections)
            assert change.reason
            self.out_until[change.host] = change.at + change.seconds
            self.rows[change.host] = 0
            ejected.append(change.host)
        assert sweeping or len(ejected) <= 1
        return ejected

    def out(self) -> list[Host]:
        """Return who is out by the account."""
        return [host for host in self.machine.hosts.values() if host in self.out_until]

    @invariant()
    def the_account_agrees(self) -> None:
        """Who is out, how many may be, and what runs are as the account has them; no call is lost."""
        self.forget_past_ejections()
        self.machine.advance(self.now)
        self.take_changes(sweeping=True)
        hosts = list(self.machine.hosts.values())
        assert [host for host in hosts if host.ejected_until is not None] == self.out()
        assert self.machine.admitted == [host for host in hosts if host not in self.out()]
        for host in {*hosts, *self.running}:
            assert host.in_flight == self.running.count(host) >= 0
            assert host.ejections >= 0
            assert 0.1 <= self.machine.weight(host, self.now) <= 1.0


PoolModel.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, derandomize=True, print_blob=True
)
TestPoolAgainstAccount = PoolModel.TestCase

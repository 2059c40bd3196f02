"""The text of the short way, from which `direct` compiles a function for each signature and shape of a policy."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import indent

FIRST = """
{async_}def {name}({parameters}):
    lane = holder.lane
{choice}
    era = circuit.calm_era
    if era < 0 or INTERVENTIONS.caution and (INTERVENTIONS.active or deadline() is not None):
        if lane.bare and not INTERVENTIONS.active{unbrought}:
            {refuser}.refuse_if_open()
        return {await_}{elsewhere}
{attempt}
    except BaseException as error:
        call = failed(lane, circuit, None, {fn}, {args}, {kwargs}, {fallback}, started, era, error{held})
        if call is None:
            raise
    else:
{settlement}
        return value
    # Outside the handler, so that the errors of several attempts do not hang on each other.
    return {await_}further(lane, call)
"""

FURTHER = """
{async_}def further(lane, call):
    circuit = call.circuit
    fn, args, kwargs = call.fn, call.args, call.kwargs
    while True:
        if call.ending is not None:
            return {await_}ending(lane, call)
        if call.delay > 0.0:
            {await_}pause(lane, call)
        era = -1 if lane.governed else circuit.readmit()
        if era < 0:
            return {await_}again(lane, call)
{attempt}
        except BaseException as error:
            call = failed(lane, circuit, call, fn, args, kwargs, call.fallback, started, era, error)
            if call is None:
                raise
        else:
{settlement}
            return value
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """How an attempt begins, from `try` on, and how a success ends; `{number}` is that of the attempt.

    `choice` finds the circuit, and `refuser` is the one that may refuse by itself.
    """

    attempt: str
    settlement: str
    choice: str = "circuit = lane.{shape}"
    refuser: str = "lane.fast"


# Interrupts strike behind calls: the time is read while a slot would still come back as after an error, and from there
# on nothing is called until it is given back.
# A name before the call: an attribute that is called at once is looked up as a method, which slots are not.
_RECORD = """\
if lane.measures:
    durations = circuit.durations
    durations.append(elapsed)
    if len(durations) >= BATCH:
        circuit.fold()
else:
    step = circuit.next_success
    step()"""
_TIMED = f"""\
ended = clock()
elapsed = ended - started
{{check}}
if circuit.calm_era == era and elapsed < lane.attention and ended < circuit.boundary:
{indent(_RECORD, "    ")}
else:
    finish(lane, circuit, era, elapsed, {{number}})"""
_BEGIN = "started = lane.clock() if lane.timed or lane.recovers else None"
_OPERATION = """\
    if lane.limit is None:
{deep_operation}
    else:
        expires = started + lane.limit
        cell = [expires, lane.parts.clock]
        token = set_deadline(cell)
        try:
{deeper_operation}
        finally:
            cell[0] = NEVER
            reset_deadline(token)"""
_END = """\
if lane.timed:
    ended = lane.clock()
    elapsed = ended - started"""
_COUNT = f"""\
{{check}}
if lane.timed:
    if circuit.calm_era == era and elapsed < lane.attention and ended < circuit.boundary:
{indent(_RECORD, "        ")}
    else:
        finish(lane, circuit, era, elapsed, {{number}})
elif circuit.calm_era == era and circuit.boundary is NEVER:
    step = circuit.next_success
    step()
else:
    finish(lane, circuit, era, None, {{number}})"""
_BY_KEY = """\
key = lane.key_of({passed})
circuit = lane.keyed.get(key) if type(key) is str else None
if circuit is None:
    lane.fast.calm_era  # tells of a first call
    return {await_}{elsewhere}
circuit.touched = lane.clock()"""
SHAPES = {
    "plain": Shape(
        """\
started = lane.clock() if lane.recovers else None
try:
{operation}""",
        """\
{check}
if circuit.calm_era == era and circuit.boundary is NEVER:
    step = circuit.next_success
    step()
else:
    finish(lane, circuit, era, None, {number})""",
    ),
    "clocked": Shape(
        """\
clock = lane.clock
started = clock()
try:
{operation}""",
        _TIMED,
    ),
    "limited": Shape(
        """\
clock = lane.clock
started = clock()
expires = started + lane.limit
cell = [expires, lane.parts.clock]
token = set_deadline(cell)
try:
    try:
{bounded_operation}
    finally:
        cell[0] = NEVER
        reset_deadline(token)""",
        _TIMED,
    ),
    "fast": Shape(
        f"""\
{_BEGIN}
key = scope = books = None
if lane.governed:
    slots, throttle, budget = lane.slots, lane.throttle, lane.budget
    if (
        (slots is not None and (len(slots.in_flight) >= slots.quick or started >= slots.look_at))
        or (throttle is not None and (not throttle.calm or started >= throttle.boundary))
        or (budget is not None and not budget.is_full)
        or (lane.purses is not None and retries() is not None)
    ):
        return {{await_}}{{elsewhere}}
try:
    if lane.governed:
        if lane.purses is not None:
            scope = RetryScope(lane.purses)
            books = set_retries(scope)
        if slots is not None:
            key = object()
            slots.in_flight[key] = started
{_OPERATION}
{indent(_END, "    ")}""",
        f"""\
if lane.governed:
    if slots is not None:
        slots.in_flight.pop(key, None)
        samples = slots.samples
        samples.append(elapsed)
        if ended >= slots.look_at or slots.line.waiting or len(samples) >= BATCH:
            lane.parts.limit.catch_up(slots, ended)
    if scope is not None:
        reset_retries(books)
        scope.ended = True
    if throttle is not None:
        step = throttle.step
        step()
{_COUNT}""",
    ),
    "keyed": Shape(f"{_BEGIN}\ntry:\n{_OPERATION}", f"{_END}\n{_COUNT}", _BY_KEY, "circuit"),
    "retried": Shape(f"{_BEGIN}\ntry:\n{_OPERATION}", f"{_END}\n{_COUNT}"),
}
"""By the name of the attribute under which a lane of that shape shows its circuit; `fast` fits every lane.

`keyed` shows the circuits by key, and `retried` is for further attempts, which no policy with a limit, a throttle or a
budget makes here.
"""

BLOCKING = {
    "async_": "",
    "await_": "",
    "operation": "value = {fn}({passed})",
    "bounded": "value = {fn}({passed})",
    "check": "if type(value) is CoroutineType:\n    refuse_lazy({fn}, value)",
}
ASYNCHRONOUS = {
    "async_": "async ",
    "await_": "await ",
    "operation": "value = await {fn}({passed})",
    "bounded": "value = await bounded({fn}({passed}), expires, lane.parts.clock, lane.name, started)",
    "check": "",
}
EITHER = {
    **ASYNCHRONOUS,
    "operation": """\
value = {fn}({passed})
if type(value) is CoroutineType or hasattr(value, "__await__"):
    value = await value
elif type(value) in LAZY:
    refuse_generator({fn}, value)""",
    "bounded": """\
value = {fn}({passed})
if type(value) is CoroutineType or hasattr(value, "__await__"):
    value = await bounded(value, expires, lane.parts.clock, lane.name, started)
elif type(value) in LAZY:
    refuse_generator({fn}, value)""",
}
ANY = {**BLOCKING, "check": "if type(value) in LAZY:\n    refuse_lazy({fn}, value)"}

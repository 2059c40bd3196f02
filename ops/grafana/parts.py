"""What the dashboards have in common: variables, marks in the charts, and the forms of panels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ops.expressions import BY_CIRCUIT, equal, failure_ratio, quantile, series, total
from scrollintel.telemetry import families as f
from scrollintel.telemetry.exposition import Definition

from .dashboard import Annotation, Variable
from .looks import NONE, PERCENTILES, SHARE_FAILED, STATE_NUMBERS, STATE_WORDS, STATES, Step
from .looks import Mapping as Words
from .panel import Json, Link, Panel, Query

JOB = 'job="$job",instance=~"$instance"'
"""What every query is confined to: one job, because the control plane tells of processes that are scraped as well."""
SERVICE = JOB + ',service=~"$service"'
CIRCUIT = SERVICE + ',circuit="$circuit"'
POLICY = SERVICE + ',policy="$circuit"'
WINDOW = "$__rate_interval"
CIRCUIT_PAGE = (
    "/d/scrollintel-circuit/?var-datasource=${datasource}&var-job=${job}&var-product=${product:percentencode}"
)
TO_CIRCUIT = (
    Link("One circuit", CIRCUIT_PAGE + "&var-circuit=${__field.labels.circuit:percentencode}"),
    Link("In ScrollIntel", "${product}/#/circuits/${__field.labels.circuit:percentencode}"),
)
TO_SERVICE = (Link("In ScrollIntel", "${product}/#/services/${__field.labels.service:percentencode}"),)
FROM_TABLE = (
    Link("One circuit", CIRCUIT_PAGE + "&var-circuit=${__data.fields.circuit:percentencode}"),
    Link("In ScrollIntel", "${product}/#/circuits/${__data.fields.circuit:percentencode}"),
)

JOBS = Variable("job", "Job", f"label_values({f.BUILD_INFO.name}, job)", several=False)
INSTANCES = Variable("instance", "Replica", f'label_values({f.BUILD_INFO.name}{{job="$job"}}, instance)')
SERVICES = Variable("service", "Service", f"label_values({series(f.DEGRADATION_LEVEL, JOB)}, service)")
CIRCUITS = Variable("circuit", "Circuit", f"label_values({series(f.CIRCUIT_STATE, SERVICE)}, circuit)", several=False)


def stat(
    title: str,
    description: str,
    expression: str,
    *,
    unit: str = "short",
    thresholds: Sequence[Step] = NONE,
    mappings: Sequence[Words] = (),
    width: int = 4,
    links: Sequence[Link] = (),
) -> Panel:
    """Return a panel with one large number."""
    return Panel(
        kind="stat", title=title, description=description, queries=(Query(expression, title, instant=True),), unit=unit,
        thresholds=thresholds, mappings=mappings, width=width, height=4, least=None, links=links,
    )  # fmt: skip


def chart(
    title: str,
    description: str,
    *queries: Query,
    unit: str = "short",
    thresholds: Sequence[Step] = NONE,
    colours: Mapping[str, str] | None = None,
    stacked: bool = False,
    width: int = 8,
    most: float | None = None,
    links: Sequence[Link] = (),
) -> Panel:
    """Return a panel with lines over time."""
    return Panel(
        kind="timeseries", title=title, description=description, queries=queries, unit=unit, thresholds=thresholds,
        colours=colours or {}, stacked=stacked, width=width, most=most, links=links,
    )  # fmt: skip


def table(
    title: str,
    description: str,
    expression: str,
    *,
    hidden: Sequence[str] = (),
    value: str = "Value",
    unit: str = "short",
    thresholds: Sequence[Step] = NONE,
    mappings: Sequence[Words] = (),
    links: Sequence[Link] = (),
    width: int = 12,
    height: int = 8,
) -> Panel:
    """Return a panel with one line for each series: its labels, and its value under the name `value`."""
    organised: Json = {
        "id": "organize",
        "options": {
            "excludeByName": dict.fromkeys(("Time", "__name__", "job", "instance", *hidden), True),
            "renameByName": {"Value": value},
        },
    }
    return Panel(
        kind="table", title=title, description=description, queries=(Query(expression, instant=True, table=True),),
        unit=unit, thresholds=thresholds, mappings=mappings, links=links, width=width, height=height, least=None,
        transformations=(organised,),
    )  # fmt: skip


def timeline(scope: str, *, width: int = 24, height: int = 6) -> Panel:
    """Return the states of circuits over time."""
    by = (*BY_CIRCUIT, "instance")
    number = " + ".join(
        f"{number} * {total(series(f.CIRCUIT_STATE, scope, equal('state', state)), *by, of='max')}"
        for state, number in STATE_NUMBERS.items()
        if number
    )
    return Panel(
        kind="state-timeline", title="States over time", description="The worst state of all keys and replicas.",
        queries=(Query(number, "{{circuit}} {{service}}"),), mappings=STATE_WORDS, width=width, height=height,
        least=None, links=TO_CIRCUIT,
    )  # fmt: skip


def percentiles(
    title: str, description: str, definition: Definition, *matchers: str, width: int = 8, over: str = WINDOW
) -> Panel:
    """Return p50, p95 and p99 of a histogram."""
    queries = [
        Query(quantile(share, definition, *matchers, over=over), name)
        for share, name in zip((0.5, 0.95, 0.99), PERCENTILES, strict=True)
    ]
    return chart(title, description, *queries, unit="s", colours=PERCENTILES, width=width)


def failing(*matchers: str, by: tuple[str, ...] = (), width: int = 8, worst: int | None = None) -> Panel:
    """Return the share of failures over time, of the worst ones only when `worst` says of how many."""
    ratio = failure_ratio(*matchers, over=WINDOW, by=by)
    legend = "{{circuit}} {{service}}" if "circuit" in by else "share of failures"
    return chart(
        "Failures over time" if worst is None else f"Failures over time, the {worst} worst circuits",
        "Of the attempts that were made: refused ones are no failures of what is called.",
        Query(ratio if worst is None else f"topk({worst}, {ratio})", legend),
        unit="percentunit", thresholds=SHARE_FAILED, most=1, width=width, links=TO_CIRCUIT if by else (),
    )  # fmt: skip


def split(
    definition: Definition, scope: str, *, over: str = "", by: tuple[str, ...] = (), legend: str = ""
) -> tuple[Query, ...]:
    """Return one query that tells a family by the label that all of its rows are split by."""
    assert definition.split is not None, definition.name
    label = definition.split[0]
    inner = series(definition, scope, over=over)
    inner = f"rate({inner})" if over else inner
    return (Query(f"sum by ({', '.join((*by, label))}) ({inner})", legend + f"{{{{{label}}}}}"),)


def state_marks(scope: str) -> tuple[Annotation, ...]:
    """Return marks at the moments at which circuits entered a state."""
    entered = series(f.CIRCUIT_SINCE, scope)
    on = "on (job, instance, service, circuit)"
    return tuple(
        Annotation(
            name=f"Circuit {state.replace('_', ' ')}",
            expression=f"({series(f.CIRCUIT_STATE, scope, equal('state', state))} == 1)"
            f" * {on} group_left () {entered} * 1000",
            colour=STATES[state],
            title="{{circuit}} {{state}}",
            tags="service,circuit,state",
        )
        for state in ("open", "isolated", "closed")
    )

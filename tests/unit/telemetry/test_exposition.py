"""The writer of metrics: what Prometheus' own parsers read is what was written, in both formats."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text

from scrollintel.telemetry.exposition import Definition, Family, Format, Kind, negotiate, render, spell

GAUGE = Definition(name="scrollintel_room", kind=Kind.GAUGE, help='Says "so"\\ and\nso.', labels=("name",))
COUNTER = Definition(
    name="scrollintel_work_seconds_total", kind=Kind.COUNTER, help="Work.", labels=("name",), split=("end", ("a", "b"))
)
HISTOGRAM = Definition(name="scrollintel_wait_seconds", kind=Kind.HISTOGRAM, help="Waits.", bounds=(0.5, 1.0))
INFO = Definition(name="scrollintel_build_info", kind=Kind.INFO, help="Build.", labels=("version",))

names = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\r\x00\x85\x1c\x1d\x1e\x0b\x0c\u2028\u2029")
)


def family(definition: Definition, *rows: tuple[tuple[str, ...], tuple[float, ...]]) -> Family:
    """Return a family with rows."""
    made = Family(definition)
    for labels, numbers in rows:
        made.add(labels, *numbers)
    return made


@given(names)
def test_render_any_value_of_a_label_is_read_back(name: str) -> None:
    """Quotes, backslashes, line ends and what the templates are made of come back as they were."""
    families = [family(GAUGE, ((name,), (1,))), family(COUNTER, ((name,), (1, 2)))]
    for parse, form in ((text, Format.TEXT), (openmetrics, Format.OPENMETRICS)):
        first, second = parse(render(families, form).decode())
        assert [sample.labels for sample in first.samples] == [{"name": name}]
        assert [(sample.labels, sample.value) for sample in second.samples] == [
            ({"name": name, "end": "a"}, 1), ({"name": name, "end": "b"}, 2),
        ]  # fmt: skip


def test_render_label_with_a_place_of_the_template_is_not_filled() -> None:
    """A name that holds a percent sign or NUL is a name."""
    line = render([family(COUNTER, (("%s\x00%d",), (1, 2)))]).decode().splitlines()[2]
    assert line == 'scrollintel_work_seconds_total{name="%s\x00%d",end="a"} 1'


def test_render_a_text_that_cannot_be_encoded_does_no_harm() -> None:
    """Half a character, as it comes out of broken file names, becomes a question mark."""
    assert b'name="?"' in render([family(GAUGE, (("\udc80",), (1,)))])


def test_render_text_and_openmetrics_name_the_same_family_their_way() -> None:
    """The suffix belongs to the sample in OpenMetrics and to the family in text; units are OpenMetrics' own."""
    families = [
        family(GAUGE, (("x",), (1,))), family(COUNTER, (("x",), (1, 2))), family(INFO, (("1.0",), (1,))),
    ]  # fmt: skip
    assert render(families).decode() == (
        '# HELP scrollintel_room Says "so"\\\\ and\\nso.\n# TYPE scrollintel_room gauge\nscrollintel_room{name="x"} 1\n'
        "# HELP scrollintel_work_seconds_total Work.\n# TYPE scrollintel_work_seconds_total counter\n"
        'scrollintel_work_seconds_total{name="x",end="a"} 1\nscrollintel_work_seconds_total{name="x",end="b"} 2\n'
        "# HELP scrollintel_build_info Build.\n# TYPE scrollintel_build_info gauge\n"
        'scrollintel_build_info{version="1.0"} 1\n'
    )
    modern = render(families, Format.OPENMETRICS).decode()
    assert '# HELP scrollintel_room Says \\"so\\"\\\\ and\\nso.\n' in modern
    assert "# TYPE scrollintel_work_seconds counter\n# UNIT scrollintel_work_seconds seconds\n" in modern
    assert "# TYPE scrollintel_build info\n" in modern
    assert modern.endswith("# EOF\n")
    assert [(found.type, found.unit) for found in openmetrics(modern)] == [
        ("gauge", ""), ("counter", "seconds"), ("info", ""),
    ]  # fmt: skip


def test_render_family_without_rows_is_left_out() -> None:
    """Nothing is said of what there is nothing of; an empty OpenMetrics document still ends as one."""
    assert render([Family(GAUGE)]) == b""
    assert render([Family(GAUGE)], Format.OPENMETRICS) == b"# EOF\n"


@given(st.lists(st.integers(0, 10**12), min_size=3, max_size=3), st.floats(0, 1e12))
def test_render_histogram_buckets_rise_and_the_last_one_is_the_count(counts: list[int], total: float) -> None:
    """What each bucket holds is written as what it and all before it hold."""
    made = family(HISTOGRAM, ((), (*counts, total)))
    for parse, form in ((text, Format.TEXT), (openmetrics, Format.OPENMETRICS)):
        (found,) = parse(render([made], form).decode())
        values = {(sample.name.removeprefix(HISTOGRAM.name), *sample.labels.values()): sample.value
                  for sample in found.samples}  # fmt: skip
        buckets = [values["_bucket", bound] for bound in ("0.5", "1.0", "+Inf")]
        assert buckets == [counts[0], counts[0] + counts[1], sum(counts)]
        assert values["_count",] == buckets[-1]
        assert values["_sum",] == total


@pytest.mark.parametrize(
    ("number", "written"),
    [(1, "1"), (True, "1"), (False, "0"), (0.1, "0.1"), (2.0, "2.0"), (1e300, "1e+300"), (math.inf, "+Inf"),
     (-math.inf, "-Inf"), (math.nan, "NaN")],
)  # fmt: skip
def test_spell_numbers_are_written_as_both_formats_read_them(number: float, written: str) -> None:
    """Also the ones that Python writes in another way."""
    assert spell(number) == written


@pytest.mark.parametrize(
    ("name", "kind"),
    [("scrollintel_calls", Kind.COUNTER), ("scrollintel_calls_total", Kind.GAUGE), ("scrollintel_x_count", Kind.GAUGE),
     ("scrollintel_x_bucket", Kind.HISTOGRAM), ("scrollintel_build", Kind.INFO), ("calls_total", Kind.COUNTER),
     ("scrollintel_Calls_total", Kind.COUNTER), ("scrollintel__calls_total", Kind.COUNTER)],
)  # fmt: skip
def test_definition_with_a_name_against_the_rules_is_refused(name: str, kind: Kind) -> None:
    """The mistake shows where it is made and not on a dashboard."""
    with pytest.raises(ValueError, match="is no name"):
        Definition(name=name, kind=kind, help="x")


PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, Format.TEXT), ("", Format.TEXT), ("*/*", Format.TEXT), ("text/html", Format.TEXT),
        (PROMETHEUS_2, Format.OPENMETRICS), (PROMETHEUS_3, Format.OPENMETRICS),
        ("application/openmetrics-text", Format.OPENMETRICS),
        ("APPLICATION/OpenMetrics-Text; Version=\"1.0.0\"", Format.OPENMETRICS),
        ("application/openmetrics-text; version=0.0.1", Format.TEXT),
        ("application/openmetrics-text; version=2.0.0, text/plain;q=0.1", Format.TEXT),
        ("application/openmetrics-text;q=0.5, text/plain;q=0.6", Format.TEXT),
        ("application/openmetrics-text;q=0.6, text/plain;q=0.5", Format.OPENMETRICS),
        ("application/openmetrics-text, text/plain", Format.TEXT),
        ("application/*, text/plain;q=0.9", Format.OPENMETRICS),
        ("application/openmetrics-text;q=0, */*", Format.TEXT),
        ("text/plain;q=0, */*;q=0.1", Format.OPENMETRICS),
        ("text/plain;version=0.0.4;q=0.2, text/*;q=0.9, application/openmetrics-text;q=0.5", Format.OPENMETRICS),
        ("application/openmetrics-text;q=much", Format.TEXT), ("application/openmetrics-text;q=nan", Format.TEXT),
        ("application/openmetrics-text;q=7", Format.TEXT), (";;,,=;q", Format.TEXT),
    ],
)  # fmt: skip
def test_negotiate_gives_what_the_header_prefers_and_text_in_doubt(accept: str | None, form: Format) -> None:
    """By quality, then by how exactly a range names the format; unreadable parts ask for nothing."""
    assert negotiate(accept) is form

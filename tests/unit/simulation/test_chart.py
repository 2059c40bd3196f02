"""Charts show goodput over time: as text in a terminal, and as a picture that stands by itself."""

from __future__ import annotations

from xml.etree import ElementTree

from scrollintel.simulation.chart import Chart

LINES = {"good": [1.0, 1.0, 1.0, 1.0], "bad <&> ugly": [1.0, 0.0, 0.5, None]}
CHART = Chart("title", 5.0, (5.0, 15.0), LINES)


def test_text_has_a_row_of_blocks_for_each_policy_and_marks_the_trouble() -> None:
    """Full, nothing, half, and a gap where there is nothing to tell."""
    title, good, bad, trouble = CHART.to_text(60)
    assert title == "title, one column for 5 s"
    assert good == "good          ████"
    assert bad == "bad <&> ugly  █▁▄ "
    assert trouble == "               ^^ trouble, 5 to 15 s"


def test_text_fits_the_columns() -> None:
    """More figures than columns are put together, several to one."""
    rows = Chart("t", 1.0, (100.0, 200.0), {"n" * 50: [0.5] * 1000}).to_text(60)
    assert rows[0] == "t, one column for 39 s"
    assert len(rows[1]) <= 60
    assert rows[1].count("▄") == 26


def test_picture_is_well_formed_and_has_a_line_for_each_policy() -> None:
    """Names are escaped; a gap breaks the line; the same input gives the same text."""
    text = CHART.to_svg()
    root = ElementTree.fromstring(text)
    assert [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")][-2:] == list(LINES)
    assert "<script" not in text and text == CHART.to_svg()


def test_empty_chart_is_no_error() -> None:
    """Nothing to tell is a frame without lines."""
    ElementTree.fromstring(Chart("t", 1.0, None, {}).to_svg())
    assert len(Chart("t", 1.0, None, {}).to_text()) == 2

from __future__ import annotations

import dataclasses
import re

import pytest

from reports import markdown
from tests.reports.logs import CHECKS, made_log

SECTIONS = [
    "The documented example",
    "Families",
    "What diverges",
    "What was skipped",
    "Who is nearer the truth",
    "Optimizers",
    "RNN configurations",
    "Versions and environment",
]


def _headings(page: str) -> list[str]:
    return re.findall(r"^## (.+)$", page, re.MULTILINE)


def test_a_log_with_every_verdict_gives_every_section() -> None:
    page = markdown.render(made_log())
    assert page.startswith("# Conformance of my_rnn.py with torch\n\nmy_rnn.py against torch 2.13.0+cpu: 6 cases")
    assert _headings(page) == SECTIONS
    assert page.endswith("|\n")
    assert "None" not in page


def test_the_worst_check_and_the_reasons_are_on_the_page() -> None:
    page = markdown.render(made_log())
    for text in (
        "| rnn       | 3       | 8        |",
        "1.23e+03            | core/rnn/tanh-1-layer/float64 grad.weight_hh_l0",
        "shape (2, 3), expected (3, 2)",
        "| linear   | not implemented: no function named linear",
        "0.79494228 | 0.794942279042",
    ):
        assert text in page


def test_every_row_of_a_table_has_as_many_cells_as_its_header() -> None:
    """A bar in a message must not open a column."""
    page = markdown.render(made_log())
    assert r"line 7) \| not a column" in page
    for table in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table


@pytest.mark.parametrize(
    ("verdict", "gone"),
    [
        ("agrees", {"What diverges", "What was skipped"}),  # the example's checks are there, its printed state is not
        ("skipped", {"The documented example", "What diverges", "Optimizers"}),
        ("errored", set(SECTIONS) - {"Families", "What diverges", "Optimizers", "Versions and environment"}),
    ],
)
def test_sections_without_rows_are_left_out(verdict: str, gone: set[str]) -> None:
    page = markdown.render(made_log([check for check in CHECKS if check.verdict == verdict]))
    assert _headings(page) == [section for section in SECTIONS if section not in gone]


def test_an_empty_run_is_a_page_that_says_so() -> None:
    page = markdown.render(made_log([]))
    assert "0 cases, 0 checks: nothing was compared." in page
    assert _headings(page) == ["Versions and environment"]


def test_the_replay_is_a_column_where_there_was_one() -> None:
    column = "differ when replayed"
    assert column not in markdown.render(made_log())
    checks = [dataclasses.replace(CHECKS[8], replay_differs=3), dataclasses.replace(CHECKS[9], replay_skipped="why")]
    page = markdown.render(made_log(checks))
    _, table = page.split("## Optimizers\n")
    header, _, adam, sgd = re.findall(r"^\|.*$", table, re.MULTILINE)[:4]
    cells = [[cell.strip() for cell in row.split(" |")][-2] for row in (header, adam)]
    assert [cell.removeprefix("| ") for cell in cells] == [column, "3 in 1 arrays"]
    assert sgd.rstrip(" |").endswith("skipped: why")
    assert "Replayed: the same formulas" in page


def test_remarks_stand_before_the_numbers() -> None:
    page = markdown.render(made_log(longdouble_bits=53))
    assert 0 < page.index("float64 has no arbiter") < page.index("## The documented example")

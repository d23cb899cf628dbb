from __future__ import annotations

import dataclasses

from reports import terminal
from tests.reports.logs import CHECKS, RNN, made_log


def test_headline_example_families_failures_and_skips_in_this_order() -> None:
    text = terminal.render(made_log())
    parts = [
        "my_rnn.py against torch 2.13.0+cpu: 6 cases, 11 checks: 4 agree, 3 diverge, 1 errored, 3 skipped",
        "The documented example: state after its three steps",
        "0       0.79494228  0.794942279042  0.794942279043",
        "rnn              3         8        3          3          0          2",
        f"diverges   {RNN}",
        "whole cases    single arrays",
        "not implemented: no function named linear",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_a_long_list_of_failures_is_cut_and_says_so() -> None:
    failing = [dataclasses.replace(CHECKS[3], array=f"array{n}") for n in range(terminal.MOST_FAILURES + 3)]
    text = terminal.render(made_log(failing))
    assert f"array{terminal.MOST_FAILURES - 1} " in text
    assert f"array{terminal.MOST_FAILURES} " not in text
    assert "... and 3 more, all in the report" in text
    exactly = terminal.render(made_log(failing[: terminal.MOST_FAILURES]))
    assert "more, all in the report" not in exactly


def test_what_fails_in_both_dtypes_is_one_row_and_one_line() -> None:
    case, array = CHECKS[3].case, CHECKS[3].array
    assert case.endswith("/float64")
    narrow = case.replace("float64", "float32")
    reason = "ValueError: no"
    diverging = [dataclasses.replace(CHECKS[3], case=name) for name in (case, narrow)]
    errored = [dataclasses.replace(CHECKS[3], case=name, verdict="errored", reason=reason) for name in (case, narrow)]
    lines = terminal.render(made_log([*diverging, *errored])).splitlines()
    assert [line.split()[:4] for line in lines if line.startswith("diverges ")] == [
        ["diverges", f"{case},", "float32", array]
    ]
    assert [line for line in lines if line.startswith("errored: ")] == [f"errored: {case}, float32: {reason}"]


def test_where_there_is_no_number_stands_the_reason() -> None:
    lines = terminal.render(made_log()).splitlines()
    [shape] = [line for line in lines if line.startswith("diverges") and "grad.input" in line]
    assert shape.endswith("shape (2, 3), expected (3, 2)")
    assert "first at, or why" in "\n".join(lines)


def test_when_all_agrees_there_are_no_further_tables() -> None:
    text = terminal.render(made_log([check for check in CHECKS if check.verdict == "agrees"]))
    assert "skipped in" not in text
    assert "verdict" not in text


def test_when_all_was_skipped_it_says_that_nothing_was_compared() -> None:
    text = terminal.render(made_log([check for check in CHECKS if check.verdict == "skipped"]))
    assert "nothing was compared" in text.splitlines()[0]
    assert "inadmissible: chaotic" in text


def test_remarks_follow_the_headline() -> None:
    lines = terminal.render(made_log(torch_is_pinned=False)).splitlines()
    assert lines[2].startswith("torch 2.13.0+cpu computed the expectation")

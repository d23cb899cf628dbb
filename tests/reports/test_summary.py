from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from conformance.compare import Check
from conformance.log import Log
from reports import summary
from tests.reports.logs import ADAM, CHECKS, DOCUMENTED, LINEAR, RELU, RNN, SGD, made_log


def _only(*verdicts: str) -> list[Check]:
    return [check for check in CHECKS if check.verdict in verdicts]


def test_the_headline_counts_every_verdict() -> None:
    assert summary.headline(made_log()) == (
        "my_rnn.py against torch 2.13.0+cpu: 6 cases, 11 checks: 4 agree, 3 diverge, 1 errored, 3 skipped"
    )


def test_the_headline_leaves_out_what_did_not_happen() -> None:
    assert summary.headline(made_log(_only("agrees"))).endswith(": 4 cases, 4 checks: 4 agree")


@pytest.mark.parametrize(
    ("checks", "end"),
    [
        (_only("skipped"), ": 3 cases, 3 checks: nothing was compared"),
        ([], ": 0 cases, 0 checks: nothing was compared"),
        (_only("skipped", "errored"), ": 4 cases, 4 checks: 1 errored, 3 skipped"),
    ],
)
def test_it_says_when_nothing_was_compared(checks: list[Check], end: str) -> None:
    assert summary.headline(made_log(checks)).endswith(end)


def test_the_reference_is_called_by_its_name() -> None:
    assert summary.subject_of(made_log(implementation={"name": "numpy", "precision": None})) == "NumPy reference"


def test_a_run_like_any_other_needs_no_remark() -> None:
    assert summary.remarks(made_log()) == []


@pytest.mark.parametrize(
    ("header", "remark"),
    [
        ({"torch_is_pinned": False}, "torch 2.13.0+cpu computed the expectation; the suite is pinned to 2.13.0."),
        (
            {"implementation": {"name": "my_rnn.py", "precision": "float32"}},
            "The implementation declares float32: tolerances are that precision's.",
        ),
        ({"longdouble_bits": 53}, "longdouble is no wider than float64 here: float64 has no arbiter."),
    ],
)
def test_what_is_unusual_is_said(header: dict[str, Any], remark: str) -> None:
    assert summary.remarks(made_log(**header)) == [remark]


def test_a_row_per_family_with_its_counts_and_its_worst_check() -> None:
    # family, cases, checks, agree, diverge, errored, skipped, ratio, worst check, place
    assert summary.families(made_log()) == [
        ["rnn", 3, 8, 3, 3, 0, 2, "1.23e+03", f"{RNN} grad.weight_hh_l0", "layer 0, forward, unit 1, from unit 0"],
        ["optimizer", 2, 2, 1, 0, 1, 0, "0.375", f"{ADAM} step1.param.weight", "at 0.375"],
    ]  # and none for linear, of which the implementation has no function


def test_the_worst_check_is_named_on_a_pass_too_and_is_never_a_skipped_or_a_printed_one() -> None:
    passed = [check for check in CHECKS if check.verdict == "agrees" or "printed" in (check.array or "")]
    skipped = [check for check in CHECKS if check.verdict == "skipped"]
    row = summary.families(made_log([*passed, *skipped]))[0]
    assert row[-3:] == ["0.5", f"{RNN} output", "at 0.5"]


def test_a_bound_is_the_worst_only_where_no_tolerance_was_simulated() -> None:
    simulated = next(check for check in CHECKS if check.array == "output")
    bound = dataclasses.replace(simulated, case=ADAM, family=simulated.family, unit="floor", ratio=0.75)
    for checks in ([simulated, bound], [bound, simulated]):
        assert summary.families(made_log(checks))[0][-3:-1] == ["0.5", f"{RNN} output"]
    assert summary.families(made_log([bound]))[0][-3:-1] == ["< 0.75", f"{ADAM} output"]
    equal = dataclasses.replace(bound, ratio=0.0)
    assert summary.families(made_log([equal]))[0][-3] == "0"


def test_infinity_is_worse_than_any_number() -> None:
    infinite = dataclasses.replace(CHECKS[2], verdict="diverges", ratio=math.inf)
    assert summary.families(made_log([*CHECKS, infinite]))[0][-3] == "inf"


def test_a_row_per_algorithm() -> None:
    rows = summary.optimizers(made_log())
    assert [row[:7] for row in rows] == [["Adam", 1, 1, 1, 0, 0, 0], ["SGD", 1, 1, 0, 0, 1, 0]]


CPU = "arithmetic of this CPU: torch rounds otherwise in lerp"


def _replayed(differs: dict[int, int], skipped: dict[int, str] | None = None) -> list[Check]:
    """Checks of Adam and SGD, by their place."""
    of_both = [CHECKS[8], CHECKS[8], dataclasses.replace(CHECKS[9], array="step1.param.weight")]
    return [
        dataclasses.replace(check, replay_differs=differs.get(k), replay_skipped=(skipped or {}).get(k))
        for k, check in enumerate(of_both)
    ]


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        (_replayed({}), {}),
        (_replayed({0: 0, 1: 0, 2: 0}), {"Adam": "0 in 2 arrays", "SGD": "0 in 1 arrays"}),
        (_replayed({0: 3, 1: 4, 2: 0}), {"Adam": "7 in 2 arrays", "SGD": "0 in 1 arrays"}),
        (_replayed({2: 0}, {0: CPU, 1: CPU}), {"Adam": f"skipped: {CPU}", "SGD": "0 in 1 arrays"}),
        # nothing skipped passes for compared
        (_replayed({0: 0}, {1: CPU}), {"Adam": f"skipped: {CPU}"}),
    ],
)
def test_what_differs_when_replayed_is_counted_per_algorithm(checks: list[Check], expected: dict[str, str]) -> None:
    assert summary.replays(made_log(checks)) == expected


def test_what_still_differs_when_replayed_is_said_first() -> None:
    assert summary.remarks(made_log(_replayed({0: 0, 1: 0}))) == []
    assert summary.remarks(made_log(_replayed({0: 3, 1: 0, 2: 4}))) == [
        "Replayed with torch's rounding, 7 elements of 2 arrays still differ."
    ]


def test_a_row_per_combination_of_the_rnns_options() -> None:
    rows = summary.rnn_configurations(made_log())
    # nonlinearity, num_layers, bidirectional, bias, batch_first, cases, checks, agree, diverge, errored, skipped
    assert [row[:11] for row in rows] == [
        ["relu", 2, False, True, False, 1, 3, 1, 1, 0, 1],
        ["tanh", 1, False, True, False, 1, 3, 1, 1, 0, 1],
        ["tanh", 1, False, True, True, 1, 2, 1, 1, 0, 0],
    ]


def test_who_is_nearer_is_counted_per_dtype() -> None:
    # dtype, checks, implementation, torch, equal, median distance of each
    assert summary.nearer(made_log()) == [
        ["float64", 4, "75 %", "25 %", "0 %", "1", "2"],
        ["float32", 2, "0 %", "50 %", "50 %", "3", "1.5"],
    ]


def test_without_an_arbiter_nobody_is_nearer() -> None:
    checks = [dataclasses.replace(check, actual_arbiter=None, expected_arbiter=None) for check in CHECKS]
    assert summary.nearer(made_log(checks)) == []


def test_failures_are_what_diverges_and_what_errored_in_order() -> None:
    rows = summary.failures(made_log())
    assert [row[:4] for row in rows] == [
        ["diverges", DOCUMENTED, "h_n (printed)", "1.2"],
        ["diverges", RNN, "grad.weight_hh_l0", "1.23e+03"],
        ["diverges", RELU, "grad.input", ""],
        ["errored", SGD, "", ""],
    ]
    assert [row[5] for row in rows][2:] == [CHECKS[7].reason, CHECKS[9].reason]
    assert summary.failures(made_log(_only("agrees", "skipped"))) == []


def test_skipped_checks_are_counted_by_family_and_reason_cases_and_arrays_apart() -> None:
    another = dataclasses.replace(CHECKS[4], array="grad.input")
    assert summary.skipped(made_log([*CHECKS, another])) == [
        ["rnn", "not given by the implementation", 0, 2],
        ["rnn", "inadmissible: chaotic", 0, 1],
        ["linear", "not implemented: no function named linear", 1, 0],
    ]


def test_families_that_there_is_no_function_for_are_one_row() -> None:
    absent = CHECKS[-1]
    cases = [absent, dataclasses.replace(absent, dtype="float32"), *CHECKS[:2]]
    others = [
        dataclasses.replace(absent, family=name, reason=f"not implemented: no function named {name}") for name in "ab"
    ]
    assert summary.skipped(made_log([*cases, *others])) == [
        ["3 families", "no function named linear, a, b", 4, 0],
    ]
    assert [row[0] for row in summary.families(made_log([*cases, *others]))] == ["rnn"]
    several = [
        dataclasses.replace(absent, family=name, reason=f"not implemented: no function named {name}")
        for name in "abcdef"
    ]
    assert summary.skipped(made_log(several)) == [["6 families", "no function named a, b, c, d and 2 more", 6, 0]]


def test_the_documented_state_stands_beside_the_printed_figures() -> None:
    assert summary.documented_state(made_log()) == [
        [0, "0.79494228", "0.794942279042", "0.794942279043"],
        [1, "0.81839002", "0.818390023938", "0.818390023939"],
    ]


def _without(array: str) -> Log:
    return made_log([check for check in CHECKS if (check.case, check.array) != (DOCUMENTED, array)])


@pytest.mark.parametrize("array", ["h_n", "h_n (printed)"])
def test_without_one_of_them_there_is_no_such_table(array: str) -> None:
    assert summary.documented_state(_without(array)) == []


def test_every_check_of_the_documented_example_is_listed() -> None:
    assert summary.documented_checks(made_log()) == [
        ["rnn/three-step/float64", "h_n", "agrees", "1.3e-16", "0.125", "at 0.125"],
        ["rnn/three-step/float64", "h_n (printed)", "diverges", "6e-09", "1.2", "unit 1"],
    ]


def test_the_environment_says_what_computed_the_numbers() -> None:
    rows = {row[0]: row[1] for row in summary.environment(made_log())}
    assert rows["torch"] == "2.13.0+cpu"
    assert rows["BLAS"] == "openblas 0.3 Haswell 1"
    assert rows["processor features"] == "AVX2 FMA3"
    assert rows["command"] == "conformance run my_rnn.py"
    assert rows["seconds"] == "12.3, of which in torch 2.5"
    assert LINEAR not in rows


@pytest.mark.parametrize(
    ("ratio", "text"), [(None, ""), (0.0, "0"), (0.12345, "0.123"), (math.inf, "inf"), (1e7, "1e+07")]
)
def test_ratios_have_three_digits(ratio: float | None, text: str) -> None:
    assert summary.ratio_text(ratio) == text

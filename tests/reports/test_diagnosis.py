"""What the reports say about a diagnosis."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from conformance.compare import Check
from conformance.log import Log
from reports import diagnosis
from tests.reports.logs import CHECKS, RNN, made_log

NOTHING: dict[str, Any] = {
    "family": "rnn", "diverging": 1, "cases": [], "overwritten": [], "sets": [], "explained": 0, "complete": False,
}  # fmt: skip
MEMBER = {"id": "a-mistake", "title": "a mistake", "seen_in": ["a notebook"], "diff": "- right\n+ wrong"}


@pytest.mark.parametrize(
    ("found", "first", "diffs"),
    [
        ({"sets": [], "explained": 0, "complete": False}, "rnn: no known divergence gives these results.", {}),
        (
            {"sets": [[MEMBER]], "explained": 1, "complete": False},
            "rnn: explained in part (1 of 2 diverging cases); something else differs too.",
            {MEMBER["id"]: MEMBER["diff"]},
        ),
        (
            {"sets": [[MEMBER]], "explained": 2, "complete": False},
            "rnn: explained (2 of 2 diverging cases), but cases that agree would show this mistake too, and do not.",
            {MEMBER["id"]: MEMBER["diff"]},
        ),
        (
            {"sets": [[MEMBER], [MEMBER]], "explained": 2, "complete": True},
            "rnn: explained (2 of 2 diverging cases, and every case that agrees).",
            {MEMBER["id"]: MEMBER["diff"]},
        ),
    ],
)
def test_a_diagnosis_says_how_much_it_explains(found: dict[str, Any], first: str, diffs: dict[str, str]) -> None:
    made = made_log()
    footer = {
        **made.footer,
        "diagnoses": [NOTHING | {"diverging": 2, "cases": [RNN]} | found],
    }
    (text,) = diagnosis.diagnoses(Log(made.header, made.checks, footer))
    lines = text.splitlines()
    assert lines[0] == first
    assert lines.count("  - a mistake (a-mistake; seen in: a notebook)") == len(found["sets"])
    assert diagnosis.diffs(Log(made.header, made.checks, footer)) == diffs
    assert diagnosis.diagnoses(made) == []


NARROW = "dtype float32, expected float64; the values agree within the rounding of float32"


@pytest.mark.parametrize(
    ("reasons", "hint"),
    [
        ([NARROW], 'precision = "float32"'),
        ([NARROW, "dtype float32, expected float64; the values agree"], 'precision = "float32"'),
        ([NARROW, "dtype float32, expected float64; the values diverge too"], "no known divergence"),
        ([NARROW, "dtype float32, expected float64; rounding is too large to compare the values"], "no known"),
        ([NARROW, None], "no known divergence"),
        (["dtype float64, expected float32; the values agree"], "another dtype, and the right values"),
        (["dtype float64, expected float32; the values agree", None], "no known divergence"),
    ],
)
def test_if_nothing_but_the_dtype_is_wrong_that_is_said(reasons: list[str | None], hint: str) -> None:
    made = made_log([dataclasses.replace(CHECKS[3], place=None, reason=reason) for reason in reasons])
    (text,) = diagnosis.diagnoses(Log(made.header, made.checks, {**made.footer, "diagnoses": [NOTHING]}))
    hints = ('precision = "float32"', "another dtype, and the right values", "no known divergence")
    assert [other for other in hints if other in text] == [other for other in hints if hint in other]


@pytest.mark.parametrize("place", ["at (0, 0)", "layer 0, forward, unit 1", "the number itself"])
def test_the_first_wrong_place_reads_as_a_sentence(place: str) -> None:
    made = made_log([dataclasses.replace(CHECKS[3], place=place)])
    (text,) = diagnosis.diagnoses(Log(made.header, made.checks, {**made.footer, "diagnoses": [NOTHING]}))
    assert f"First wrong: {CHECKS[3].array} of {RNN}, at {place.removeprefix('at ')}." in text


def test_an_array_that_is_returned_again_and_again_is_pointed_out() -> None:
    said = "An array that is changed in place has to be copied where it is returned."
    assert _said([CHECKS[3]], NOTHING | {"overwritten": ["param.weight"]})[2] == (
        f"The same after every step: param.weight. {said}"
    )
    assert not any(said in line for line in _said([CHECKS[3]]))


def test_few_explained_cases_may_be_chance() -> None:
    found = NOTHING | {"diverging": 41, "sets": [[MEMBER]], "explained": 1}
    assert _said([CHECKS[3]], found)[0] == (
        "rnn: hardly explained (1 of 41 diverging cases, which may be chance); something else differs."
    )
    # there are many of such sets where there are any, and none is worth its patch
    said = _said([CHECKS[3]], found | {"sets": [[MEMBER]] * 5})
    assert said.count("  - a mistake (a-mistake; seen in: a notebook)") == diagnosis.MOST_BY_CHANCE
    made = made_log()
    assert diagnosis.diffs(Log(made.header, made.checks, {**made.footer, "diagnoses": [found]})) == {}


def test_a_wrong_shape_is_the_first_thing_wrong_where_nothing_has_a_place() -> None:
    assert "First wrong: grad.input of core/rnn/relu-2-layer/float32: shape (2, 3), expected (3, 2)." in _said(
        [CHECKS[7]]
    )


def test_what_is_right_but_for_its_dtype_is_said_once_for_all_steps() -> None:
    reason = "dtype float64, expected float32; the values agree"
    steps = [dataclasses.replace(CHECKS[3], array=f"step{k}.state.w.step", place=None, reason=reason) for k in (1, 2)]
    assert "Right but for its dtype float64, expected float32: state.w.step." in _said(steps)
    wrong = [dataclasses.replace(CHECKS[3], reason="dtype float64, expected float32; the values diverge too")]
    assert not any(line.startswith("Right but") for line in _said(wrong))


def test_arrays_of_several_steps_are_listed_once_with_their_steps_where_others_are_wrong() -> None:
    right = [
        dataclasses.replace(CHECKS[2], array=f"step{k}.{name}", case=RNN)
        for name, steps in (("param.w", (1, 3)), ("state.w.m", (1, 2, 3)), ("state.w.n", (2,)))
        for k in steps
    ]
    wrong = [dataclasses.replace(CHECKS[3], array=name) for name in ("step2.param.w", "step1.state.w.n")]
    assert "Right in every case: param.w (steps 1, 3), state.w.m, state.w.n (step 2)." in _said([*wrong, *right])


def test_of_a_single_case_the_note_is_what_sets_it_apart() -> None:
    wrong, right = dataclasses.replace(CHECKS[5], verdict="diverges"), CHECKS[2]
    lines = _said([wrong, right])
    assert "What diverges is core/rnn/relu-2-layer alone: a note." in lines
    assert not any("in common" in line for line in lines)


def test_options_that_what_diverges_has_in_common() -> None:
    wrong = dataclasses.replace(CHECKS[5], verdict="diverges")
    assert not any("in common" in line or "alone" in line for line in _said([wrong]))
    both = [wrong, dataclasses.replace(CHECKS[3], place=None)]
    shared = "What diverges has in common: batch_first = False; so have 0 of the 1 cases that agree."
    assert shared in _said([*both, CHECKS[0]])


@pytest.mark.parametrize(
    ("wrong", "right", "shared"),
    [
        # one option is enough
        ([{"a": 1, "b": 1}, {"a": 1, "b": 2}], [{"a": 2, "b": 1}, {"a": 2, "b": 2}], "a = 1; so have 0 of the 2"),
        # two together, where each by itself is found among what agrees
        ([{"a": 1, "b": 1}] * 2, [{"a": 1, "b": 2}, {"a": 2, "b": 1}], "a = 1 and b = 1; so have 0 of the 2"),
        # nested ones, of an optimizer say
        ([{"o": {"a": 1}}] * 2, [{"o": {"a": 2}}], "o.a = 1; so have 0 of the 1"),
        ([{"num_layers": 2}, {"num_layers": 3}], [{"num_layers": 1}], "num_layers > 1; so have 0 of the 1"),
        ([{"num_layers": 2}] * 2, [{"num_layers": 1}], "num_layers = 2; so have 0 of the 1"),
        # lists are not options to be told
        ([{"a": [1], "b": 1}] * 2, [{"a": [2], "b": 2}], "b = 1; so have 0 of the 1"),
        ([{"a": 1}] * 2, [{"a": 1}, {"a": 1}, {"a": 2}], None),
        ([{"a": 1}, {"a": 2}], [{"a": 3}], None),
    ],
)
def test_options_by_themselves_and_in_pairs(
    wrong: list[dict[str, Any]], right: list[dict[str, Any]], shared: str | None
) -> None:
    configs = {f"core/rnn/{k}/float64": config for k, config in enumerate([*wrong, *right])}
    checks = [
        dataclasses.replace(CHECKS[2], case=case, verdict="diverges" if k < len(wrong) else "agrees")
        for k, case in enumerate(configs)
    ]
    made = made_log(checks)
    entries = {case: {"config": config, "note": "a note", "level": "quick"} for case, config in configs.items()}
    header: dict[str, Any] = {**made.header, "cases": entries}
    (text,) = diagnosis.diagnoses(Log(header, checks, {**made.footer, "diagnoses": [NOTHING]}))
    said = [line for line in text.splitlines() if "in common" in line]
    assert said == ([f"What diverges has in common: {shared} cases that agree."] if shared else [])


def test_what_is_right_leaves_out_what_errored_and_what_is_printed() -> None:
    right = [dataclasses.replace(CHECKS[2], array=f"a{k}") for k in range(14)]
    printed = dataclasses.replace(CHECKS[2], array="h_n (printed)")
    errored = dataclasses.replace(CHECKS[9], family="rnn", case=RNN)
    listed = ", ".join(f"a{k}" for k in range(12))
    assert f"Right in every case: {listed} and 2 more." in _said([CHECKS[3], printed, *right])
    assert f"Right in every case that ran: {listed} and 2 more." in _said([CHECKS[3], errored, *right])


def _said(checks: list[Check], found: dict[str, Any] | None = None) -> list[str]:
    made = made_log(checks)
    (text,) = diagnosis.diagnoses(Log(made.header, made.checks, {**made.footer, "diagnoses": [found or NOTHING]}))
    return text.splitlines()

"""The judge has to refuse what is wrong; that it accepts what is right is the smaller half."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import numpy as np
import pytest

from conformance import compare, tolerance
from conformance.case import Array, Case, cases_of
from conformance.cases.networks import config_of
from conformance.compare import Check, Comparison, check_of
from conformance.tolerance import Precision
from conformance.trace import Trace
from tests.conformance.fakes import (
    ACTIVATION,
    LINEAR,
    LOSS,
    OF_EVERY_KIND,
    OPTIMIZER,
    RNN,
    changed,
    checks_of,
    committed_judge,
    judge_of,
    judged_by_simulation,
    largest,
    one_wrong,
    run_reference,
    with_element,
)

EQUAL_BIASES = ("bias_ih", "bias_hh")
"""their gradients are equal in torch too: the one swap that nobody can see"""


@pytest.fixture(params=OF_EVERY_KIND)
def case_id(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# ------------------------------------------------------------------------------------------------- what agrees


@pytest.mark.parametrize("run", ["torch", "reference"])
def test_torch_itself_and_the_reference_agree(case_id: str, run: str) -> None:
    judge = committed_judge(case_id)
    actual = dict(judge.expected) if run == "torch" else run_reference(judge.case)
    assert {check.verdict for check in judge.checks(actual)} == {"agrees"}
    assert list(actual) == list(judge.expected)


def test_there_is_a_check_per_array_in_torchs_order_with_the_cases_names(case_id: str) -> None:
    judge = committed_judge(case_id)
    checks = list(judge.checks(dict(reversed(run_reference(judge.case).items()))))
    assert [check.array for check in checks] == list(judge.expected)
    case = judge.case
    assert {(check.case, check.family, check.suite, check.dtype) for check in checks} == {
        (case.id, case.family, case.suite, "float64")
    }


def test_the_cheap_path_gives_the_same_verdicts_as_the_simulation(
    case_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = committed_judge(case_id)
    monkeypatch.setattr(compare, "CHEAP_LIMIT", -1.0)
    simulated = list(judge.checks(run_reference(judge.case)))
    assert {(check.verdict, check.unit) for check in simulated} == {("agrees", "sigma")}
    assert judged_by_simulation(judge)


# ----------------------------------------------------------------------------------------------- what diverges


def _in_two_parts(names: list[str]) -> list[set[str]]:
    """Wrong arrays beside right ones in each part, so that an error cannot spread; as many runs as parts."""
    assert names
    return [part for part in (set(names[::2]), set(names[1::2])) if part]


def _names_that(checks: dict[str | None, Check], verdict: str) -> set[str | None]:
    assert {check.verdict for check in checks.values()} <= {"agrees", verdict}
    return {name for name, check in checks.items() if check.verdict == verdict}


def _whole(array: Array) -> Array:
    return array * (1 + 1e-10)


def _one_element(array: Array) -> Array:
    return with_element(array, largest(array), lambda value: value * (1 + 1e-10))


def _sign(array: Array) -> Array:
    return with_element(array, largest(array), lambda value: -value)


def _nan(array: Array) -> Array:
    return with_element(array, largest(array), lambda _: np.nan)


def _infinity(array: Array) -> Array:
    return with_element(array, largest(array), lambda _: np.inf)


ONE_SIDED = "NaN or infinity on one side only"


@pytest.mark.parametrize(
    ("change", "reason"),
    [(_whole, None), (_one_element, None), (_sign, None), (_nan, ONE_SIDED), (_infinity, ONE_SIDED)],
)
def test_a_small_error_in_any_array_diverges(
    case_id: str, change: Callable[[Array], Array], reason: str | None
) -> None:
    """Every array of the trace in turn: one in 10^10 is a thousandth of what torch lets pass by default."""
    judge = committed_judge(case_id)
    # step counts are exact in float32; zeros have no hundredth part
    names = [name for name, array in judge.expected.items() if array.dtype == np.float64 and array.any()]
    for wrong in _in_two_parts(names):
        checks = checks_of(judge, judge.expected | {name: change(judge.expected[name]) for name in wrong})
        assert _names_that(checks, "diverges") == wrong
        for check in (checks[name] for name in wrong):
            assert (check.ratio or 0) > 1
            assert check.reason in (reason, "no single element, but the array as a whole is too far off")


def test_a_step_count_that_is_off_by_one_diverges() -> None:
    judge = committed_judge(OPTIMIZER)
    assert one_wrong(judge, "step3.state.weight.step", np.array(4, np.float32)).verdict == "diverges"


def test_a_count_of_something_where_torch_counts_nothing_diverges() -> None:
    judge = committed_judge("core/optimizer_closure/LBFGS-quadratic-tolerance_grad/float64")
    assert judge.expected["step1.state.n_iter"] == 0
    assert one_wrong(judge, "step1.state.n_iter", np.array(1)).verdict == "diverges"


def test_zeros_have_to_be_zeros() -> None:
    judge = committed_judge(OPTIMIZER)
    name, index = "step1.state.weight.exp_avg", (4, 0)
    judge = judge_of(changed(judge.case, {"param.weight": np.zeros((5, 3))}))
    assert judge.expected[name][index] == 0
    assert one_wrong(judge, name, with_element(judge.expected[name], index, lambda _: 1e-300)).verdict == "diverges"


def test_the_sign_of_zero_counts_in_cases_about_it_and_nowhere_else() -> None:
    judge = committed_judge("core/activation/relu-signed-zeros/float64")
    expected = judge.expected["output"]
    assert np.signbit(expected[0])
    assert one_wrong(judge, "output", expected.copy()).verdict == "agrees"
    check = one_wrong(judge, "output", np.where(expected == 0, 0.0, expected))
    assert (check.verdict, check.reason) == ("diverges", "a zero of the other sign")
    elsewhere = judge_of(dataclasses.replace(judge.case, signed_zeros=False))
    assert one_wrong(elsewhere, "output", np.where(expected == 0, 0.0, expected)).verdict == "agrees"


def test_the_error_the_tolerance_and_the_place_are_those_of_the_wrong_element() -> None:
    judge = committed_judge(RNN)
    expected = judge.expected["output"]
    check = one_wrong(judge, "output", with_element(expected, (1, 2, 0), lambda value: value + 1e-6))
    assert check.error == pytest.approx(1e-6, rel=1e-6)
    assert check.tolerance == pytest.approx(tolerance.ELEMENT_LIMIT * judge.simulation.sigma["output"][1, 2, 0])
    assert check.ratio == pytest.approx((check.error or 0) / (check.tolerance or 1))
    assert check.place == "layer 1, forward, step 2, batch 1, unit 0"
    assert check.unit == "sigma"


def test_errors_that_no_single_element_shows_diverge_by_their_norm() -> None:
    judge = committed_judge(RNN)
    sigma, expected = judge.simulation.sigma["output"], judge.expected["output"]
    within = one_wrong(judge, "output", expected + 7 * sigma)
    beyond = one_wrong(judge, "output", expected + 12 * sigma)
    assert within.verdict == "agrees"
    assert (beyond.verdict, beyond.reason) == ("diverges", "no single element, but the array as a whole is too far off")


@pytest.mark.parametrize(("sigmas", "verdict"), [(30.0, "agrees"), (34.0, "diverges")])
def test_one_element_may_be_off_by_its_limit(sigmas: float, verdict: str) -> None:
    judge = committed_judge(RNN)
    index = (0, 0, 0)
    sigma = float(judge.simulation.sigma["output"][index])
    wrong = with_element(judge.expected["output"], index, lambda value: value + sigmas * sigma)
    assert one_wrong(judge, "output", wrong).verdict == verdict


# ------------------------------------------------------------------------------------------- shapes and dtypes


@pytest.mark.parametrize(
    ("dtype", "reason"),
    [
        ("float32", "dtype float32, expected float64; the values agree within the rounding of float32"),
        ("float16", "dtype float16, expected float64; the values diverge too"),
        ("longdouble", r"dtype (float128|float96|longdouble), expected float64; the values agree"),
        ("int64", "dtype int64, expected float64; the values diverge too"),
        ("bool", "dtype bool, expected float64; the values diverge too"),
    ],
)
@pytest.mark.parametrize("name", ["output", "grad.weight_hh_l0", "h_n"])
def test_a_wrong_dtype_diverges_and_says_whether_the_values_agree(name: str, dtype: str, reason: str) -> None:
    judge = committed_judge(RNN)
    check = one_wrong(judge, name, judge.expected[name].astype(dtype))
    assert check.verdict == "diverges"
    assert check.reason is not None
    assert re.fullmatch(reason, check.reason)


def test_wrong_values_in_float32_diverge_within_its_rounding_too() -> None:
    judge = committed_judge(RNN)
    check = one_wrong(judge, "output", (judge.expected["output"] * 1.001).astype(np.float32))
    assert (check.verdict, check.reason) == (
        "diverges",
        "dtype float32, expected float64; the values diverge too",
    )


def test_float64_in_a_float32_case_diverges() -> None:
    judge = committed_judge(RNN.replace("float64", "float32"))
    check = one_wrong(judge, "output", judge.expected["output"].astype(np.float64))
    assert (check.verdict, check.reason) == ("diverges", "dtype float64, expected float32; the values agree")


@pytest.mark.parametrize(
    ("case_id", "name", "change", "reason"),
    [
        (RNN, "grad.weight_ih_l1", np.transpose, r"shape \(\d+, \d+\), expected \(\d+, \d+\)"),
        (RNN, "output", lambda array: array.swapaxes(0, 1), r"shape \(\d, \d, \d\), expected \(\d, \d, \d\)"),
        (RNN, "h_n", lambda array: array[None], r"shape \(1, 4, \d, \d\), expected \(4, \d, \d\)"),
        (RNN, "grad.bias_ih_l0", lambda array: array[0], r"shape \(\), expected \(\d,\)"),
        (RNN, "grad.bias_ih_l0", lambda array: array[:, None], r"shape \(\d, 1\), expected \(\d,\)"),
        (RNN, "output", lambda array: array[:0], r"shape \(0, \d, \d\), expected \(\d, \d, \d\)"),
        (LOSS, "output", np.sum, r"shape \(\), expected \(5,\)"),
        (LINEAR, "grad.weight", np.transpose, None),
        (RNN, "grad.weight_hh_l0", np.transpose, None),
    ],
)
def test_a_wrong_shape_or_a_transposed_square_diverges(
    case_id: str, name: str, change: Callable[[Array], Array], reason: str | None
) -> None:
    judge = committed_judge(case_id)
    check = one_wrong(judge, name, np.array(change(judge.expected[name]), order="C"))
    if reason is None:
        assert check.reason is None
    else:
        assert re.fullmatch(reason, check.reason or "")
    assert check.verdict == "diverges"


def test_swapped_arrays_diverge_both(case_id: str) -> None:
    judge = committed_judge(case_id)
    swapped: dict[str, Array] = {}
    for one, a in judge.expected.items():
        for other, b in judge.expected.items():
            alike = a.shape == b.shape and a.dtype == b.dtype
            if alike and not {one, other} & set(swapped) and not np.allclose(a, b, rtol=1e-6, atol=0):
                swapped |= {one: b, other: a}
    assert swapped or case_id == LOSS  # no two of its arrays have one shape
    assert _names_that(checks_of(judge, judge.expected | swapped), "diverges") == set(swapped)


def test_only_the_two_biases_gradients_may_be_swapped() -> None:
    judge = committed_judge(RNN)
    for suffix in ("_l0", "_l1_reverse"):
        ih, hh = (f"grad.{name}{suffix}" for name in EQUAL_BIASES)
        checks = checks_of(judge, judge.expected | {ih: judge.expected[hh], hh: judge.expected[ih]})
        assert _names_that(checks, "diverges") == set()


# ------------------------------------------------------------------------------- missing and unknown arrays


def test_a_missing_array_diverges_if_everything_was_promised_and_is_skipped_otherwise(case_id: str) -> None:
    complete, partial = committed_judge(case_id), committed_judge(case_id, complete=False)
    for missing in _in_two_parts(list(complete.expected)):
        actual = {name: value for name, value in complete.expected.items() if name not in missing}
        promised, left_out = checks_of(complete, actual), checks_of(partial, actual)
        assert _names_that(promised, "diverges") == _names_that(left_out, "skipped") == missing
        assert {promised[name].reason for name in missing} == {"missing: torch gives this array"}
        assert {left_out[name].reason for name in missing} == {"not given by the implementation"}


@pytest.mark.parametrize(("complete", "verdict"), [(True, "diverges"), (False, "skipped")])
def test_an_empty_trace_passes_nothing(complete: bool, verdict: str) -> None:
    judge = committed_judge(RNN, complete)
    checks = checks_of(judge, {})
    assert list(checks) == list(judge.expected)
    assert {check.verdict for check in checks.values()} == {verdict}


def test_an_unknown_array_is_an_error_that_names_the_known_ones() -> None:
    judge = committed_judge(ACTIVATION)
    check = checks_of(judge, judge.expected | {"outptu": judge.expected["output"]})["outptu"]
    assert (check.verdict, check.reason) == ("errored", "unknown array outptu: this case has output, grad.input")


# --------------------------------------------------------------------------------- NaN, infinities, zeros, empty


def _special(name: str, index: int, value: float) -> str:
    judge = committed_judge(f"core/activation/{name}/float64")
    output = judge.expected["output"]
    return one_wrong(judge, "output", with_element(output, (index,), lambda _: value)).verdict


@pytest.mark.parametrize(
    ("name", "index", "value", "verdict"),
    [
        ("tanh-not-finite", 2, np.nan, "agrees"),
        ("tanh-not-finite", 2, -np.nan, "agrees"),
        ("tanh-not-finite", 2, 0.5, "diverges"),
        ("tanh-not-finite", 2, np.inf, "diverges"),
        ("tanh-not-finite", 0, np.nan, "diverges"),
        ("relu-not-finite", 0, np.inf, "agrees"),
        ("relu-not-finite", 0, -np.inf, "diverges"),
        ("relu-not-finite", 0, np.nan, "diverges"),
        ("relu-not-finite", 0, 1.7e308, "diverges"),
        ("relu-not-finite", 1, 0.0, "agrees"),
        ("relu-not-finite", 1, -0.0, "agrees"),
        ("relu-not-finite", 1, -np.inf, "diverges"),
    ],
)
def test_nan_agrees_with_nan_only_and_an_infinity_with_the_same_one(
    name: str, index: int, value: float, verdict: str
) -> None:
    expected = committed_judge(f"core/activation/{name}/float64").expected["output"]
    assert {"tanh-not-finite": np.isnan(expected[2]), "relu-not-finite": np.isposinf(expected[0])}[name]
    assert _special(name, index, value) == verdict


def test_nan_elsewhere_does_not_hide_an_error() -> None:
    judge = committed_judge("core/activation/tanh-not-finite/float64")
    value = judge.expected["output"][3]
    assert _special("tanh-not-finite", 3, value * (1 + 1e-10)) == "diverges"


EMPTY = "core/linear/empty-batch/float64"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (np.empty((0, 4)), "shape (0, 4), expected (0, 5)"),
        (np.empty((5, 0)), "shape (5, 0), expected (0, 5)"),
        (np.empty((0, 5), np.float32), "dtype float32, expected float64; the values agree"),
    ],
)
def test_empty_arrays_agree_only_in_shape_and_dtype(wrong: Array, reason: str) -> None:
    judge = committed_judge(EMPTY)
    assert judge.expected["output"].shape == (0, 5)
    check = one_wrong(judge, "output", wrong)
    assert (check.verdict, check.reason) == ("diverges", reason)
    right = one_wrong(judge, "output", np.empty((0, 5)))
    assert (right.verdict, right.ratio, right.reason) == ("agrees", 0.0, "empty")


# -------------------------------------------------------------------------------------------- figures in print

PRINTED = "documented/rnn/three-step/float64"


def _printed(change: Callable[[Array], Array]) -> Check:
    judge = committed_judge(PRINTED)
    figures = judge.case.printed["h_n"]
    return checks_of(judge, judge.expected | {"h_n": change(figures)})["h_n (printed)"]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("unit", range(4))
def test_half_a_unit_of_the_last_digit_agrees_and_more_does_not(unit: int, sign: int) -> None:
    def off_by(units: float) -> Check:
        return _printed(lambda figures: with_element(figures, (0, 0, unit), lambda v: v + sign * units * 1e-8))

    assert off_by(0.499).verdict == "agrees"
    wrong = off_by(0.6)
    assert (wrong.verdict, wrong.reason) == ("diverges", "differs from the printed figures")
    assert wrong.place == f"layer 0, forward, batch 0, unit {unit}"
    assert wrong.ratio == pytest.approx(1.2, rel=1e-6)
    # the rounding of float64 adds next to nothing to it
    assert wrong.tolerance == pytest.approx(0.5e-8, rel=1e-6)
    assert wrong.tolerance is not None
    assert wrong.tolerance > 0.5e-8


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda figures: figures * np.nan, "differs from the printed figures"),
        (lambda figures: figures * np.inf, "differs from the printed figures"),
        (lambda figures: figures[..., ::-1], "differs from the printed figures"),
        (lambda figures: figures[0], "shape (1, 4), printed (1, 1, 4)"),
    ],
)
def test_other_figures_diverge(change: Callable[[Array], Array], reason: str) -> None:
    check = _printed(change)
    assert (check.verdict, check.reason) == ("diverges", reason)


def test_what_was_compared_is_kept_for_the_documented_example_only() -> None:
    judge = committed_judge(PRINTED)
    checks = checks_of(judge, judge.expected)
    assert checks["h_n"].values == {key: judge.expected["h_n"].tolist() for key in ("actual", "expected")}
    assert checks["h_n (printed)"].values == {
        "actual": judge.expected["h_n"].tolist(),
        "printed": judge.case.printed["h_n"].tolist(),
    }
    assert all(check.values is None for check in committed_judge(RNN).checks(committed_judge(RNN).expected))


# ---------------------------------------------------------------------------------------------- inadmissible


def _chaotic_network() -> Case:
    """Twenty saturating units with a gain of four: two nearly equal states part exponentially."""
    config = config_of("rnn", 2, 20)

    def build(rng: np.random.Generator) -> dict[str, Array]:
        return {
            "input": 0.1 * rng.standard_normal((150, 2, 2)),
            "weight_ih_l0": rng.standard_normal((20, 2)),
            "weight_hh_l0": 4 / np.sqrt(20) * rng.standard_normal((20, 20)),
            "bias_ih_l0": np.zeros(20),
            "bias_hh_l0": np.zeros(20),
            "d_output": rng.standard_normal((150, 2, 20)),
        }

    return next(iter(cases_of("rnn", "chaotic", config, build, "chaos", suite="test")))


def _near_kink() -> Case:
    """0.1 * 3 - 0.3 is not quite 0 in binary: rounding alone decides on which side of ReLU's kink it falls."""
    config = config_of("rnn", 1, 2, nonlinearity="relu")
    arrays = {
        "input": np.full((2, 3, 1), 0.1),
        "weight_ih_l0": np.array([[3.0], [2.0]]),
        "weight_hh_l0": np.array([[0.5, 0.0], [0.0, 0.5]]),
        "bias_ih_l0": np.array([-0.3, 0.4]),
        "bias_hh_l0": np.zeros(2),
        "d_output": np.ones((2, 3, 2)),
    }
    return next(iter(cases_of("rnn", "near-kink", config, lambda _: arrays, "a kink", suite="test")))


def _cancelling() -> Case:
    """1 + 1e-9 minus 1: nine of sixteen digits are gone."""
    config = {
        "algorithm": "SGD",
        "lr": 1.0,
        **dict.fromkeys(["momentum", "dampening", "weight_decay"], 0),
        **dict.fromkeys(["nesterov", "maximize"], False),
    }

    def build(rng: np.random.Generator) -> dict[str, Array]:
        return {"param.weight": 1 + 1e-9 * rng.uniform(1, 2, (3, 2)), "step1.grad.weight": np.ones((3, 2))}

    return next(iter(cases_of("optimizer", "cancelling", config, build, "cancellation", suite="test")))


@pytest.mark.parametrize(
    ("case", "name", "reason"),
    [
        (_chaotic_network(), "output", "inadmissible: chaotic: rounding moves output by "),
        (_near_kink(), "output", "inadmissible: a pre-activation is so near ReLU's kink that "),
        (_cancelling(), "step1.param.weight", "inadmissible: rounding alone explains errors of "),
    ],
    ids=["chaos", "kink", "cancellation"],
)  # fmt: skip
def test_a_case_that_proves_nothing_is_skipped_with_the_reason(case: Case, name: str, reason: str) -> None:
    judge = judge_of(case)
    off_by_a_little = judge.expected[name] + 1e-16
    check = checks_of(judge, judge.expected | {name: off_by_a_little})[name]
    assert check.verdict == "skipped"
    assert check.reason is not None
    assert check.reason.startswith(reason)


def test_a_lack_of_power_excuses_no_error_beyond_rounding() -> None:
    judge = judge_of(_cancelling())
    name = "step1.param.weight"
    wrong = judge.expected[name] * (1 + 1e-3)  # of 1e-9: a bug's size, not rounding's
    assert checks_of(judge, {name: wrong})[name].verdict == "diverges"


# ------------------------------------------------------------------------------------------ three-way errors


def test_the_three_errors_are_distances_in_units_of_sigma() -> None:
    judge = committed_judge(RNN)
    sigma = judge.simulation.sigma["output"]
    arbiter = judge.arbiter["output"]
    actual = (arbiter + 3 * sigma).astype(np.float64)
    wrong = with_element(judge.expected["h_n"], (0, 0, 0), lambda value: value + 1)  # so that sigma is the unit
    check = checks_of(judge, judge.expected | {"output": actual, "h_n": wrong})["output"]
    assert check.actual_arbiter == pytest.approx(3, rel=0.2)
    assert check.expected_arbiter is not None
    assert check.expected_arbiter < 1
    assert check.actual_expected == pytest.approx(3, rel=0.4)


def test_the_arbiter_is_the_reference_in_a_wider_float() -> None:
    for suffix, dtype in (("float64", np.longdouble), ("float32", np.float64)):
        judge = committed_judge(RNN.replace("float64", suffix))
        assert judge.arbiter["output"].dtype == dtype
        assert judge.arbiter["output"].tolist() != judge.expected["output"].tolist()


def test_without_a_wider_float_there_is_no_arbiter_and_the_verdicts_stand() -> None:
    narrow = dataclasses.replace(Precision.of(np.dtype(np.float64)), wider=np.dtype(np.float64))
    assert not narrow.has_arbiter
    judge = judge_of(committed_judge(RNN).case, precision=narrow)
    assert judge.arbiter["output"].dtype == np.float64
    right = checks_of(judge, judge.expected)["output"]
    assert (right.verdict, right.actual_arbiter, right.expected_arbiter) == ("agrees", None, None)
    assert right.actual_expected == 0
    assert one_wrong(judge, "output", _whole(judge.expected["output"])).verdict == "diverges"


# ------------------------------------------------------------------- nothing comes from what is being judged


def _everything_wrong(expected: Trace) -> Trace:
    return {name: value + 1 for name, value in expected.items()}


def test_an_implementation_that_is_always_wrong_never_agrees(case_id: str) -> None:
    judge = committed_judge(case_id)
    wrong = {name: array for name, array in _everything_wrong(judge.expected).items() if array.size}
    assert {check.verdict for check in checks_of(judge, wrong).values() if check.array in wrong} == {"diverges"}


def test_sigma_and_arbiter_do_not_depend_on_what_is_judged() -> None:
    case = committed_judge(RNN).case
    one, other = judge_of(case), judge_of(case)
    checks_of(one, _everything_wrong(one.expected))
    checks_of(other, other.expected)
    assert all(np.array_equal(one.simulation.sigma[name], other.simulation.sigma[name]) for name in one.expected)
    assert all(np.array_equal(one.arbiter[name], other.arbiter[name]) for name in one.expected)


def test_a_comparison_of_equal_arrays_is_zero_whatever_they_hold() -> None:
    values = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1e-320, 1e308])
    comparison = Comparison.of(values, values.copy(), np.full(7, 5e-324))
    assert (comparison.ratio, comparison.reason) == (0.0, None)


def test_differences_of_tiny_numbers_are_seen() -> None:
    """Squares of 1e-300 underflow: a norm that is not scaled would call them equal."""
    comparison = Comparison.of(np.full(4, 1.001e-300), np.full(4, 1e-300), np.full(4, 1e-316))
    assert comparison.ratio > 1e10


def test_a_verdict_on_the_case_as_a_whole_has_no_array() -> None:
    check = check_of(committed_judge(RNN).case, None, "skipped", reason="why")
    assert (check.array, check.verdict, check.reason, check.ratio) == (None, "skipped", "why", None)

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from conformance import cases, tolerance
from conformance.adapters import reference
from conformance.case import Array, Case, cases_of
from conformance.cases.networks import config_of
from conformance.tolerance import Precision, Simulation, floor_of, has_power, norm, resolution, simulate
from conformance.trace import Trace
from tests.conformance.fakes import LOSS, NOTEBOOK, OPTIMIZER, RNN, TRAINING, case_of, changed
from tests.conformance.simulating import admissions

FLOAT64, FLOAT32 = (Precision.of(np.dtype(name)) for name in ("float64", "float32"))


def _simulate(case: Case, precision: Precision | None = None) -> Simulation:
    with np.errstate(all="ignore"):
        return simulate(case, getattr(reference, case.family), precision or Precision.of(case.dtype))


def _case(family: str, config: dict[str, Any], **arrays: Any) -> Case:
    given = {name.replace("__", "."): np.asarray(value, dtype=np.float64) for name, value in arrays.items()}
    return next(iter(cases_of(family, "made", config, lambda _: given, "made up", suite="test")))


# -------------------------------------------------------------------------------------------- precisions, norms


def test_a_precision_is_that_of_ieee_754() -> None:
    assert (FLOAT64.unit, FLOAT64.eta, FLOAT64.wider) == (2.0**-53, 2.0**-1074, np.dtype(np.longdouble))
    assert (FLOAT32.unit, FLOAT32.eta, FLOAT32.wider) == (2.0**-24, 2.0**-149, np.dtype(np.float64))
    assert FLOAT32.has_arbiter
    assert FLOAT64.has_arbiter == (np.finfo(np.longdouble).nmant > 52)
    # as on Windows, where longdouble is float64
    assert not dataclasses.replace(FLOAT64, wider=np.dtype(np.float64)).has_arbiter


@pytest.mark.parametrize("scale", [1.0, 1e-300, 1e300, 5e-324])
def test_norms_neither_underflow_nor_overflow(scale: float) -> None:
    assert norm(scale * np.array([[3.0, 0.0], [0.0, -4.0]])) == pytest.approx(5 * scale, rel=1e-15)


def test_the_norm_of_nothing_and_of_zeros_is_zero() -> None:
    assert norm(np.empty((0, 3))) == norm(np.zeros(3)) == 0


def test_sigma_is_never_below_the_rounding_of_the_value_nor_below_the_subnormals() -> None:
    values = np.array([0.0, 2.0, -3.0, np.inf, np.nan, 1e-320])
    expected = np.array([0, 2, 3, 0, 0, 0]) * 2.0**-53
    np.testing.assert_array_equal(floor_of(values, FLOAT64), np.maximum(expected, 4 * 2.0**-1074))
    assert floor_of(np.zeros((), np.float32), FLOAT32) == 4 * 2.0**-149


def test_a_case_whose_arrays_change_their_shapes_under_rounding_is_inadmissible() -> None:
    case = _case("linear", {"in_features": 1, "out_features": 1, "bias": False}, input=[[1.0]], weight=[[0.1]])

    def search(case: Case) -> Trace:
        product = case["input"] * case["weight"]
        return {"output": np.zeros(2 if np.asarray(product)[0, 0] > 0.1 else 1)}

    found = simulate(case, search, FLOAT64)
    assert found.inadmissible == "rounding decides how many steps a search takes"
    assert found.sigma["output"].shape == (1,)


@pytest.mark.parametrize("exponent", [-600, 600])
def test_sigma_scales_with_the_values_where_their_squares_leave_the_range(exponent: int) -> None:
    rng = np.random.default_rng(0)
    x, weight, d_output = rng.normal(size=(3, 50)), rng.normal(size=(2, 50)), rng.normal(size=(3, 2))
    config = {"in_features": 50, "out_features": 2, "bias": False}
    plain, scaled = (
        _simulate(_case("linear", config, input=x * scale, weight=weight, d_output=d_output)).sigma["output"]
        for scale in (1.0, 2.0**exponent)
    )
    np.testing.assert_allclose(scaled, plain * 2.0**exponent, rtol=1e-12)
    assert np.any(plain > 2 * floor_of(x @ weight.T, FLOAT64))  # it is the deviations that scale, not the floor


@pytest.mark.parametrize("case_id", [RNN, OPTIMIZER, LOSS, TRAINING, NOTEBOOK])
@pytest.mark.parametrize("precision", [FLOAT64, FLOAT32])
def test_a_simulated_sigma_is_at_least_its_floor_finite_and_of_the_traces_shape(
    case_id: str, precision: Precision
) -> None:
    case = case_of(case_id)
    simulation = _simulate(case, precision)
    trace = getattr(reference, case.family)(case)
    assert list(simulation.sigma) == list(trace)
    for name, value in trace.items():
        sigma = simulation.sigma[name]
        assert sigma.shape == np.shape(value)
        assert np.all(np.isfinite(sigma))
        assert np.all(sigma >= 0.999 * floor_of(np.asarray(value), precision))


# ------------------------------------------------------------------------------------------ what sigma says


def _sum_of(terms: int) -> Trace:
    """sigma of a linear layer whose output is a sum of equal terms, in units of u |output|."""
    case = _case(
        "linear",
        {"in_features": terms, "out_features": 300, "bias": False},
        input=np.ones((1, terms)),
        weight=np.ones((300, terms)),
        d_output=np.ones((1, 300)),
    )
    return {"output": _simulate(case).sigma["output"] / (terms * 2.0**-53)}


@pytest.mark.parametrize("terms", [1, 4, 100])
def test_a_product_of_n_terms_is_uncertain_by_sqrt_n_roundings(terms: int) -> None:
    """The coherent replicates decide; the mean of sqrt(chi2_8 / 8) over 300 outputs is 0.97."""
    sigma = _sum_of(terms)["output"]
    assert np.mean(np.maximum(sigma, 1e-9)) == pytest.approx(np.sqrt(terms), rel=0.25)


def test_cancellation_leaves_the_error_of_what_was_cancelled() -> None:
    sgd = {"algorithm": "SGD", "lr": 1.0, "momentum": 0, "dampening": 0, "weight_decay": 0.0, "nesterov": False}
    case = _case(
        "optimizer",
        sgd | {"maximize": False},
        param__weight=np.full(300, 1 + 1e-9),
        step1__grad__weight=np.ones(300),
    )
    sigma = _simulate(case).sigma["step1.param.weight"]
    # lr * grad is rounded once, at 1; the difference of 1e-9 is small beside that
    assert np.mean(sigma) == pytest.approx(2.0**-53, rel=0.25)
    assert not has_power(sigma, np.full(300, 1e-9), FLOAT64)
    assert has_power(sigma, np.full(300, 1.0), FLOAT64)
    assert has_power(sigma, np.full(300, 1e-9), FLOAT32)  # float32 is not the place to find bugs


def test_zeros_and_infinities_need_no_power() -> None:
    assert resolution(np.array([1e-20, 1.0, 1.0]), np.array([1.0, np.nan, np.inf])) == pytest.approx(8e-20)
    assert has_power(np.full(2, 4e-324), np.zeros(2), FLOAT64)
    assert has_power(np.full(2, 1e-17), np.array([np.inf, 1.0]), FLOAT64)


@pytest.mark.parametrize("case_id", [RNN, OPTIMIZER, LOSS, TRAINING, NOTEBOOK])
def test_the_scale_at_which_float64_is_simulated_does_not_matter(case_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deviations are linear in the rounding, so 2^13 and 2^10 times it give the same sigma, drawn from one seed."""
    case = case_of(case_id)
    sigmas = []
    for scale in (2.0**13, 2.0**10):
        monkeypatch.setattr(tolerance, "SCALE_FLOAT64", scale)
        sigmas.append(_simulate(case).sigma)
    for name, sigma in sigmas[0].items():
        # the replicates' own rounding in float64 is 2^-10 of what is simulated, and adds up
        np.testing.assert_allclose(norm(sigmas[1][name]), norm(sigma), rtol=0.02, err_msg=name)
        ratio = sigmas[1][name] / sigma
        assert 0.8 < np.min(ratio) <= np.max(ratio) < 1.25, name


def test_sigma_in_float32_is_that_of_float64_in_units_of_u() -> None:
    case = case_of(RNN)
    wide, narrow = (_simulate(case, precision).sigma for precision in (FLOAT64, FLOAT32))
    for name in wide:
        assert norm(narrow[name]) / norm(wide[name]) == pytest.approx(2.0**29, rel=0.05), name


def test_simulations_repeat_themselves_and_differ_from_case_to_case() -> None:
    case = case_of(NOTEBOOK)
    one, again = _simulate(case).sigma, _simulate(case).sigma
    other = _simulate(dataclasses.replace(case, description="another")).sigma
    assert all(np.array_equal(one[name], again[name]) for name in one)
    assert any(np.any(one[name] != other[name]) for name in one)


def test_a_simulation_leaves_the_case_and_the_global_generator_alone() -> None:
    case = case_of(RNN)
    before = {name: case[name] for name in case}
    state = str(np.random.get_state())  # noqa: NPY002
    _simulate(case)
    assert all(np.array_equal(case[name], before[name]) for name in case)
    assert all(type(case[name]) is np.ndarray for name in case)
    assert str(np.random.get_state()) == state  # noqa: NPY002


# --------------------------------------------------------------------------------------------- inadmissible


def _chaotic(gain: float) -> Case:
    rng = np.random.default_rng(5)
    return _case(
        "rnn",
        config_of("rnn", 2, 20),
        input=0.1 * rng.standard_normal((150, 2, 2)),
        weight_ih_l0=rng.standard_normal((20, 2)),
        weight_hh_l0=gain / np.sqrt(20) * rng.standard_normal((20, 20)),
        bias_ih_l0=np.zeros(20),
        bias_hh_l0=np.zeros(20),
        d_output=rng.standard_normal((150, 2, 20)),
    )


@pytest.mark.parametrize("precision", [FLOAT64, FLOAT32])
def test_a_network_of_huge_weights_is_chaotic(precision: Precision) -> None:
    reason = _simulate(_chaotic(4.0), precision).inadmissible
    assert reason is not None
    assert reason.startswith("chaotic: rounding moves output by ")
    assert _simulate(_chaotic(0.9), precision).inadmissible is None


KINK = "a pre-activation is so near ReLU's kink that rounding decides the side"


def _relu_network(bias: float) -> Case:
    """Two units; the first one's pre-activation in the first step is 0.1 * 3 + bias."""
    return _case(
        "rnn",
        config_of("rnn", 1, 2, nonlinearity="relu"),
        input=np.full((1, 3, 1), 0.1),
        weight_ih_l0=[[3.0], [2.0]],
        weight_hh_l0=np.eye(2),
        bias_ih_l0=[bias, 0.4],
        bias_hh_l0=[0.0, 0.0],
        d_output=np.ones((1, 3, 2)),
    )


def _relu_layers(bias: float) -> Case:
    """The same pre-activation in a notebook's layers, whose ReLU selects by a comparison."""
    layers = [
        {"class": "FC", "arguments": {"n_nodes1": 1, "n_nodes2": 2}},
        {"class": "ReLU", "arguments": {}},
        {"class": "FC", "arguments": {"n_nodes1": 2, "n_nodes2": 1}},
    ]
    return _case(
        "notebook",
        {"layers": layers, "optimizer": {"class": "SGD", "arguments": {"lr": 0.1}}},
        param__0__weight=[[3.0], [2.0]],
        param__0__bias=[bias, 0.4],
        param__2__weight=[[1.0, 2.0]],
        param__2__bias=[0.5],
        step1__input=[[0.1]],
        step1__d_output=[[1.0]],
    )


@pytest.mark.parametrize("make", [_relu_network, _relu_layers])
@pytest.mark.parametrize(
    ("bias", "precision", "reason"),
    [
        (-0.3, FLOAT64, KINK),  # 5.6e-17 in binary
        (-0.3 + 1e-12, FLOAT64, None),
        (-0.3 + 1e-12, FLOAT32, KINK),
        (-0.3 + 1e-4, FLOAT32, None),
        (0.3, FLOAT64, None),
    ],
)
def test_a_pre_activation_next_to_the_kink_is_found(
    make: Callable[[float], Case], bias: float, precision: Precision, reason: str | None
) -> None:
    assert _simulate(make(bias), precision).inadmissible == reason


def test_a_pre_activation_that_is_exactly_zero_is_no_kink() -> None:
    case = case_of("core/rnn/relu-at-zero/float64")
    output = reference.rnn(case)["output"]
    assert np.any(output == 0)
    assert _simulate(case).inadmissible is None


def test_no_committed_case_is_inadmissible_and_every_float64_array_has_power() -> None:
    """Every standard case simulated in full, where a run leaves most of them to the cheap path."""
    everything = cases.select()
    found = list(admissions(everything))
    assert [admission.case for admission in found] == [case.id for case in everything]
    assert [admission for admission in found if admission.inadmissible or admission.without_power] == []
    # the median resolution in float64: what the suite promises to see
    resolutions = [admission.resolution for admission in found if admission.case.endswith("float64")]
    assert 0 < np.median(resolutions) < 1e-13


def test_sigma_depends_on_the_case_alone() -> None:
    """``simulate`` is given the reference and a case, and a changed array changes sigma."""
    case = case_of(RNN)
    doubled = changed(case, {name: 2 * case[name] for name in ("d_output", "d_h_n")})
    one, two = _simulate(case).sigma, _simulate(doubled).sigma

    def ratios(name: str) -> Array:
        return two[name] / one[name]

    np.testing.assert_array_equal(ratios("output"), 1)
    np.testing.assert_allclose(ratios("grad.weight_hh_l0"), 2, rtol=1e-9)

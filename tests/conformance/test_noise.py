from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from conformance import cases
from conformance.adapters import reference
from conformance.case import FAMILIES, Array, Case
from conformance.noise import BFLOAT16_UNIT, NoisyArray, Rounding, noisy
from conformance.trace import Trace
from reference.rounding import round_to_bfloat16

UNIT = 2.0**-40

EXACT = {
    r".*": (r".*\.step", "a count"),
    r"initializer/.*": (r".*", "computed from sizes by Python's floats, not from arrays"),
    r"activation/relu-.*": (r"output|grad\.input", "relu and its derivative select, they do not compute"),
    r"optimizer/SGD-(?!.*weight_decay).*": (
        r"step1\.state\.\w+\.momentum_buffer",
        "SGD's first buffer copies a gradient",
    ),
    r"optimizer/SGD-missing-gradients": (
        r"step2\.state\.bias\.momentum_buffer",
        "the bias' first gradient",
    ),
    r"optimizer_groups/SGD-.*": (
        r"step1\.state\.(weight|shift)\.momentum_buffer",
        "the first buffer copies a gradient",
    ),
    r"optimizer_groups/SGD-missing-gradients": (
        r"step2\.state\.shift\.momentum_buffer",
        "its second gradient is missing",
    ),
    r"optimizer_groups/.*-missing-gradients": (r"step1\.param\.bias", "no gradient yet"),
    r"optimizer_groups/.*": (r".*\.empty(\..*)?", "no element to round"),
    r"optimizer(_groups|_switched)?/ASGD-.*": (r".*\.(eta|mu)", "rounded to float32, where this noise is not felt"),
    r"optimizer(_groups|_switched)?/NAdam-.*": (r".*\.mu_product", "rounded to float32, where this noise is not felt"),
    r"optimizer_switched/(?!LBFGS).*-to-torch": (r"step[1-4]\.param\.bias|step1\.param\.shift", "no gradient yet"),
    r"optimizer_switched/(?!LBFGS).*-to-reference": (r"step[34]\.param\.bias", "no gradient yet"),
    r"optimizer_switched/LBFGS.*": (r".*\.(calls|func_evals|n_iter)", "counts"),
    r"error/.*": (r"refusal", "a class of exceptions"),
    r"packing/.*": (r".*", "elements are moved, not computed"),
    r"schedule/.*": (r".*", "computed from numbers by Python's floats, not from arrays"),
    r"optimizer_closure/.*": (r".*\.(calls|func_evals|n_iter)", "counts"),
    r"optimizer_closure/.*-tolerance_grad": (r"step1\.param\..*", "good enough: nothing moves"),
    r"clip/value.*": (r"grad\..*", "limits are selected"),
    r"clip/norm-(0|inf|minus-inf)": (r"total_norm", "a count, or the largest or smallest value"),
    r"optimizer(_groups|_switched)?/Rprop-.*": (r".*\.prev", "a gradient, or 0"),
}
"""arrays that rounding cannot reach, by case and name, and why"""


def _run(case: Case, rounding: Rounding) -> Trace:
    with rounding, np.errstate(all="ignore"):
        trace: Trace = getattr(reference, case.family)(case.with_arrays(noisy))
    return trace


def _fresh(unit: float = UNIT, eta: float = 0.0, seed: int = 0) -> Rounding:
    return Rounding(unit, eta, np.random.default_rng(seed), coherent=False)


def _coherent(unit: float = UNIT, seed: int = 0) -> Rounding:
    return Rounding(unit, 0.0, np.random.default_rng(seed), coherent=True)


def _is_exact(case: Case, name: str) -> bool:
    named = f"{case.family}/{case.description}"
    return any(re.fullmatch(who, named) and re.fullmatch(what, name) for who, (what, _) in EXACT.items())


# -------------------------------------------------------------------------------------------- noise arrives


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("coherent", [False, True])
def test_noise_arrives_in_every_array_of_every_reference_function(family: str, coherent: bool) -> None:
    """Whoever writes a line of the reference that loses noise in silence finds its arrays listed here."""
    selected = cases.select(families=[family], dtypes=["float64"], level="quick")
    assert selected
    lost, plain = [], []
    unmoved, elements = {False: 0, True: 0}, {False: 0, True: 0}  # of sparse gradients: most rows are copied
    for case in selected:
        exact = _run(case, _fresh(0.0))
        moved = _run(case, _coherent() if coherent else _fresh())
        assert list(moved) == list(exact)
        for name, value in moved.items():
            if case.config.get("algorithm") == "LBFGS" and re.fullmatch(r".*\.state\.(t|H_diag)", name):
                continue  # the rate itself, and 1, unless a search or the history decides
            if _is_exact(case, name):
                np.testing.assert_array_equal(np.asarray(value), np.asarray(exact[name]), f"{case.id} {name}")
                continue
            # what is saved as one of Python's numbers keeps the noise that it has
            if not isinstance(value, NoisyArray) and not (family == "optimizer_switched" and "prev_loss" in name):
                plain.append((case.id, name))
            base = np.asarray(exact[name])
            padding = case.config.get("padding_value", 0.0)
            rounded = np.isfinite(base) & (base != 0) & (base != padding)  # zeros and padding stay exact
            same = int(np.count_nonzero((np.asarray(value) == base) & rounded))
            if rounded.any() and same == np.count_nonzero(rounded):
                lost.append((case.id, name))
            sparse = family == "optimizer_sparse" or case.config.get("algorithm") == "SparseAdam"
            unmoved[sparse] += same
            elements[sparse] += int(np.count_nonzero(rounded))
    assert plain == []
    assert lost == []
    # of 2^13 possible values around the exact one, a random one is now and then the exact one itself
    assert unmoved[False] <= 1e-2 * elements[False]
    assert unmoved[True] <= 0.2 * elements[True]
    assert any(elements.values()) == (family not in ("initializer", "schedule", "error", "packing"))


def test_an_operation_that_loses_noise_is_noticed() -> None:
    """The test above can fail: these are the ways out of the model that NumPy leaves open."""
    with _fresh():
        x = noisy(np.ones(4))
        for careless in (np.asarray(x).view(np.ndarray) * 3, np.ones(4).dot(x)):
            assert not isinstance(careless, NoisyArray)


# --------------------------------------------------------------------------------------- what stays exact

X = np.array([[0.0, -1.5, 2.0], [0.25, 0.0, -3.0]])


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: np.maximum(x, 0),
        lambda x: np.minimum(x, 1),
        lambda x: -x,
        lambda x: np.abs(x),
        lambda x: np.sign(x),
        lambda x: np.where(x < 0, np.zeros_like(x), x),
        lambda x: x[::-1, 1:].copy(),
        lambda x: x.reshape(-1).T,
        lambda x: x.swapaxes(0, 1),
        lambda x: np.concatenate([x, x], axis=-1),
        lambda x: np.stack([x, x]),
        lambda x: np.broadcast_to(x, (4, 2, 3), subok=True),
        lambda x: np.expand_dims(x, 0),
        lambda x: x.max(axis=1, keepdims=True),
        lambda x: np.max(x),
        lambda x: x.min(axis=0),
        lambda x: x.copy(),
        lambda x: np.full_like(x, 0.5),
    ],
)
@pytest.mark.parametrize("rounding", [_fresh, _coherent])
def test_moving_selecting_and_comparing_adds_nothing_and_keeps_the_noise_coming(
    operation: Callable[[Any], Any], rounding: Callable[[], Rounding]
) -> None:
    with rounding():
        result = operation(noisy(X.copy()))
    np.testing.assert_array_equal(np.asarray(result), np.asarray(operation(X.copy())))
    assert isinstance(result, NoisyArray)


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: x * 0.0,
        lambda x: x - x,
        lambda x: np.tanh(x * 0),
        lambda x: (x * 0).dot(x.T),
        lambda x: (x * 0) @ x.T,
        lambda x: (x * 0).sum(axis=0),
    ],
)
def test_an_exact_zero_stays_exact(operation: Callable[[Any], Array]) -> None:
    for rounding in (_fresh(eta=1e-300), _coherent()):
        with rounding:
            assert not np.any(np.asarray(operation(noisy(X.copy()))))


def test_what_is_not_finite_stays_as_it_is_and_does_not_spread() -> None:
    values = np.array([np.inf, -np.inf, np.nan, 1.0])
    with _fresh():
        result = np.asarray(noisy(values) * 2.0)
    np.testing.assert_array_equal(result[:3], values[:3])
    assert np.isfinite(result[3])
    assert result[3] != 2


def test_comparisons_give_plain_booleans() -> None:
    with _fresh():
        mask = noisy(X.copy()) > 0
        assert np.asarray(mask).tolist() == (X > 0).tolist()
        assert mask.dtype == bool
        assert np.shape(noisy(X.copy())) == (2, 3)


# ------------------------------------------------------------------------------------ unknown operations


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (lambda x: np.sin(x), "sin"),
        (lambda x: np.cumsum(x), "cumsum"),
        (lambda x: x.cumsum(), "cumsum"),
        (lambda x: x.cumprod(), "cumprod"),
        (lambda x: x.trace(), "trace"),
        (lambda x: x.prod(), "multiply.reduce"),
        (lambda x: np.multiply.outer(x, x), "multiply.outer"),
        (lambda x: np.add.accumulate(x), "add.accumulate"),
        (lambda x: np.einsum("ij,ij->i", x, x), "einsum"),
        (lambda x: np.tensordot(x, x), "tensordot"),
        (lambda x: np.linalg.norm(x, axis=0), "norm"),
        (lambda x: np.mean(x), "mean"),
        (lambda x: np.clip(x, 0, 1), "clip"),
        (lambda x: np.floor(x), "floor"),
        (lambda x: np.hypot(x, x), "hypot"),
        (lambda x: np.divide(x, x, where=x > 0), "divide"),
        (lambda x: np.add.reduce(x, where=x > 0), "add"),
    ],
)
def test_an_operation_that_the_model_does_not_know_raises(operation: Callable[[Any], Any], name: str) -> None:
    with _fresh(), pytest.raises(TypeError, match=rf"the noise model does not know .*{name}"):
        operation(noisy(X.copy()))


def test_without_a_rounding_nothing_can_be_computed() -> None:
    with pytest.raises(LookupError):
        noisy(X.copy()) + 1


# ------------------------------------------------------------------------------------- how large it is

MANY = 40_000
WITHIN = 0.02
"""relative; the rms of 40,000 draws has a standard error of 0.35 %"""


def _rms(error: Array) -> float:
    return float(np.sqrt(np.mean(np.square(error))))


@pytest.mark.parametrize("rounding", [_fresh, _coherent])
@pytest.mark.parametrize(
    ("operation", "value"),
    [
        (lambda x: x * 1.5, 3.0),
        (lambda x: x / 8.0, 0.25),
        (lambda x: 1.0 / x, 0.5),
        (lambda x: np.sqrt(x * x), 2.0),
        (lambda x: np.tanh(x), np.tanh(2.0)),
        (lambda x: np.exp(x), np.exp(2.0)),
        (lambda x: np.log(x), np.log(2.0)),
        (lambda x: x**3, 8.0),
    ],
)
def test_one_rounding_has_a_standard_deviation_of_u_times_the_result(
    operation: Callable[[Any], Any], value: float, rounding: Callable[[], Rounding]
) -> None:
    with rounding():
        error = np.asarray(operation(noisy(np.full(MANY, 2.0)))) - value
    # sqrt(x * x) rounds twice, and the square's relative error is halved by the root
    factor = np.sqrt(1.25) if value == 2.0 else 1.0
    assert _rms(error) == pytest.approx(UNIT * value * factor, rel=WITHIN)
    assert abs(np.mean(error)) < 5 * UNIT * value / np.sqrt(MANY) * factor


@pytest.mark.parametrize("rounding", [_fresh, _coherent])
@pytest.mark.parametrize(
    ("operation", "value", "terms"), [(lambda x: x + 5.0, 7.0, 7.0), (lambda x: x - 1.75, 0.25, 3.75)]
)
def test_an_addition_rounds_in_proportion_to_its_terms(
    operation: Callable[[Any], Any], value: float, terms: float, rounding: Callable[[], Rounding]
) -> None:
    """Added in another order, terms that cancel here are rounded while they are large."""
    with rounding():
        error = np.asarray(operation(noisy(np.full(MANY, 2.0)))) - value
    assert _rms(error) == pytest.approx(UNIT * terms, rel=WITHIN)


def test_a_result_below_the_normal_range_may_be_flushed() -> None:
    tiny = 1e-30
    with Rounding(UNIT, 0.0, np.random.default_rng(0), coherent=False, tiny=tiny):
        below = np.asarray(noisy(np.full(MANY, 1e-32)) * 2.0) - 2e-32
        above = np.asarray(noisy(np.full(MANY, 1e-20)) * 2.0) - 2e-20
    assert _rms(below) == pytest.approx(tiny, rel=WITHIN)
    assert _rms(above) == pytest.approx(UNIT * 2e-20, rel=WITHIN)


@pytest.mark.parametrize(("rounding", "growth"), [(_fresh, 1.0), (_coherent, 3.0)])
@pytest.mark.parametrize(
    ("operation", "magnitude"),
    [
        # terms 1 and -2 in turn: their sum is smaller than what is rounded on the way
        (lambda x: x.sum(axis=0), 13.0),
        (lambda x: np.sum(x, axis=0), 13.0),
        (lambda x: np.dot(np.ones(9), x), 13.0),
        (lambda x: noisy(np.ones(9)).dot(x), 13.0),
        (lambda x: np.ones((1, 9)) @ x, 13.0),
    ],
    ids=["sum", "np.sum", "np.dot", "dot", "matmul"],
)
def test_a_sum_of_n_terms_is_rounded_by_the_sum_of_their_magnitudes(
    operation: Callable[[Any], Any], magnitude: float, rounding: Callable[[], Rounding], growth: float
) -> None:
    """Repeated rounding does not average out: coherently it is sqrt(9) times larger."""
    terms = np.where(np.arange(9)[:, None] % 2, -2.0, 1.0) * np.ones(MANY)
    with rounding():
        result = operation(noisy(terms))
    assert isinstance(result, NoisyArray)
    assert _rms(np.asarray(result) + 3.0) == pytest.approx(UNIT * magnitude * growth, rel=WITHIN)


def test_results_that_underflow_are_rounded_by_the_smallest_subnormal() -> None:
    with _fresh(unit=2.0**-24, eta=1e-45):
        result = np.asarray(noisy(np.full(MANY, 1e-60)) * 1.0)
    assert _rms(result) == pytest.approx(1e-45, rel=WITHIN)


def test_the_norm_of_a_vector_is_rounded() -> None:
    with _fresh():
        norms = [float(np.linalg.norm(noisy(np.array([3.0, 4.0])))) for _ in range(200)]
    assert UNIT * 5 / 2 < np.std(norms) < UNIT * 5 * 2


# ------------------------------------------------------------------------------------ coherent and fresh


def test_fresh_rounding_never_repeats_itself() -> None:
    with _fresh():
        errors = [np.asarray(noisy(np.ones((3, 4))) * 1.5) for _ in range(2)]
    assert len(np.unique(errors)) == 24


def test_coherent_rounding_repeats_itself_over_time_and_batch_and_differs_from_unit_to_unit() -> None:
    with _coherent():
        steps = [np.asarray(noisy(np.ones((3, 4))) * 1.5) for _ in range(5)]
    assert all(np.array_equal(step, steps[0]) for step in steps)
    assert np.array_equal(steps[0], np.broadcast_to(steps[0][0], (3, 4)))
    assert len(np.unique(steps[0][0])) == 4


def test_coherent_rounding_differs_from_line_to_line_and_from_operation_to_operation() -> None:
    with _coherent():
        x = noisy(np.ones(4))
        one = np.asarray(x * 1.5)
        other = np.asarray(x * 1.5)
        product, quotient = np.asarray(x * 1.5), np.asarray(x / 0.5) * 0.75
    assert np.all(one != other)
    assert np.all(product != quotient)


def test_the_call_site_is_found_in_a_folder_named_after_numpy_too() -> None:
    """Frames inside NumPy are passed over, frames in somebody's folder numpy-course are not."""
    source = "def f(x):\n    a = x * 1.5\n    b = x * 1.5\n    return a, b\n"
    namespace: dict[str, Any] = {}
    exec(compile(source, "/home/learner/numpy-course/reference/rnn.py", "exec"), namespace)
    with _coherent():
        a, b = namespace["f"](noisy(np.ones(4)))
    assert np.all(np.asarray(a) != np.asarray(b))


def test_results_written_into_a_given_array_are_rounded_too() -> None:
    with _fresh():
        out = noisy(np.empty(3))
        assert np.tanh(noisy(np.ones(3)), out=out) is out
        assert np.all(np.asarray(out) != np.tanh(1.0))
        product = noisy(np.empty((2, 2)))
        noisy(X.copy()).dot(noisy(X.T.copy()), out=product)
        assert np.count_nonzero(np.asarray(product) != X @ X.T) == 4
        in_place = noisy(np.ones(3))
        in_place += 0.25
        assert np.all(np.asarray(in_place) != 1.25)
        bound = noisy(-np.ones(2))
        np.maximum(bound, 0, out=bound)
        assert np.asarray(bound).tolist() == [0, 0]


# --------------------------------------------------------------------------------------------- kinks, seeds


def test_the_arguments_of_a_kink_are_recorded_and_those_between_arrays_are_not() -> None:
    with _fresh(0.0) as rounding:
        x = noisy(X.copy())
        np.maximum(x, 0)
        np.maximum(x, x)
        np.where(x < 0, np.zeros_like(x), x)
        x.max()
    assert [kink.tolist() for kink in rounding.kinks] == [X.tolist(), X.tolist()]


def test_the_same_seed_gives_the_same_rounding() -> None:
    def result(rounding: Rounding) -> list[Any]:
        with rounding:
            values: list[Any] = np.asarray(noisy(X.copy()) * 1.1 + 0.3).tolist()
        return values

    for make in (partial(_fresh, 1e-9, 0.0), partial(_coherent, 1e-9)):
        assert result(make(1)) == result(make(1))
        assert result(make(1)) != result(make(2))


def test_rounding_to_bfloat16_has_the_unit_of_bfloat16_whatever_is_simulated() -> None:
    x = np.linspace(1.0, 2.0, 20_000)
    for make in (_fresh, _coherent):
        with make(unit=2.0**-53) as rounding:
            assert not rounding.bfloat16
            moved = round_to_bfloat16(noisy(x))
        assert rounding.bfloat16
        assert isinstance(moved, NoisyArray)
        assert np.std((np.asarray(moved) - x) / x) == pytest.approx(BFLOAT16_UNIT, rel=0.05)
    with _fresh(0.0) as exact:
        np.testing.assert_array_equal(np.asarray(round_to_bfloat16(noisy(x))), x)
    assert exact.bfloat16

"""The replay: what it rounds once and what twice, that torch does so too, and that optimizers then agree to the bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.testing._internal.common_optimizers import optim_db

from conformance import judging, replay
from conformance.adapters import pytorch
from conformance.adapters import pytorch_arithmetic as arithmetic
from conformance.cases.optimizer import SCALES
from conformance.compare import Check
from conformance.divergences import patching
from conformance.divergences.patching import Patch
from conformance.fma import fma
from conformance.implementation import Implementation, load
from conformance.noise import UnknownOperationError
from conformance.replay import OPERATIONS, Replayed, differing, replayed, replaying, unlike
from reference import optim
from reference.checks import Array
from tests.conformance.fakes import LINEAR, OPTIMIZER, case_of

pytorch.use_one_thread()

FLOATS: list[Any] = [np.float32, np.float64]

rounds_alike = pytest.mark.skipif(
    bool(unlike(arithmetic.OPERATIONS, arithmetic.sqrt)), reason="arithmetic of this CPU: torch rounds otherwise here"
)

# -------------------------------------------------------------------------------- what is rounded once, what twice


def _draw(dtype: Any = np.float64, count: int = 3, size: int = 1000) -> Any:
    return np.random.default_rng(0).standard_normal((count, size)).astype(dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("formula", "by_hand"),
    [
        (lambda x, y, z: x + 0.3 * y, lambda x, y, z, s: fma(s, y, x)),
        (lambda x, y, z: x - 0.3 * y, lambda x, y, z, s: fma(-s, y, x)),
        (lambda x, y, z: x + y * z, lambda x, y, z, s: fma(y, z, x)),
        (lambda x, y, z: x + 0.3 * y * z, lambda x, y, z, s: fma(s * y, z, x)),
        (lambda x, y, z: 0.3 * x + z * y, lambda x, y, z, s: fma(z, y, s * x)),
        # rounded before anything is done with them
        (lambda x, y, z: y * 0.3 + x, lambda x, y, z, s: y * s + x),
        (lambda x, y, z: y * z + x, lambda x, y, z, s: y * z + x),
        (lambda x, y, z: x + y * 0.3, lambda x, y, z, s: x + y * s),
        (lambda x, y, z: x - 0.3 * y / z, lambda x, y, z, s: x - s * y / z),
        (lambda x, y, z: x + -(y * z), lambda x, y, z, s: x - y * z),
        (lambda x, y, z: x + np.abs(y * z), lambda x, y, z, s: x + np.abs(y * z)),
        (lambda x, y, z: x + (y * z).copy(), lambda x, y, z, s: x + y * z),
        (lambda x, y, z: x + (y * z)[:], lambda x, y, z, s: x + y * z),
        (lambda x, y, z: x + np.where(x > 0, y * z, 0), lambda x, y, z, s: x + np.where(x > 0, y * z, 0)),
        (lambda x, y, z: np.maximum(x, y * z), lambda x, y, z, s: np.maximum(x, y * z)),
    ],
)
def test_a_sum_with_a_product_on_its_right_is_rounded_once(
    dtype: Any, formula: Callable[..., Any], by_hand: Callable[..., Any]
) -> None:
    arrays = _draw(dtype)
    value = formula(*map(replayed, arrays))
    assert isinstance(value, Replayed)
    assert differing(value, by_hand(*arrays, np.asarray(0.3, dtype=dtype))) == 0


@pytest.mark.parametrize("formula", [lambda x, y: x + 0.3 * y, lambda x, y: x + y * x])
def test_rounding_once_is_seen_in_the_bits(formula: Callable[..., Any]) -> None:
    x, y = _draw(count=2)
    assert differing(formula(replayed(x), replayed(y)), formula(x, y)) > 0.1 * x.size


def test_the_root_is_the_one_that_is_given() -> None:
    x = replayed(np.array([1.0, 4.0]))
    with replaying(lambda values: values + 10):
        assert np.sqrt(x).tolist() == [11.0, 14.0]
    with pytest.raises(LookupError):
        np.sqrt(x)


def test_a_product_cannot_be_changed_behind_its_factors() -> None:
    product = 0.3 * replayed(np.ones(3))
    with pytest.raises(ValueError, match="read-only"):
        product[0] = 2


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (np.exp, "numpy.exp"),
        (lambda x: x.sum(), "numpy.add.reduce"),
        (lambda x: np.add(x, 1, out=x), r"numpy.add.__call__ with \['out'\]"),
        (lambda x: np.add(x, 1, where=x > 0), r"numpy.add.__call__ with \['where'\]"),
        (lambda x: x @ x, "numpy.matmul"),
        (np.linalg.norm, "norm"),
        (np.cumsum, "cumsum"),
    ],
)
def test_an_operation_whose_rounding_in_torch_is_not_known_raises(operation: Callable[[Any], Any], name: str) -> None:
    with pytest.raises(UnknownOperationError, match=name):
        operation(replayed(np.ones(3)))


def test_every_bit_counts_but_those_of_nan() -> None:
    x = np.array([1.0, 0.0, np.nan, np.inf])
    assert differing(x, x.copy()) == 0
    assert differing(x, np.array([1.0, 0.0, -np.nan, np.inf])) == 0
    assert differing(x, np.array([np.nextafter(1.0, 2), -0.0, 1.0, -np.inf])) == 4
    assert differing(x, x.astype(np.float32)) == differing(x, x[:, None]) == differing(x[:3], x) == 4


# ------------------------------------------------------------------------------------------- torch's operations


def test_every_operation_of_torch_has_its_formula_and_none_is_left_over() -> None:
    assert arithmetic.OPERATIONS.keys() == OPERATIONS.keys()


def _in_the_last_element(values: Array) -> Array:
    """A tail that is not computed like the rest."""
    if len(values) == 31:
        values[-1] = np.nextafter(values[-1], values.dtype.type(0))
    return values


WRONG: list[tuple[str, Callable[..., Any]]] = [
    ("add(alpha)", lambda x, y, z, s: x + y * y.dtype.type(s)),
    ("add(-alpha)", lambda x, y, z, s: x - y * y.dtype.type(s)),
    ("mul", lambda x, y, z, s: fma(y, np.full_like(y, s), x)),
    ("div", lambda x, y, z, s: x * (1 / x.dtype.type(s))),
    ("rdiv", lambda x, y, z, s: s / x),
    ("addcmul", lambda x, y, z, s: fma(np.full_like(x, s), y * z, x)),
    ("addcmul", lambda x, y, z, s: x + s * y * z),
    ("addcmul(-1)", lambda x, y, z, s: x - y * z),
    ("addcdiv", lambda x, y, z, s: x + s * (y / z)),
    ("addcdiv", lambda x, y, z, s: fma(np.full_like(x, s), y / z, x)),
    ("lerp", lambda x, y, z, s: (1 - s) * x + s * y),
    ("lerp", lambda x, y, z, s: fma(np.full_like(x, s), y - x, x)),
    ("sqrt_", lambda x, y, z, s: np.nextafter(np.sqrt(np.abs(x)), x.dtype.type(9))),
    ("add(alpha)", lambda x, y, z, s: _in_the_last_element(arithmetic.OPERATIONS["add(alpha)"](x, y, z, s))),
]


@rounds_alike
@pytest.mark.parametrize(("name", "wrong"), WRONG)
def test_an_operation_that_rounds_otherwise_is_found_and_no_other(name: str, wrong: Callable[..., Any]) -> None:
    assert unlike(arithmetic.OPERATIONS, arithmetic.sqrt) == []
    assert unlike({**arithmetic.OPERATIONS, name: wrong}, arithmetic.sqrt) == [name]


@rounds_alike
def test_a_root_that_is_not_torchs_is_found() -> None:
    assert unlike(arithmetic.OPERATIONS, lambda x: np.nextafter(arithmetic.sqrt(x), x.dtype.type(9))) == ["sqrt_"]


# ------------------------------------------------------------------------- the optimizers, in all configurations

ALGORITHMS = {"SGD", "ASGD", "Adagrad", "RMSprop", "Adadelta", "Rprop", "Adam", "AdamW", "Adamax", "NAdam", "RAdam"}

Drawn = list[dict[str, Array]]


def _configurations() -> Iterator[Any]:
    for info in optim_db:
        algorithm = info.name
        if algorithm in ALGORITHMS:
            for given in info.optim_inputs_func(device="cpu"):
                yield pytest.param(algorithm, given.kwargs, id=f"{algorithm}-{given.desc}")


CONFIGURATIONS = list(_configurations())
# what torch's table leaves out: averages from the other side, ASGD's average, options together
MORE: list[Any] = [
    ("Adam", {"betas": (0.3, 0.5), "amsgrad": True}),
    ("RMSprop", {"alpha": 0.4, "centered": True, "momentum": 0.9, "weight_decay": 0.1}),
    ("ASGD", {"t0": 2, "lambd": 0.1, "weight_decay": 0.1}),
    ("SGD", {"momentum": 0.9, "dampening": 0.9}),
    ("Adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 0.1, "maximize": True}),
]


@cache
def _gradients(sizes: tuple[int, ...], steps: int, dtype: Any) -> Drawn:
    """Of every step, by parameter: those of one parameter have the scales of the cases; size 0 means no axis."""
    rng = np.random.default_rng(steps)
    return [
        {
            f"size{size}": np.asarray(
                rng.standard_normal(size or ()) * (np.resize(SCALES, size) if size else 1.0), dtype=dtype
            )
            for size in sizes
        }
        for _ in range(steps)
    ]


def _differing(algorithm: str, options: Mapping[str, Any], grads: Drawn) -> list[str]:
    """Whatever differs in any bit after some step: (step, name) of parameters, and of the state after the last."""
    params = {name: replayed(np.asarray(0.5 + grad)) for name, grad in grads[0].items()}
    theirs = {name: torch.from_numpy(np.array(value)).requires_grad_() for name, value in params.items()}
    in_torch = getattr(torch.optim, algorithm)(list(theirs.values()), **options, foreach=False)
    numbers = {key: value.item() if isinstance(value, torch.Tensor) else value for key, value in options.items()}
    ours = getattr(optim, algorithm)(**numbers)
    state = ours.init(params)
    found = []
    with replaying(arithmetic.sqrt):
        for k, of_step in enumerate(grads, start=1):
            for name, param in theirs.items():
                param.grad = torch.from_numpy(of_step[name])
            in_torch.step()
            params, state = ours.step(params, {name: replayed(grad) for name, grad in of_step.items()}, state)
            expected = {name: param.detach().numpy() for name, param in theirs.items()}
            found += [f"step{k}.{name}" for name in params if differing(params[name], expected[name])]
    for name, param in theirs.items():
        kept = {key: value for key, value in in_torch.state[param].items() if value is not None}
        assert kept.keys() == state[name].keys()
        found += [f"{name}.{key}" for key, value in kept.items() if differing(state[name][key], value.numpy())]
    return found


def test_torchs_table_has_all_the_algorithms() -> None:
    assert {configuration.values[0] for configuration in CONFIGURATIONS} == ALGORITHMS
    assert all(getattr(optim, algorithm).elementwise for algorithm in ALGORITHMS)


@rounds_alike
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("algorithm", "options"), [*CONFIGURATIONS, *MORE])
def test_not_one_bit_differs_in_a_thousand_steps(algorithm: str, options: dict[str, Any], dtype: Any) -> None:
    assert _differing(algorithm, options, _gradients((33,), 1000, dtype)) == []


@rounds_alike
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("algorithm", "options"), [*CONFIGURATIONS, *MORE])
def test_nor_in_parameters_of_other_sizes(algorithm: str, options: dict[str, Any], dtype: Any) -> None:
    """With and without what is left over from vectors of 4, 8 and 16 elements, and a number without an axis."""
    assert _differing(algorithm, options, _gradients((0, 1, 7, 8, 40), 12, dtype)) == []


@rounds_alike
@pytest.mark.parametrize("dtype", FLOATS)
def test_nor_in_a_parameter_that_is_updated_in_blocks(dtype: Any) -> None:
    assert _differing("Adam", {"weight_decay": 0.1}, _gradients((optim.BLOCK + 5,), 2, dtype)) == []


# ---------------------------------------------------------------- a formula that is right, but rounds elsewhere

ELSEWHERE = {
    "SGD-momentum": Patch("optim.sgd", "self.lr * direction", "direction * self.lr", "SGD.update"),
    "ASGD-t0": Patch("optim.sgd", '(param - state["ax"]) * mu', 'mu * (param - state["ax"])', "ASGD.update"),
    "Adagrad-lr": Patch("optim.adaptive", "lr * grad / denominator", "lr * (grad / denominator)", "Adagrad.update"),
    "RMSprop-centered": Patch(
        "optim.adaptive",
        'lerp(state["grad_avg"], grad, 1 - alpha)',
        'alpha * state["grad_avg"] + (1 - alpha) * grad',
        "RMSprop.update",
    ),
    "Adadelta-rho": Patch("optim.adaptive", "(1 - rho) * grad * grad", "(1 - rho) * (grad * grad)", "Adadelta.update"),
    "Adam-lr": Patch(
        "optim.adam",
        'lerp(state["exp_avg"], grad, 1 - beta1)',
        'beta1 * state["exp_avg"] + (1 - beta1) * grad',
        "Adam.update",
    ),
    "RAdam-lr": Patch(
        "optim.adam", "exp_avg / bias_correction1 * self.lr", "self.lr * (exp_avg / bias_correction1)", "RAdam.update"
    ),
    "NAdam-lr": Patch("optim.adam", "* grad / denominator", "/ denominator * grad", "NAdam.update"),
}


def _judged(description: str, dtype: str) -> list[Check]:
    return judging.judge(case_of(f"core/optimizer/{description}/{dtype}"), load("numpy")).checks


@rounds_alike
@pytest.mark.parametrize("description", ELSEWHERE)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rounding_elsewhere_is_within_tolerance_and_is_found_by_the_replay(description: str, dtype: str) -> None:
    right = _judged(description, dtype)
    assert {(check.verdict, check.replay_differs, check.replay_skipped) for check in right} == {("agrees", 0, None)}
    with patching.applied([ELSEWHERE[description]]):
        elsewhere = _judged(description, dtype)
    assert {check.verdict for check in elsewhere} == {"agrees"}
    assert sum(check.replay_differs or 0 for check in elsewhere) > 0


# --------------------------------------------------------------------------------------------------- in a run


@rounds_alike
def test_only_the_references_optimizers_are_replayed() -> None:
    reference = load("numpy")
    assert {check.replay_differs for check in judging.judge(case_of(OPTIMIZER), reference).checks} == {0}
    others = judging.judge(
        case_of(OPTIMIZER), Implementation("mine.py", reference.functions, path=Path("mine.py"))
    ).checks
    others += judging.judge(case_of(LINEAR), reference).checks
    assert {(check.replay_differs, check.replay_skipped) for check in others} == {(None, None)}


@pytest.mark.parametrize("algorithm", ["Adafactor", "Muon"])
def test_an_algorithm_that_adds_up_elements_is_skipped_with_a_reason(algorithm: str) -> None:
    checks = _judged(f"{algorithm}-one-step", "float64")
    reason = f"{algorithm} adds up elements, in an order that is torch's own"
    assert {(check.replay_differs, check.replay_skipped) for check in checks} == {(None, reason)}


def test_where_torch_rounds_otherwise_the_replay_is_skipped_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor without fused multiply-add, for torch."""
    names = ("add(alpha)", "addcmul")
    unfused = {name: next(wrong for known, wrong in WRONG if known == name) for name in names}
    monkeypatch.setattr(arithmetic, "OPERATIONS", {**arithmetic.OPERATIONS, **unfused})
    monkeypatch.setattr(judging, "_refusal_of_this_processor", judging._refusal_of_this_processor.__wrapped__)
    checks = judging.judge(case_of(OPTIMIZER), load("numpy")).checks
    assert {check.replay_differs for check in checks} == {None}
    [reason] = {check.replay_skipped for check in checks}
    assert reason is not None
    assert reason.startswith("arithmetic of this CPU: torch rounds otherwise in ")
    assert all(name in reason for name in names)
    assert {check.verdict for check in checks} == {"agrees"}


@rounds_alike
def test_a_case_is_left_as_it_is() -> None:
    case = case_of(OPTIMIZER)
    function = load("numpy").functions["optimizer"]
    plain, before = function(case), {name: case[name] for name in case}
    trace = replay.replay(case, function, arithmetic.sqrt)
    assert list(trace) == list(plain)
    assert {type(value) for value in trace.values()} == {np.ndarray}
    assert all(type(case[name]) is np.ndarray and differing(case[name], before[name]) == 0 for name in case)
    assert sum(differing(trace[name], plain[name]) for name in plain) > 0  # it is another rounding

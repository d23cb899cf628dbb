"""Optimizers against torch.optim: every parameter and every entry of the state after every step."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from reference import optim
from reference.checks import Array
from tests.reference.against_torch import (
    assert_all_close,
    assert_refused,
    assert_same_refusal,
    frozen,
    leaf,
    tensor,
)

STEPS = 20
OPTIONS: dict[str, dict[str, list[Any]]] = {
    "SGD": {
        "lr": [0.1, 1e-3],
        "momentum": [0, 0.5, 0.9],
        "dampening": [0, 0.3],
        "weight_decay": [0, 0.05],
        "nesterov": [False, True],
        "maximize": [False, True],
    },
    "Adagrad": {
        "lr": [0.1, 1e-3],
        "lr_decay": [0, 0.1],
        "weight_decay": [0, 0.05],
        "initial_accumulator_value": [0, 0.1],
        "eps": [1e-10, 1e-3],
        "maximize": [False, True],
    },
    "RMSprop": {
        "lr": [0.1, 1e-3],
        "alpha": [0.99, 0.5],
        "eps": [1e-8, 1e-3],
        "weight_decay": [0, 0.05],
        "momentum": [0, 0.9],
        "centered": [False, True],
        "maximize": [False, True],
    },
    "Adam": {
        "lr": [0.1, 1e-3],
        "betas": [(0.9, 0.999), (0.5, 0.7), (0.0, 0.9)],
        "eps": [1e-8, 1e-3],
        "weight_decay": [0, 0.05],
        "amsgrad": [False, True],
        "maximize": [False, True],
    },
}
OPTIONS["AdamW"] = dict(OPTIONS["Adam"])
OPTIONS["Adam"]["decoupled_weight_decay"] = [False, True]
OPTIONS["ASGD"] = {
    "lr": [0.1, 1e-3],
    "lambd": [1e-4, 0.1],
    "alpha": [0.75, 0.3],
    "t0": [1e6, 3, 0],
    "weight_decay": [0, 0.05],
    "maximize": [False, True],
}
OPTIONS["Adadelta"] = {
    "lr": [1.0, 0.1],
    "rho": [0.9, 0.5, 0.0, 1.0],
    "eps": [1e-6, 1e-3],
    "weight_decay": [0, 0.05],
    "maximize": [False, True],
}
OPTIONS["Rprop"] = {
    "lr": [0.1, 1e-3],
    "etas": [(0.5, 1.2), (0.1, 3.0)],
    "step_sizes": [(1e-6, 50), (2e-3, 5e-2)],
    "maximize": [False, True],
}
OPTIONS["Adamax"] = {name: values for name, values in OPTIONS["AdamW"].items() if name != "amsgrad"}
OPTIONS["RAdam"] = OPTIONS["Adamax"] | {"decoupled_weight_decay": [False, True]}
OPTIONS["NAdam"] = OPTIONS["RAdam"] | {"momentum_decay": [4e-3, 0.5, 0]}
ALGORITHMS = list(OPTIONS)

EVERYTHING: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.05},
    "Adagrad": {"lr_decay": 0.1, "weight_decay": 0.05, "initial_accumulator_value": 0.1},
    "RMSprop": {"momentum": 0.9, "centered": True, "weight_decay": 0.05},
    "Adam": {"amsgrad": True, "weight_decay": 0.05},
    "AdamW": {"amsgrad": True, "maximize": True},
    "ASGD": {"lambd": 0.1, "t0": 2, "weight_decay": 0.05},
    "Adadelta": {"weight_decay": 0.05, "maximize": True},
    "Rprop": {"etas": (0.3, 1.7), "maximize": True},
    "Adamax": {"weight_decay": 0.05, "maximize": True},
    "RAdam": {"betas": (0.8, 0.9), "weight_decay": 0.05, "decoupled_weight_decay": True},
    "NAdam": {"weight_decay": 0.05, "decoupled_weight_decay": True},
}

SCALARS = {"step", "eta", "mu", "mu_product"}
"""what torch keeps in float32 whatever the parameters' dtype"""

SCALES = {
    "ordinary": 1.0,
    "small": 1e-2,
    "smaller": 1e-4,
    "tiny": 1e-8,
    "without": 0.0,
    "sometimes": 1.0,
    "scalar": 1.0,
}
SHAPES = {"ordinary": (3, 2), "small": (4,), "smaller": (2, 1, 3), "tiny": (5,), "sometimes": (2, 2), "scalar": ()}
MISSING = {"sometimes": {0, 1, 5, 6, 19}}


def random_options(algorithm: str, rng: np.random.Generator) -> dict[str, Any]:
    """An admissible combination of options."""
    options = {name: values[rng.integers(len(values))] for name, values in OPTIONS[algorithm].items()}
    if options.get("nesterov"):
        options |= {"momentum": options["momentum"] or 0.9, "dampening": 0}
    return options


def random_arrays(rng: np.random.Generator, dtype: Any = np.float64) -> dict[str, Array]:
    """An array for every parameter, as large as the parameter's gradients: a step changes digits that count."""
    return {
        name: frozen(np.asarray(scale * rng.standard_normal(SHAPES.get(name, (3,)))).astype(dtype))
        for name, scale in SCALES.items()
    }


def gradients(rng: np.random.Generator, step: int, dtype: Any = np.float64) -> dict[str, Any]:
    """Gradients of one step; missing ones are absent in even steps, None in odd ones."""
    grads: dict[str, Any] = random_arrays(rng, dtype)
    for name in [name for name, steps in MISSING.items() if step in steps]:
        if step % 2:
            grads[name] = None
        else:
            del grads[name]
    return grads


class TorchRun:
    """torch's optimizer over the same parameters."""

    def __init__(self, algorithm: str, params: Mapping[str, Array], options: Mapping[str, Any]) -> None:
        self.params = {name: leaf(value) for name, value in params.items()}
        constructor = getattr(torch.optim, algorithm)
        # plain loops over the parameters: how the formula is executed is not part of it
        ways = inspect.signature(constructor).parameters.keys() & {"foreach", "fused"}
        self.optimizer = constructor(self.params.values(), **options, **dict.fromkeys(ways, False))

    def step(self, grads: Mapping[str, Array | None]) -> None:
        for name, param in self.params.items():
            grad = grads.get(name)
            param.grad = None if grad is None else tensor(grad)
        self.optimizer.step()

    def state(self) -> dict[str, dict[str, Any]]:
        return {name: self.optimizer.state[param] for name, param in self.params.items()}

    def change_rate(self, lr: float) -> None:
        self.optimizer.param_groups[0]["lr"] = lr


def assert_equal_runs(
    params: Mapping[str, Array], state: Mapping[str, Mapping[str, Array]], run: TorchRun, what: str, tolerance: float
) -> None:
    assert_all_close(params, run.params, what, tolerance)
    assert state.keys() == params.keys()
    for name, entries in run.state().items():
        assert all(isinstance(value, np.ndarray) for value in state[name].values())
        assert_all_close(state[name], entries, f"{what} {name}", tolerance)


def run_beside_torch(
    algorithm: str, options: dict[str, Any], rng: np.random.Generator, dtype: Any, tolerance: float
) -> None:
    params: Mapping[str, Array] = random_arrays(rng, dtype)
    # not round numbers: a step that meets its parameter exactly would leave nothing but rounding
    params = {**params, "without": frozen(rng.standard_normal(3).astype(dtype))}
    optimizer = getattr(optim, algorithm)(**options)
    run = TorchRun(algorithm, params, options)
    state = optimizer.init(params)
    assert_equal_runs(params, state, run, f"{options} before the first step", tolerance)
    for step in range(STEPS):
        if step == STEPS // 2:
            optimizer = dataclasses.replace(optimizer, lr=0.3 * options["lr"])
            run.change_rate(0.3 * options["lr"])
        grads = gradients(rng, step, dtype)
        params, state = optimizer.step(params, grads, state)
        run.step(grads)
        assert_equal_runs(params, state, run, f"{options} step {step}", tolerance)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("seed", range(12))
def test_parameters_and_states_are_those_of_torch(algorithm: str, seed: int) -> None:
    rng = np.random.default_rng([seed, ALGORITHMS.index(algorithm)])
    run_beside_torch(algorithm, random_options(algorithm, rng), rng, np.float64, 1e-12)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_defaults_are_those_of_torch(algorithm: str) -> None:
    expected = getattr(torch.optim, algorithm)([torch.zeros(1)]).defaults
    fields = dataclasses.asdict(getattr(optim, algorithm)())
    assert fields == {name: expected[name] for name in fields}
    # what the reference leaves out are ways of executing
    assert expected.keys() - fields.keys() <= {"foreach", "fused", "capturable", "differentiable"}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_other_dtypes_come_out_as_they_go_in(algorithm: str) -> None:
    options = {"lr": 0.1} | EVERYTHING[algorithm]
    # centered RMSprop subtracts nearly equal numbers, which in float32 leaves few digits
    narrow_options = options | ({"centered": False} if algorithm == "RMSprop" else {})
    run_beside_torch(algorithm, narrow_options, np.random.default_rng(1), np.float32, 1e-4)

    rng = np.random.default_rng(2)
    optimizer = getattr(optim, algorithm)(**options)
    params = {name: value for name, value in random_arrays(rng).items() if name != "without"}
    run = TorchRun(algorithm, params, options)
    wide: Mapping[str, Array] = {name: value.astype(np.longdouble) for name, value in params.items()}
    state = optimizer.init(wide)
    for _ in range(STEPS):
        grads = {name: value for name, value in random_arrays(rng).items() if name in params}
        run.step(grads)
        wide, state = optimizer.step(wide, {name: g.astype(np.longdouble) for name, g in grads.items()}, state)
    for name, value in wide.items():
        dtypes = {key: entry.dtype for key, entry in state[name].items()}
        assert dtypes == {key: np.float32 if key in SCALARS else np.longdouble for key in run.state()[name]}
        assert value.dtype == np.longdouble
    expected = {name: value.detach().numpy().astype(np.longdouble) for name, value in run.params.items()}
    assert_all_close(wide, expected)


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, "Adafactor", "Muon"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e200])
def test_special_gradients_as_in_torch(algorithm: str, value: float) -> None:
    optimizer, params = getattr(optim, algorithm)(lr=0.1), {"w": np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.5]])}
    run, state = TorchRun(algorithm, params, {"lr": 0.1}), optimizer.init(params)
    for step in range(3):
        grads = {"w": np.array([[0.5, value if step == 0 else 0.25, -1.0], [2.0, -0.75, 1.5]])}
        with np.errstate(over="ignore", invalid="ignore"):
            params, state = optimizer.step(params, grads, state)
        run.step(grads)
        assert_equal_runs(params, state, run, f"step {step}", 1e-12)


# ----------------------------------------------------------------------------------------------------- memory


def snapshot(params: Mapping[str, Array], state: Mapping[str, Mapping[str, Array]]) -> dict[str, Array]:
    """Copies of all arrays of a result, under one flat naming."""
    flat = {name: value.copy() for name, value in params.items()}
    return flat | {f"{name}.{key}": v.copy() for name, entries in state.items() for key, v in entries.items()}


def frozen_state(state: Mapping[str, Mapping[str, Array]]) -> dict[str, dict[str, Array]]:
    return {name: {key: frozen(value.copy()) for key, value in entries.items()} for name, entries in state.items()}


def steps_of(algorithm: str) -> Iterator[tuple[Any, dict[str, Array], dict[str, dict[str, Array]], dict[str, Any]]]:
    """Optimizer, parameters, state and gradients before each of some steps, the first included, all read-only."""
    rng = np.random.default_rng(3)
    # without options an update uses the gradient as it is given
    for options in (EVERYTHING[algorithm], {"momentum": 0.9} if algorithm == "SGD" else {}):
        optimizer = getattr(optim, algorithm)(**options)
        params = random_arrays(rng)
        state = optimizer.init(params)
        for step in range(4):
            grads = gradients(rng, step)
            yield optimizer, params, frozen_state(state), grads
            params, state = optimizer.step(params, grads, state)
            params = {name: frozen(value.copy()) for name, value in params.items()}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_step_returns_new_arrays(algorithm: str) -> None:
    for optimizer, params, state, grads in steps_of(algorithm):
        new_params, new_state = optimizer.step(params, grads, state)
        given = [*params.values(), *(g for g in grads.values() if g is not None)]
        given += [value for entries in state.values() for value in entries.values()]
        for name in params:
            if grads.get(name) is None:
                assert new_state[name].keys() == state[name].keys()
                np.testing.assert_array_equal(new_params[name], params[name])
                continue
            for value in (new_params[name], *new_state[name].values()):
                assert not any(np.shares_memory(value, old) for old in given), name


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("aliased", [False, True])
def test_out_receives_the_step(algorithm: str, aliased: bool) -> None:
    """Into other arrays, or into the ones passed in: bitwise what a step without out returns."""
    for optimizer, params, state, grads in steps_of(algorithm):
        expected = snapshot(*optimizer.step(params, grads, state))
        own_params = {name: value.copy() for name, value in params.items()}
        own_state = {name: {key: value.copy() for key, value in entries.items()} for name, entries in state.items()}
        if aliased:
            results = optimizer.step(own_params, grads, own_state, out=(own_params, own_state))
        else:
            results = optimizer.step(params, grads, state, out=(own_params, own_state))
        assert_all_close(snapshot(*results), expected, tolerance=0)
        for name, entries in own_state.items():
            assert results[0][name] is own_params[name]
            assert all(results[1][name][key] is value for key, value in entries.items())


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "contiguous": np.ascontiguousarray,
    "transposed": np.asfortranarray,
    "strided": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    "reversed": lambda a: a[::-1].copy()[::-1],
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_working_in_blocks_changes_nothing(algorithm: str, layout: str) -> None:
    """Arrays of more than a block, the last one incomplete, give bitwise what the formula gives in one piece."""
    rng = np.random.default_rng(4)
    shape = (5, optim.BLOCK // 2 + 3)
    assert math.prod(shape) > 2 * optim.BLOCK
    assert math.prod(shape) % optim.BLOCK
    optimizer = getattr(optim, algorithm)(**EVERYTHING[algorithm])
    draws = [LAYOUTS[layout](rng.standard_normal(shape)) for _ in range(4)]
    in_place = draws[0].copy(order="K")
    params, grads = {"w": frozen(draws[0])}, [frozen(draw) for draw in draws[1:]]
    state = optimizer.init(params)
    expected_w, expected_state = params["w"], state["w"] or optimizer.first_state(params["w"])
    written = ({"w": in_place}, {"w": {key: value.copy() for key, value in state["w"].items()}})
    for grad in grads:
        expected_w, expected_state = optimizer.update(expected_w, grad, expected_state)
        params, state = optimizer.step(params, {"w": grad}, state)
        written = optimizer.step(*written[:1], {"w": grad}, *written[1:], out=written)
        for result in ((params, state), written):
            assert_all_close(snapshot(*result), snapshot({"w": expected_w}, {"w": expected_state}), tolerance=0)
        # memory of every layout may go in again
        params = {"w": frozen(LAYOUTS[layout](params["w"].copy()))}
    assert written[0]["w"] is in_place


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_large_arrays_beside_torch(algorithm: str) -> None:
    rng = np.random.default_rng(5)
    params, options = {"w": rng.standard_normal(optim.BLOCK + 5)}, EVERYTHING[algorithm]
    optimizer, run = getattr(optim, algorithm)(**options), TorchRun(algorithm, params, options)
    state = optimizer.init(params)
    for step in range(3):
        grads = {"w": rng.standard_normal(params["w"].shape)}
        params, state = optimizer.step(params, grads, state)
        run.step(grads)
        assert_equal_runs(params, state, run, f"step {step}", 1e-12)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_empty_arrays_and_no_parameters(algorithm: str) -> None:
    optimizer, empty = getattr(optim, algorithm)(), {"w": np.zeros((0, 3))}
    run = TorchRun(algorithm, empty, {})
    params, state = optimizer.step(empty, empty, optimizer.init(empty))
    run.step(empty)
    assert_equal_runs(params, state, run, "empty", 0)
    assert_same_refusal(lambda: TorchRun(algorithm, {}, {}), lambda: optimizer.init({}), "empty")


# -------------------------------------------------------------------------------------------------- refusals

NAN = float("nan")


@pytest.mark.parametrize(
    ("algorithm", "options", "mentions"),
    [
        *((algorithm, {"lr": -1}, "learning rate") for algorithm in ALGORITHMS),
        *((algorithm, {"weight_decay": -1}, "weight") for algorithm in ALGORITHMS if algorithm != "Rprop"),
        *((algorithm, {"lr": "fast"}, "") for algorithm in ALGORITHMS),
        *((algorithm, {"lr": NAN}, "learning rate") for algorithm in ALGORITHMS[1:]),
        *((algorithm, {"eps": -1}, "epsilon") for algorithm in ALGORITHMS if "eps" in OPTIONS[algorithm]),
        ("SGD", {"momentum": -1}, "momentum"),
        ("SGD", {"momentum": None}, ""),
        ("SGD", {"nesterov": True}, "momentum"),
        ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "zero dampening"),
        ("SGD", {"betas": (0.9, 0.999)}, "betas"),
        ("Adagrad", {"lr_decay": -1}, "decay"),
        ("Adagrad", {"initial_accumulator_value": -1}, "accumulator"),
        ("Adagrad", {"eps": NAN}, "epsilon"),
        ("RMSprop", {"momentum": -1}, "momentum"),
        ("RMSprop", {"alpha": -1}, "alpha"),
        ("RMSprop", {"alpha": NAN}, "alpha"),
        *(
            (algorithm, {"betas": betas}, mentions)
            for algorithm in ("Adam", "AdamW")
            for betas, mentions in (
                ((1.0, 0.9), "index 0"),
                ((0.9, 1.0), "index 1"),
                ((-0.1, 0.9), "[0, 1)"),
                ((0.9, NAN), "[0, 1)"),
                ((0, 0.9), "floats"),
                ((0, 0), "floats"),
                (None, ""),
                (0.9, ""),
                (("a", 0.9), ""),
            )
        ),
        *(
            (algorithm, {"betas": betas}, mentions)
            for algorithm in ("Adamax", "NAdam", "RAdam")
            for betas, mentions in (
                ((1.0, 0.9), "index 0"),
                ((0.9, 1), "index 1"),
                ((-0.1, 0.9), "[0, 1)"),
                ((0.9, NAN), "[0, 1)"),
                (None, ""),
                (0.9, ""),
                (("a", 0.9), ""),
            )
        ),
        ("NAdam", {"momentum_decay": -1}, "momentum decay"),
        ("Adadelta", {"rho": -0.1}, "rho"),
        ("Adadelta", {"rho": 1.1}, "rho"),
        ("Rprop", {"etas": (0.5, 1.0)}, "eta"),
        ("Rprop", {"etas": (0.0, 1.2)}, "eta"),
        ("Rprop", {"etas": (1.0, 1.2)}, "eta"),
        ("Rprop", {"etas": (0.5, NAN)}, "eta"),
        ("Rprop", {"etas": None}, ""),
        ("Rprop", {"betas": (0.9, 0.999)}, "betas"),
    ],
)
def test_wrong_options(algorithm: str, options: dict[str, Any], mentions: str) -> None:
    assert_same_refusal(
        lambda: getattr(torch.optim, algorithm)([torch.zeros(2, requires_grad=True)], **options),
        lambda: getattr(optim, algorithm)(**options),
        mentions,
    )


@pytest.mark.parametrize("algorithm", ["Adamax", "NAdam", "RAdam"])
def test_betas_that_are_not_two_numbers(algorithm: str) -> None:
    """torch accepts them and fails in the first step, when it unpacks them."""

    def in_torch() -> None:
        run = TorchRun(algorithm, {"w": np.zeros(2)}, {"betas": (0.9, 0.99, 0.999)})
        run.step({"w": np.zeros(2)})

    assert_same_refusal(in_torch, lambda: getattr(optim, algorithm)(betas=(0.9, 0.99, 0.999)), "two")


def test_whole_numbers_as_betas_are_as_good_to_torch() -> None:
    run_beside_torch("Adamax", {"lr": 0.1, "betas": (0, 0)}, np.random.default_rng(6), np.float64, 1e-12)


def test_sgd_lets_a_rate_of_nan_through_as_torch_does() -> None:
    torch.optim.SGD([torch.zeros(2)], lr=NAN)
    params, _ = optim.SGD(lr=NAN).step({"w": np.ones(2)}, {"w": np.ones(2)}, {"w": {}})
    assert np.isnan(params["w"]).all()


@pytest.mark.parametrize(
    ("grad", "mentions"),
    [
        (np.zeros(3), "(2,)"),
        (np.zeros((2, 1)), "(2,)"),
        (np.zeros(()), "(2,)"),
        (np.zeros(2, np.float32), "float64"),
        (np.zeros(2, np.int64), "float64"),
        ([0.0, 0.0], "array"),
        (0.0, "array"),
    ],
)
def test_wrong_gradients(grad: Any, mentions: str) -> None:
    assert_same_refusal(
        lambda: setattr(leaf(np.zeros(2)), "grad", tensor(grad)),
        lambda: optim.SGD().step({"w": np.zeros(2)}, {"w": grad}, {"w": {}}),
        mentions,
    )


@pytest.mark.parametrize(("value", "mentions"), [([0.0], "array"), (0.0, "array"), (np.zeros(2, np.int64), "float64")])
def test_wrong_parameters(value: Any, mentions: str) -> None:
    assert_same_refusal(
        # torch asks an integer tensor earlier, when it is to collect a gradient
        lambda: torch.optim.SGD([leaf(value) if isinstance(value, np.ndarray) else value]),
        lambda: optim.SGD().step({"w": value}, {}, {"w": {}}),
        mentions,
    )


def test_complex_parameters() -> None:
    param = np.ones(2, np.complex128)
    assert_refused(lambda: optim.SGD().step({"w": param}, {"w": param}, {"w": {}}), RuntimeError, "complex128")
    # torch's SparseAdam refuses them by itself, as it is made
    assert_same_refusal(
        lambda: torch.optim.SparseAdam([tensor(param)]), lambda: optim.SparseAdam().init({"w": param}), "complex"
    )


def test_names_that_do_not_belong_together() -> None:
    """torch has no names here: a key that is not there is Python's KeyError."""
    params = {"w": np.zeros(2)}
    for grads, state, mentions in (
        ({"v": np.zeros(2)}, ["w"], "gradient for an unknown parameter v"),
        ({}, ["w", "v"], "state for an unknown parameter v"),
        ({}, [], "no state for parameter w"),
    ):
        states: dict[str, optim.ParamState] = {name: {} for name in state}
        with pytest.raises(KeyError, match=rf"^['\"]{mentions}"):
            optim.SGD().step(params, grads, states)


@pytest.mark.parametrize(("target", "mentions"), [(np.zeros(3), "(2,)"), (np.zeros(2, np.float32), "float64")])
def test_wrong_out(target: Array, mentions: str) -> None:
    params, state = {"w": np.zeros(2)}, {"w": {"momentum_buffer": np.zeros(2)}}
    optimizer = optim.SGD(momentum=0.9)
    for out in (({"w": target}, state), (params, {"w": {"momentum_buffer": target}})):
        assert_refused(partial(optimizer.step, params, params, state, out=out), RuntimeError, mentions)

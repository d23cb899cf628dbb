"""LBFGS against torch.optim: where it arrives, what it keeps, and how often it calls the closure."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import numpy as np
import pytest
import torch

from reference import optim
from reference.checks import Array
from tests.reference.against_torch import assert_close, assert_same_refusal, frozen, leaf


class Valley:
    """Rosenbrock's function of two parameters, for both sides, with a count of its calls."""

    def __init__(self, params: dict[str, Array], options: dict[str, Any]) -> None:
        self.calls = {"ours": 0, "theirs": 0}
        self.params = params
        self.optimizer = optim.LBFGS(**options)
        self.state = self.optimizer.init(params)
        self.theirs = {name: leaf(value) for name, value in params.items()}
        self.torch = torch.optim.LBFGS(list(self.theirs.values()), **options)

    def ours(self, at: dict[str, Array]) -> tuple[Any, dict[str, Array]]:
        self.calls["ours"] += 1
        x = np.concatenate([value.reshape(-1) for value in at.values()])
        a, b = x[:-1], x[1:]
        grad = np.zeros_like(x)
        grad[:-1] += -400 * a * (b - a * a) - 2 * (1 - a)
        grad[1:] += 200 * (b - a * a)
        size = at["w"].size
        grads = {"w": grad[:size].reshape(at["w"].shape), "b": grad[size:].reshape(at["b"].shape)}
        return (100 * (b - a * a) ** 2 + (1 - a) ** 2).sum(), grads

    def in_torch(self) -> torch.Tensor:
        self.calls["theirs"] += 1
        self.torch.zero_grad()
        x = torch.cat([value.reshape(-1) for value in self.theirs.values()])
        a, b = x[:-1], x[1:]
        value = (100 * (b - a * a) ** 2 + (1 - a) ** 2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    def step(self) -> None:
        self.params, self.state = self.optimizer.step(self.params, self.ours, self.state)
        self.torch.step(self.in_torch)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("seed", range(40))
def test_steps_and_calls_are_those_of_torch(seed: int) -> None:
    rng = np.random.default_rng(seed)
    search = seed % 4 != 0
    options = {
        "lr": float(rng.choice([1.0, 0.1, 20.0])) if search else 1e-3,
        "max_iter": int(rng.choice([1, 2, 4])),
        "history_size": int(rng.choice([1, 2, 100])),
        "line_search_fn": "strong_wolfe" if search else None,
        "max_eval": [None, 3, 25][seed % 3],
    }
    run = Valley({"w": frozen(rng.standard_normal((2, 2))), "b": frozen(rng.standard_normal(1))}, options)
    for _ in range(3):
        run.step()
        assert run.calls["ours"] == run.calls["theirs"]
        for name, value in run.theirs.items():
            assert_close(run.params[name], value, str(options), 1e-8)
        theirs = {key: v for key, v in run.torch.state[run.theirs["w"]].items() if key != "al"}
        assert run.state.keys() == theirs.keys()
        assert (run.state["func_evals"], run.state["n_iter"]) == (theirs["func_evals"], theirs["n_iter"])
        for key in ("old_dirs", "old_stps", "ro"):
            assert len(run.state[key]) == len(theirs[key])
        for key in ("d", "prev_flat_grad"):
            assert_close(run.state[key], theirs[key], key, 1e-6)


def test_a_whole_minimisation_ends_where_torchs_does() -> None:
    options = {"line_search_fn": "strong_wolfe", "max_iter": 100}
    run = Valley({"w": np.full((1, 2), -1.0), "b": np.full(1, 2.0)}, options)
    run.step()
    for name, value in run.params.items():
        np.testing.assert_allclose(value, 1.0, rtol=1e-5, err_msg=name)  # the minimum
    assert abs(run.calls["ours"] - run.calls["theirs"]) <= 5  # rounding grows over that many iterations


def test_nothing_moves_where_the_gradient_is_small_and_nothing_passed_in_is_changed() -> None:
    run = Valley({"w": frozen(np.ones((2, 2))), "b": frozen(np.ones(1))}, {})
    run.step()
    assert run.state == {"func_evals": 1, "n_iter": 0}
    assert run.torch.state[run.theirs["w"]]["func_evals"] == 1
    other = Valley({"w": frozen(np.zeros((2, 2))), "b": frozen(np.zeros(1))}, {"lr": 1e-3, "max_iter": 2})
    other.step()
    before = {key: [v.copy() for v in value] for key, value in other.state.items() if isinstance(value, list) and value}
    given = other.state
    other.step()
    for key, values in before.items():
        assert len(given[key]) == len(values) or key == "ro"
        assert all(np.array_equal(one, two) for one, two in zip(given[key], values, strict=True))


def test_defaults_are_those_of_torch() -> None:
    arguments = inspect.signature(torch.optim.LBFGS).parameters
    fields = dataclasses.asdict(optim.LBFGS())
    assert fields == {name: argument.default for name, argument in arguments.items() if name != "params"}


@pytest.mark.parametrize(
    "options", [{"lr": -1.0}, {"lr": float("nan")}, {"line_search_fn": "armijo"}, {"momentum": 0.9}]
)
def test_wrong_options(options: dict[str, Any]) -> None:
    def in_torch() -> None:
        Valley.__init__(run, params, {})
        run.torch = torch.optim.LBFGS(list(run.theirs.values()), **options)
        run.torch.step(run.in_torch)  # type: ignore[no-untyped-call]

    params = {"w": np.zeros((2, 2)), "b": np.zeros(1)}
    run = Valley(params, {})

    def in_numpy() -> None:
        optimizer = optim.LBFGS(**options)
        optimizer.step(params, lambda at: ((at["w"] - 1).sum(), {"w": np.ones((2, 2))}), optimizer.init(params))

    assert_same_refusal(in_torch, in_numpy)

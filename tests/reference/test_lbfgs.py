"""LBFGS against torch.optim: where it arrives, what it keeps, and how often it calls the closure."""

from __future__ import annotations

import dataclasses
import inspect
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from reference import optim
from reference.checks import Array
from tests.reference.against_torch import (
    assert_all_close,
    assert_close,
    assert_refused,
    assert_same_refusal,
    frozen,
    leaf,
    tensor,
)


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


# ------------------------------------------------------------------------------------------------------- scripts

LOSSES = [-0.5, -0.25, -1e-4, 0.0, 1e-4, 0.25, 0.5]
SLOPES = [-2.0, -1.0, -0.9, -0.5, -0.25, 0.0, 0.25, 0.5, 0.9, 1.0, 2.0]
"""what meets the conditions with equality where the first slope is 1"""
CALLS = 80


class Scripted:
    """A closure whose losses and gradients are written down beforehand, wherever it is called.

    Of three parameters the first has a gradient: the search sees a function of one variable, which need not exist.
    """

    def __init__(self, options: dict[str, Any], losses: Array, slopes: Array) -> None:
        self.losses, self.slopes = losses, slopes
        start = {"w": np.array([0.5]), "without": np.array([1.0, 2.0]), "last": np.array([[3.0]])}
        self.optimizer, self.params = optim.LBFGS(**options), start
        self.state = self.optimizer.init(start)
        self.theirs = {name: leaf(value) for name, value in start.items()}
        self.torch = torch.optim.LBFGS(list(self.theirs.values()), **options)
        self.visited: dict[str, list[float]] = {"ours": [], "theirs": []}
        self.over = False

    def ours(self, at: dict[str, Array]) -> tuple[Any, dict[str, Array]]:
        call = len(self.visited["ours"])
        self.visited["ours"].append(at["w"].item())
        return self.losses[call], {"w": self.slopes[call : call + 1]}

    def in_torch(self) -> torch.Tensor:
        call = len(self.visited["theirs"])
        self.visited["theirs"].append(self.theirs["w"].item())
        self.theirs["w"].grad = torch.from_numpy(self.slopes[call : call + 1].copy())
        return torch.tensor(self.losses[call])

    def step_ours(self) -> None:
        with np.errstate(all="ignore"):
            self.params, self.state = self.optimizer.step(self.params, self.ours, self.state)

    def step(self) -> None:
        if self.over:
            return
        try:
            self.torch.step(self.in_torch)  # type: ignore[no-untyped-call]
        except IndexError:  # the only point of a bracket, if its loss is NaN, is not found to be the lowest
            with pytest.raises(IndexError):
                self.step_ours()
            self.over = True
            return
        self.step_ours()
        ours, theirs = (np.array(self.visited[side]) for side in ("ours", "theirs"))
        assert_close(ours, theirs, "places of the calls", 1e-9)
        for name, value in self.theirs.items():
            assert_close(self.params[name], value, name, 1e-9)
        state = self.torch.state[self.theirs["w"]]
        assert self.state.keys() == state.keys() - {"al"}
        for key in ("func_evals", "n_iter", "prev_loss"):
            np.testing.assert_array_equal(self.state.get(key), state.get(key), key)
        assert len(self.state.get("old_dirs") or ()) == len(state.get("old_dirs") or ())

    def step_without_iterations(self) -> None:
        self.optimizer = dataclasses.replace(self.optimizer, max_iter=0)
        self.torch.param_groups[0]["max_iter"] = 0
        self.step()


def random_script(rng: np.random.Generator) -> Scripted:
    options = {
        "lr": float(rng.choice([1.0, 0.5, 4.0, 10.0, 2.0**-14])),
        "max_iter": int(rng.choice([1, 1, 2, 4])),
        "max_eval": int(rng.choice([2, 4, 8, 25])),
        "tolerance_grad": float(rng.choice([0.0, 0.25, -1.0])),
        "tolerance_change": float(rng.choice([1e-9, 0.0625, 0.25, 0.0])),
        "history_size": int(rng.choice([1, 2])),
        "line_search_fn": str(rng.choice(["strong_wolfe"] * 3 + [""])) or None,
    }
    losses, slopes = rng.choice(LOSSES, CALLS), rng.choice(SLOPES, CALLS)
    if rng.random() < 0.5:  # the search goes on where the loss falls
        losses -= 0.25 * rng.choice([0.5, 1, 2]) * np.arange(CALLS)
    kind = rng.integers(5)
    if kind == 0:  # and where it does not become flat
        slopes = np.where(rng.random(CALLS) < 0.7, slopes[0], slopes)
    elif kind == 1:  # a parabola whose minimum is a tenth of the bracket away from its end
        options |= {"lr": 10.0}
        losses[:2], slopes[:2] = (0, 40), (-1, 9)
    elif kind == 2:
        losses[rng.integers(CALLS)] = rng.choice([np.nan, np.inf, -np.inf])
        losses[rng.integers(4)] = rng.choice([np.nan, np.inf, -np.inf])
    return Scripted(options, losses, slopes * rng.choice([1.0, 1.0, 2.0**-14]))


@pytest.mark.parametrize("seed", range(5))
def test_every_branch_of_the_search_is_torchs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(200):
        script = random_script(rng)
        script.step()
        script.step()
        script.step_without_iterations()


@pytest.mark.parametrize(
    ("options", "losses", "slopes"),
    [
        # the product of the last movement and of what it changed is 1e-10, which is not above it
        (
            {"lr": 5e-11, "tolerance_change": 0.0},
            [0.0, -1.0, -2.0, -3.0],
            [-1.0, 1.0, 0.5, 0.25],
        ),
        # the bracket is 1e-9 wide, which is not below it
        ({"lr": 1e-9, "line_search_fn": "strong_wolfe"}, [0.0, 1.0, -1.0], [-1.0, 1.0, 0.5]),
    ],
)
def test_a_bound_that_is_met_exactly(options: dict[str, Any], losses: list[float], slopes: list[float]) -> None:
    rest = np.arange(1.0, CALLS)
    script = Scripted(options | {"max_iter": 3}, np.append(losses, -rest), np.append(slopes, rest % 7 - 3))
    script.step()
    script.step()


def test_what_is_no_array_is_no_parameter() -> None:
    assert_same_refusal(
        lambda: torch.optim.LBFGS([[0.0]]),  # type: ignore[arg-type]
        lambda: optim.LBFGS().init({"w": [0.0]}),  # type: ignore[dict-item]
        "parameter w",
    )


@pytest.mark.parametrize(
    ("grads", "mentions"),
    [
        (
            {"a": np.ones(3), "b": np.ones(1)},
            "gradient of a must have shape (2,)",
        ),  # as many numbers as there should be
        ({"a": np.ones(2), "b": np.ones((2, 1))}, "gradient of b must have shape (2,)"),
        ({"a": np.ones(2, np.float32), "b": np.ones(2)}, "gradient of a must have dtype float64"),
        ({"a": [1.0, 1.0], "b": np.ones(2)}, "gradient of a must be a NumPy array"),
    ],
)
def test_wrong_gradients(grads: dict[str, Any], mentions: str) -> None:
    params = {"a": np.zeros(2), "b": np.zeros(2)}
    optimizer = optim.LBFGS()

    def in_torch() -> None:
        for name, value in params.items():
            leaf(value).grad = tensor(grads[name])

    step = partial(optimizer.step, params, partial(_given, grads), optimizer.init(params))
    assert_same_refusal(in_torch, step, mentions)


def test_parameters_without_elements_are_named_by_their_shapes() -> None:
    params = {"a": np.zeros((0, 2)), "b": np.zeros(0)}
    optimizer = optim.LBFGS()
    step = partial(optimizer.step, params, partial(_given, params), optimizer.init(params))
    assert_refused(step, RuntimeError, "got shapes (0, 2), (0,)")


def _given(grads: dict[str, Any], at: dict[str, Array]) -> tuple[float, dict[str, Any]]:
    """A loss of 1 and these gradients, wherever."""
    return 1.0, grads


def test_a_gradient_for_an_unknown_parameter() -> None:
    params = {"w": np.zeros(2)}
    optimizer = optim.LBFGS()
    for grads in ({"W": np.ones(2)}, {"w": np.ones(2), "W": np.ones(2)}):
        step = partial(optimizer.step, params, partial(_given, grads), optimizer.init(params))
        assert_refused(step, KeyError, "gradient for an unknown parameter W")


def test_a_gradient_of_none_counts_as_zeros() -> None:
    params = {"w": np.ones(2), "without": np.ones((2, 1))}
    theirs = {name: leaf(value) for name, value in params.items()}
    running = torch.optim.LBFGS(list(theirs.values()), lr=0.1)

    def in_torch() -> torch.Tensor:
        theirs["w"].grad = theirs["w"].detach().clone()
        return (theirs["w"] ** 2).sum() / 2

    running.step(in_torch)  # type: ignore[no-untyped-call]
    for missing in ({"without": None}, {}):

        def in_numpy(at: dict[str, Array], missing: dict[str, None] = missing) -> tuple[Any, dict[str, Array | None]]:
            return (at["w"] ** 2).sum() / 2, {"w": at["w"], **missing}

        optimizer = optim.LBFGS(lr=0.1)
        after, _ = optimizer.step(params, in_numpy, optimizer.init(params))
        assert_all_close(after, {name: value.detach().numpy() for name, value in theirs.items()})
        assert not np.array_equal(after["w"], params["w"])


def test_a_line_search_with_a_rate_of_0() -> None:
    """No case: where the loss does not change, simulated rounding would decide the way through the search."""
    param = np.full(2, 1e-3)
    theirs = leaf(param)
    running = torch.optim.LBFGS([theirs], lr=0.0, line_search_fn="strong_wolfe")

    def in_torch() -> torch.Tensor:
        theirs.grad = theirs.detach().clone()
        return (theirs**2).sum() / 2

    def in_numpy(at: dict[str, Array]) -> tuple[Any, dict[str, Array]]:
        return (at["w"] ** 2).sum() / 2, {"w": at["w"]}

    optimizer = optim.LBFGS(lr=0.0, line_search_fn="strong_wolfe")
    assert_same_refusal(
        lambda: running.step(in_torch),  # type: ignore[no-untyped-call]
        lambda: optimizer.step({"w": param}, in_numpy, optimizer.init({"w": param})),
        "rate above 0",
    )


@pytest.mark.parametrize("line_search", [None, "strong_wolfe"])
def test_a_loss_that_the_closure_writes_into_one_array(line_search: str | None) -> None:
    params = {"p": np.array([1.0, 2.0])}
    optimizer = optim.LBFGS(lr=0.1, max_iter=10, line_search_fn=line_search)
    written = np.zeros(())

    def into_one_array(given: dict[str, Array]) -> tuple[Array, dict[str, Array]]:
        written[...] = (given["p"] ** 4).sum()
        return written, {"p": 4 * given["p"] ** 3}

    def anew(given: dict[str, Array]) -> tuple[float, dict[str, Array]]:
        return float((given["p"] ** 4).sum()), {"p": 4 * given["p"] ** 3}

    moved, state = optimizer.step(params, into_one_array, optimizer.init(params))
    expected, other = optimizer.step(params, anew, optimizer.init(params))
    np.testing.assert_array_equal(moved["p"], expected["p"])
    assert state["func_evals"] == other["func_evals"] > 2
    assert state["prev_loss"] == other["prev_loss"]
    assert type(state["prev_loss"]) is float


@pytest.mark.parametrize("loss", [None, [1.0], 1j, np.ones(2)])
def test_a_loss_that_is_no_number(loss: Any) -> None:
    param = torch.ones(2, dtype=torch.float64, requires_grad=True)

    def in_torch() -> Any:
        param.grad = torch.ones(2, dtype=torch.float64)
        return torch.from_numpy(loss) if isinstance(loss, np.ndarray) else loss

    params, optimizer = {"p": np.ones(2)}, optim.LBFGS(max_iter=1)
    with pytest.raises((TypeError, ValueError, RuntimeError)) as refusal:
        torch.optim.LBFGS([param], max_iter=1).step(in_torch)  # type: ignore[no-untyped-call]
    with pytest.raises(refusal.type):
        optimizer.step(params, lambda _: (loss, {"p": np.ones(2)}), optimizer.init(params))


def test_no_iterations_leave_no_history() -> None:
    params, optimizer = {"p": np.ones(2)}, optim.LBFGS(max_iter=0)
    _, state = optimizer.step(
        params, lambda given: ((given["p"] ** 2).sum(), {"p": 2 * given["p"]}), optimizer.init(params)
    )
    param = torch.ones(2, dtype=torch.float64, requires_grad=True)
    theirs = torch.optim.LBFGS([param], max_iter=0)

    def closure() -> torch.Tensor:
        param.grad = 2 * param.detach()
        return (param.detach() ** 2).sum()

    theirs.step(closure)  # type: ignore[no-untyped-call]
    assert {key: value for key, value in state.items() if key != "func_evals"} == {
        key: value for key, value in theirs.state[param].items() if key != "func_evals"
    }


def test_a_loss_in_longdouble_stays_what_it_is() -> None:
    params, optimizer = {"p": np.ones(2, dtype=np.longdouble)}, optim.LBFGS(max_iter=1)
    third = np.longdouble(1) / 3
    _, state = optimizer.step(params, lambda _: (third, {"p": np.ones(2, dtype=np.longdouble)}), optimizer.init(params))
    assert type(state["prev_loss"]) is np.longdouble
    assert state["prev_loss"] == third


def test_a_loss_of_another_class_of_arrays_keeps_its_arithmetic() -> None:
    class Own(np.ndarray[Any, Any]):
        pass

    params, optimizer = {"p": np.ones(2)}, optim.LBFGS(max_iter=1)
    loss = np.array(0.5).view(Own)
    _, state = optimizer.step(params, lambda _: (loss, {"p": np.ones(2)}), optimizer.init(params))
    assert type(state["prev_loss"]) is Own
    assert state["prev_loss"] is not loss
    assert state["prev_loss"] == 0.5

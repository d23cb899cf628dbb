"""Parameter groups, and runs that change sides by torch's state_dict."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from reference import optim
from reference.checks import Array
from tests.reference.against_torch import as_array, assert_all_close, assert_refused, assert_same_refusal, leaf, tensor

ALGORITHMS = [
    *("SGD", "ASGD", "Adagrad", "RMSprop", "Adadelta", "Rprop", "Adam", "AdamW", "Adamax", "NAdam", "RAdam"),
    *("Adafactor", "Muon"),
]
SHAPES = {"w": (3, 2), "v": (2, 4), "u": (4, 3)}
FIRST: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.9},
    "RMSprop": {"momentum": 0.5, "centered": True},
    "Adam": {"amsgrad": True},
}


def draw(rng: np.random.Generator) -> dict[str, Array]:
    return {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}


def groups_of(algorithm: str, params: dict[str, Array]) -> tuple[optim.ParamGroups, Any, dict[str, torch.Tensor]]:
    make = getattr(optim, algorithm)
    options = FIRST.get(algorithm, {})
    ours = optim.ParamGroups([(make(**options), ["w", "u"]), (make(lr=0.05), ["v"])])
    theirs = {name: leaf(value) for name, value in params.items()}
    groups: list[dict[str, Any]] = [
        {"params": [theirs["w"], theirs["u"]], **options},
        {"params": [theirs["v"]], "lr": 0.05},
    ]
    return ours, getattr(torch.optim, algorithm)(groups), theirs


def step_torch(optimizer: Any, theirs: dict[str, torch.Tensor], grads: dict[str, Array]) -> None:
    for name, param in theirs.items():
        param.grad = tensor(grads[name]) if name in grads else None
    optimizer.step()


def with_arrays(saved: dict[str, Any]) -> dict[str, Any]:
    state = {
        index: {key: as_array(value) for key, value in entries.items() if value is not None}
        for index, entries in saved["state"].items()
    }
    return {"state": state, "param_groups": saved["param_groups"]}


def with_tensors(saved: dict[str, Any]) -> dict[str, Any]:
    state = {i: {key: torch.from_numpy(np.array(v)) for key, v in e.items()} for i, e in saved["state"].items()}
    return {"state": state, "param_groups": saved["param_groups"]}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_groups_and_saved_states_are_torchs_and_either_side_continues_the_others_run(algorithm: str) -> None:
    rng = np.random.default_rng(ALGORITHMS.index(algorithm))
    params = draw(rng)
    ours, theirs, tensors = groups_of(algorithm, params)
    state = ours.init(params)
    for step in range(6):
        grads = draw(rng)
        if step == 1:
            del grads["u"]
        params, state = ours.step(params, grads, state)
        step_torch(theirs, tensors, grads)
        assert_all_close(params, tensors, f"step {step}")

        saved, expected = optim.state_dict(ours, state), with_arrays(theirs.state_dict())
        assert saved["state"].keys() == expected["state"].keys()
        for index, entries in expected["state"].items():
            assert_all_close(saved["state"][index], entries, f"step {step}, parameter {index}")
        for own, group in zip(saved["param_groups"], expected["param_groups"], strict=True):
            assert own == {key: group[key] for key in own}
        # now each goes on from what the other has saved
        ours_again, theirs_again, tensors = groups_of(algorithm, params)
        loaded, state = optim.load_state_dict(ours_again, params, expected)
        assert isinstance(loaded, optim.ParamGroups)
        ours = loaded
        theirs = theirs_again
        for own, group in zip(saved["param_groups"], theirs.state_dict()["param_groups"], strict=True):
            own |= {key: group[key] for key in group if key not in own}  # ways of executing
        theirs.load_state_dict(with_tensors(saved))


def test_options_that_were_saved_count() -> None:
    """A rate changed before saving is the rate after loading, in torch and here."""
    changed = dataclasses.replace(optim.Adam(), lr=0.5, betas=(0.5, 0.6))
    saved = optim.state_dict(changed, {"w": {}})
    loaded, state = optim.load_state_dict(optim.Adam(), {"w": np.zeros(2)}, saved)
    assert loaded == changed
    assert state == {"w": {}}


@pytest.mark.parametrize("algorithm", ["Adam", "ASGD", "NAdam"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_loaded_state_has_its_parameters_dtype(algorithm: str, dtype: Any) -> None:
    """Whatever it was saved in, but for the number of steps."""
    param, grad = np.ones(2), np.full(2, 0.5)
    first = leaf(param)
    first.grad = tensor(grad)
    saving = getattr(torch.optim, algorithm)([first])
    saving.step()
    second = leaf(param.astype(dtype))
    loading = getattr(torch.optim, algorithm)([second])
    loading.load_state_dict(saving.state_dict())
    _, state = optim.load_state_dict(
        getattr(optim, algorithm)(), {"w": param.astype(dtype)}, with_arrays(saving.state_dict())
    )
    assert_all_close(state["w"], {key: as_array(value) for key, value in loading.state[second].items()}, tolerance=0)


def test_a_saved_state_is_a_copy() -> None:
    params = {"w": np.ones(2)}
    optimizer = optim.Adam()
    params, state = optimizer.step(params, {"w": np.ones(2)}, optimizer.init(params))
    saved = optim.state_dict(optimizer, state)
    _, loaded = optim.load_state_dict(optimizer, params, saved)
    saved["state"][0]["exp_avg"][:] = 7
    assert state["w"]["exp_avg"][0] != 7
    assert loaded["w"]["exp_avg"][0] != 7


def test_groups_that_do_not_fit() -> None:
    one, two = torch.zeros(2), torch.zeros(2)
    adam = optim.Adam()
    assert_same_refusal(
        lambda: torch.optim.Adam([{"params": [one]}, {"params": [two, one]}]),
        lambda: optim.ParamGroups([(adam, ["one"]), (adam, ["two", "one"])]),
        "more than one",
    )
    assert_same_refusal(lambda: torch.optim.Adam([]), lambda: optim.ParamGroups([]), "empty")
    groups = optim.ParamGroups([(adam, ["w"]), (adam, ["v"])])
    params = {"w": np.zeros(2), "v": np.zeros(2)}
    for unfit, name in (({"w": np.zeros(2)}, "v"), (params | {"u": np.zeros(2)}, "u")):
        for call in (groups.init, lambda p: groups.step(p, {}, groups.init(params))):
            assert_refused(partial(call, unfit), KeyError, f"parameters and groups disagree: {name}")
    assert_refused(lambda: groups.step(params, {"u": np.zeros(2)}, groups.init(params)), KeyError, "parameter u")
    for wrong in (optim.state_dict(adam, {"w": {}}), optim.state_dict(adam, {"w": {}, "v": {}})):
        theirs = torch.optim.Adam([{"params": [one]}, {"params": [two]}])
        assert_same_refusal(
            lambda theirs=theirs, wrong=wrong: theirs.load_state_dict(wrong),  # type: ignore[misc]
            lambda wrong=wrong: optim.load_state_dict(groups, params, wrong),  # type: ignore[misc]
            "number of parameter groups",
        )
    assert_same_refusal(
        lambda: torch.optim.Adam([one, two]).load_state_dict(optim.state_dict(adam, {"w": {}})),
        lambda: optim.load_state_dict(adam, params, optim.state_dict(adam, {"w": {}})),
        "size",
    )

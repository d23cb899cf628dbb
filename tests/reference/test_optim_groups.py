"""Parameter groups, and what is saved and loaded beside the runs that change sides in the cases."""

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


def with_arrays(saved: dict[str, Any]) -> dict[str, Any]:
    state = {
        index: {key: as_array(value) for key, value in entries.items() if value is not None}
        for index, entries in saved["state"].items()
    }
    return {"state": state, "param_groups": saved["param_groups"]}


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
    # and it keeps them in the steps that follow
    second.grad = tensor(grad.astype(dtype))
    loading.step()
    _, state = getattr(optim, algorithm)().step({"w": param.astype(dtype)}, {"w": grad.astype(dtype)}, state)
    for key, value in loading.state[second].items():
        assert state["w"][key].dtype == as_array(value).dtype, key


def test_a_saved_state_is_a_copy() -> None:
    params = {"w": np.ones(2)}
    optimizer = optim.Adam()
    params, state = optimizer.step(params, {"w": np.ones(2)}, optimizer.init(params))
    saved = optim.state_dict(optimizer, state)
    _, loaded = optim.load_state_dict(optimizer, params, saved)
    saved["state"][0]["exp_avg"][:] = 7
    assert state["w"]["exp_avg"][0] != 7
    assert loaded["w"]["exp_avg"][0] != 7


def test_a_saved_history_is_a_copy() -> None:
    params: dict[str, Array] = {"w": np.ones(2), "v": np.full(1, 2.0)}
    optimizer = optim.LBFGS(lr=0.1, max_iter=3)
    after, state = optimizer.step(
        params, lambda at: (sum((p**2).sum() for p in at.values()), at), optimizer.init(params)
    )
    saved = optim.state_dict(optimizer, state, after)
    _, loaded = optim.load_state_dict(optimizer, after, saved)
    saved["state"][0]["d"][:] = 7
    saved["state"][0]["old_dirs"][0][:] = 7
    for entries in (state, loaded):
        assert 7 not in entries["d"]
        assert 7 not in entries["old_dirs"][0]
    assert len(loaded["old_dirs"]) == len(state["old_dirs"]) > 0


def test_lbfgs_has_nothing_to_save_before_its_first_step() -> None:
    params = {"w": np.ones(2), "v": np.ones(1)}
    optimizer = optim.LBFGS(max_iter=7)
    saved = optim.state_dict(optimizer, optimizer.init(params), params)
    tensors = [leaf(value) for value in params.values()]
    assert saved == torch.optim.LBFGS(tensors, max_iter=7).state_dict()
    assert optim.load_state_dict(optim.LBFGS(), params, saved) == (
        dataclasses.replace(optimizer, max_eval=8),
        optimizer.init(params),
    )
    with pytest.raises(TypeError, match="needs params"):
        optim.state_dict(optimizer, optimizer.init(params))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lbfgs_keeps_kinds_of_numbers_and_dtypes_as_torch_does(dtype: Any) -> None:
    start = np.array([1.0, -2.0], dtype)
    options: dict[str, Any] = {"lr": 0.1, "max_iter": 3, "max_eval": 9}
    optimizer = optim.LBFGS(**options)
    after, state = optimizer.step(
        {"w": start}, lambda at: ((at["w"] ** 4).sum(), {"w": 4 * at["w"] ** 3}), {**optimizer.init({"w": start})}
    )
    saved = optim.state_dict(optimizer, state, after)

    theirs = leaf(start)
    running = torch.optim.LBFGS([theirs], **options)

    def closure() -> torch.Tensor:
        running.zero_grad()
        loss = (theirs**4).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    running.step(closure)  # type: ignore[no-untyped-call]
    expected = running.state_dict()
    assert saved["param_groups"] == expected["param_groups"]
    for key in ("prev_loss", "func_evals", "n_iter"):
        assert type(saved["state"][0][key]) is type(expected["state"][0][key])
    loaded, history = optim.load_state_dict(optim.LBFGS(), after, saved)
    assert loaded == optimizer
    for key in ("old_dirs", "old_stps"):
        assert [a.dtype for a in history[key]] == [dtype] * 2
        assert [as_array(a).dtype for a in expected["state"][0][key]] == [dtype] * 2


def test_groups_that_do_not_fit() -> None:
    one, two = torch.zeros(2), torch.zeros(2)
    adam = optim.Adam()
    assert_same_refusal(
        lambda: torch.optim.Adam([{"params": [one]}, {"params": [two, one]}]),
        lambda: optim.ParamGroups([(adam, ["one"]), (adam, ["two", "one"])]),
        "more than one",
    )
    assert_same_refusal(lambda: torch.optim.Adam([]), lambda: optim.ParamGroups([]), "empty")
    assert_same_refusal(
        lambda: torch.optim.LBFGS([{"params": [one]}, {"params": [two]}]),
        lambda: optim.ParamGroups([(adam, ["one"]), (optim.LBFGS(), ["two"])]),  # type: ignore[list-item]
        "LBFGS",
    )
    groups = optim.ParamGroups([(adam, ["w"]), (adam, ["v"])])
    params = {"w": np.zeros(2), "v": np.zeros(2)}
    for unfit, name in (({"w": np.zeros(2)}, "v"), (params | {"u": np.zeros(2)}, "u")):
        for call in (groups.init, lambda p: groups.step(p, {}, groups.init(params))):
            assert_refused(partial(call, unfit), KeyError, f"parameters and groups disagree: {name}")
    assert_refused(
        lambda: groups.step(params, {"u": np.zeros(2)}, groups.init(params)),
        KeyError,
        "gradient for an unknown parameter u",
    )
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


@pytest.mark.parametrize(
    ("saving", "loading", "missing"),
    [
        ("Adam", "SGD", "momentum, dampening"),
        ("SGD", "Adam", "betas, eps"),
        ("SGD", "LBFGS", "max_iter"),
    ],
)
def test_another_algorithms_state(saving: str, loading: str, missing: str) -> None:
    """torch loads it, and misses the options in the next step."""
    theirs = leaf(np.ones(2))
    theirs.grad = torch.ones_like(theirs)
    saved = getattr(torch.optim, saving)([theirs]).state_dict()

    def in_torch() -> None:
        running = getattr(torch.optim, loading)([theirs])
        running.load_state_dict(saved)
        running.step(*([lambda: torch.tensor(1.0)] if loading == "LBFGS" else []))

    optimizer = getattr(optim, loading)()
    assert_same_refusal(
        in_torch, lambda: optim.load_state_dict(optimizer, {"w": np.ones(2)}, saved), f"{loading}: {missing}"
    )


@pytest.mark.parametrize("saving", ["Adam", "AdamW"])
@pytest.mark.parametrize("loading", ["Adam", "AdamW"])
def test_decay_is_decoupled_where_it_was_and_always_in_adamw(saving: str, loading: str) -> None:
    param, grad = np.ones(2), np.array([0.5, -2.0])
    saved = getattr(torch.optim, saving)([leaf(param)], lr=0.1, weight_decay=0.5).state_dict()
    theirs = leaf(param)
    theirs.grad = tensor(grad)
    running = getattr(torch.optim, loading)([theirs])
    running.load_state_dict(saved)
    running.step()
    optimizer, state = optim.load_state_dict(getattr(optim, loading)(), {"w": param}, saved)
    assert dataclasses.asdict(optimizer)["decoupled_weight_decay"] == ("AdamW" in (saving, loading))
    assert_all_close(optimizer.step({"w": param}, {"w": grad}, state)[0], {"w": as_array(theirs)})


ADDED_LATER = [
    ("SGD", "nesterov"), ("SGD", "maximize"), ("RMSprop", "centered"), ("RMSprop", "maximize"), ("Adam", "amsgrad"),
    ("Adam", "maximize"), ("Adam", "decoupled_weight_decay"), ("NAdam", "decoupled_weight_decay"),
    ("RAdam", "maximize"), ("AdamW", "decoupled_weight_decay"), ("SparseAdam", "maximize"),
]  # fmt: skip


@pytest.mark.parametrize(("algorithm", "option"), ADDED_LATER)
def test_an_option_that_an_older_torch_did_not_save_is_as_torch_takes_it(algorithm: str, option: str) -> None:
    saved = getattr(torch.optim, algorithm)([leaf(np.ones(2))], lr=0.5).state_dict()
    del saved["param_groups"][0][option]
    theirs = getattr(torch.optim, algorithm)([leaf(np.ones(2))])
    theirs.load_state_dict(saved)
    loaded = dataclasses.asdict(optim.load_state_dict(getattr(optim, algorithm)(), {"w": np.ones(2)}, saved)[0])
    assert loaded["lr"] == 0.5
    assert loaded[option] == theirs.param_groups[0].get(option, False)

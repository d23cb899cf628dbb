"""Arguments that are left out mean what they mean in torch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import pytest
import torch
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_, clip_grad_value_, get_total_norm
from torch.nn.utils import rnn as sequences
from torch.optim import lr_scheduler

from reference import clip, gru, initializers, linear, losses, lstm, optim, packing, rnn, schedules

Function = Callable[..., Any]


def pairs() -> Iterator[tuple[str, Function, Function]]:
    """Ours and torch's, for what has the same arguments on both sides."""
    modules = (optim, torch.optim), (schedules, lr_scheduler), (losses, functional), (packing, sequences)
    for ours, theirs in modules:
        for name in vars(ours):
            if getattr(vars(ours)[name], "__module__", "").startswith(ours.__name__) and hasattr(theirs, name):
                yield name, vars(ours)[name], getattr(theirs, name)
    for name in vars(initializers):
        in_torch = name if name == "calculate_gain" else f"{name.removesuffix('_std').removesuffix('_bound')}_"
        if hasattr(torch.nn.init, in_torch):
            yield name, getattr(initializers, name), getattr(torch.nn.init, in_torch)
    yield "clip_grad_norm", clip.clip_grad_norm, clip_grad_norm_
    yield "clip_grad_value", clip.clip_grad_value, clip_grad_value_
    yield "total_norm", clip.total_norm, get_total_norm
    for network in (rnn, lstm, gru):
        yield f"{network.__name__}.forward", network.forward, sequences.pack_padded_sequence


PAIRS = {name: (ours, theirs) for name, ours, theirs in pairs()}


def defaults(function: Function) -> dict[str, object]:
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_left_out_is_what_torch_takes(name: str) -> None:
    ours, theirs = (defaults(function) for function in PAIRS[name])
    shared = ours.keys() & theirs.keys()
    assert {key: ours[key] for key in shared} == {key: theirs[key] for key in shared}


def test_all_of_torchs_defaults_are_compared_for_algorithms_and_schedules() -> None:
    compared = {name: set(defaults(ours)) & set(defaults(theirs)) for name, (ours, theirs) in PAIRS.items()}
    assert len(compared) > 40
    for name in ("SGD", "Adam", "LBFGS", "Muon", "OneCycleLR", "ReduceLROnPlateau", "cross_entropy", "kaiming_uniform"):
        assert len(compared[name]) >= 3, name


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (rnn.RNN, torch.nn.RNN),
        (rnn.RNNCell, torch.nn.RNNCell),
        (lstm.LSTM, torch.nn.LSTM),
        (lstm.LSTMCell, torch.nn.LSTMCell),
        (gru.GRU, torch.nn.GRU),
        (gru.GRUCell, torch.nn.GRUCell),
    ],
)
def test_a_network_of_two_sizes_is_the_one_that_torch_builds(ours: Any, theirs: Any) -> None:
    model, module = ours(2, 3), theirs(2, 3)
    assert {field.name: getattr(model, field.name) for field in fields(ours)} == {
        field.name: getattr(module, field.name) for field in fields(ours)
    }


def test_linear_has_a_bias_by_default() -> None:
    assert linear.Linear(2, 3).bias == (torch.nn.Linear(2, 3).bias is not None)

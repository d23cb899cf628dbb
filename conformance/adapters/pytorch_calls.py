"""Calls that may be wrong, made on torch: what it refuses, with which class and when, is the expectation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence

from conformance.adapters.pytorch_tensors import dtype_of, sparse
from conformance.case import Array, Case
from conformance.refusals import Call, arguments, arrays

INPUTS = ("input", "h_0", "c_0", "hx", "cx", "lengths")
"""what a module is called with; a case's other arrays are its parameters"""


def call(case: Case) -> object:
    """Make a case's call, and let the exception out."""
    where, _, name = case.config["call"].rpartition(".")
    return CALLS[where](name, arguments(case.config), case)


def _module(name: str, given: dict[str, Any], case: Case) -> object:
    model = getattr(torch.nn, name)(**given, dtype=dtype_of(case))
    tensors = {key: _tensor(value) for key, value in arrays(case).items()}
    if "input" not in tensors:
        return model
    model.load_state_dict({key: value for key, value in tensors.items() if key not in INPUTS})
    signal: Any = tensors["input"]
    if "lengths" in tensors:
        signal = pack_padded_sequence(
            signal, tensors["lengths"], given["batch_first"], case.config.get("enforce_sorted", True)
        )
    initial = [tensors[key] for key in ("h_0", "c_0", "hx", "cx") if key in tensors]
    if name == "Linear" or not initial:
        return model(signal)
    return model(signal, tuple(initial) if name.startswith("LSTM") else initial[0])


def _function(name: str, given: dict[str, Any], case: Case) -> object:
    tensors = {key: _tensor(value) for key, value in arrays(case).items()}
    return getattr(torch.nn.functional, name)(**tensors, **given)


def _initializer(name: str, given: dict[str, Any], case: Case) -> object:
    function = getattr(torch.nn.init, name)
    if "shape" not in given:
        return function(**given)
    return function(torch.empty(given.pop("shape"), dtype=torch.float64), **given)


def _optimizer(name: str, given: dict[str, Any], case: Case) -> object:
    tensors = {key: _tensor(value) for key, value in arrays(case).items()}
    params = {key[6:]: value.requires_grad_() for key, value in tensors.items() if key.startswith("param.")}
    optimizer = getattr(torch.optim, name)(list(params.values()), **given)
    if "steps" in case.config:  # an algorithm whose step takes a closure
        return optimizer.step(lambda: _sum_of_squares(optimizer, params))
    for key, param in params.items():
        if f"grad.{key}.rows" in tensors:
            param.grad = sparse(tensors[f"grad.{key}.rows"], tensors[f"grad.{key}.values"], param)
        elif f"grad.{key}" in tensors:
            param.grad = tensors[f"grad.{key}"]
    with torch.sparse.check_sparse_tensor_invariants():  # type: ignore[no-untyped-call]  # torch warns where nobody says whether to
        return optimizer.step() if any(key.startswith("grad.") for key in tensors) else optimizer


def _sum_of_squares(optimizer: torch.optim.Optimizer, params: dict[str, torch.Tensor]) -> torch.Tensor:
    optimizer.zero_grad()
    total: torch.Tensor = torch.stack([(param * param).sum() for param in params.values()]).sum()
    total.backward()  # type: ignore[no-untyped-call]
    return total


def _clip(name: str, given: dict[str, Any], case: Case) -> object:
    params = []
    for value in arrays(case).values():
        params.append(torch.zeros(value.shape, dtype=torch.float64, requires_grad=True))
        params[-1].grad = _tensor(value)
    return getattr(torch.nn.utils, name)(params, **given)


def _schedule(name: str, given: dict[str, Any], case: Case) -> object:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    schedule = _made(name, given, optimizer)
    for _ in range(case.config.get("steps", 0)):
        optimizer.step()
        schedule.step()
    return schedule


def _made(name: str, given: dict[str, Any], optimizer: torch.optim.Optimizer) -> Any:
    kind = getattr(torch.optim.lr_scheduler, name)
    if "schedulers" in given:
        given = given | {"schedulers": [_made(part, options, optimizer) for part, options in given["schedulers"]]}
    return kind(**given) if name == "ChainedScheduler" else kind(optimizer, **given)


def _tensor(array: Array) -> torch.Tensor:
    return torch.from_numpy(np.array(array))


CALLS: dict[str, Call] = {
    "nn": _module,
    "nn.functional": _function,
    "nn.init": _initializer,
    "nn.utils": _clip,
    "optim": _optimizer,
    "optim.lr_scheduler": _schedule,
}

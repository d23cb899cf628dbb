"""torch's optimizers, step by step, one tensor at a time."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from conformance.adapters import switching
from conformance.adapters.options import constructor_arguments, groups_of, last_step, options_of
from conformance.adapters.pytorch_tensors import Tensors, array_of, leaf, number_of, sparse
from conformance.case import Array, Case
from conformance.cases.optimizer_switched import LOADED_OTHERWISE
from conformance.trace import Trace


def optimizer(case: Case) -> Trace:
    params = {name: leaf(value) for name, value in case.params().items()}
    return _steps(case, params, _optimizer_of(case, params), range(1, last_step(case) + 1))


optimizer_groups = optimizer_sparse = optimizer_closure = optimizer


def optimizer_switched(case: Case) -> Trace:
    """torch's own run, which nothing interrupts unless torch itself changes a dtype where it loads a state."""
    return switching.run(case, _until_switch, _steps_on)


def _until_switch(case: Case) -> tuple[Trace, tuple[Tensors, torch.optim.Optimizer]]:
    params = {name: leaf(value) for name, value in case.params().items()}
    algorithm = _optimizer_of(case, params)
    return _steps(case, params, algorithm, range(1, case.config["switch_after"] + 1)), (params, algorithm)


def _steps_on(case: Case, running: tuple[Tensors, torch.optim.Optimizer]) -> Trace:
    params, algorithm = running
    if case.config["algorithm"] in LOADED_OTHERWISE:
        algorithm.load_state_dict(algorithm.state_dict())
    k = case.config["switch_after"]
    arrived = _run_trace(case, k, params, algorithm)
    return arrived | _steps(case, params, algorithm, range(k + 1, last_step(case) + 1))


def until_switch(case: Case) -> tuple[Trace, Any]:
    """The first steps, and the parameters and the ``state_dict`` that they end with, its tensors made arrays."""
    trace, (params, algorithm) = _until_switch(case)
    saved = algorithm.state_dict()
    state = {
        index: {key: _shared(value) for key, value in entries.items()} for index, entries in saved["state"].items()
    }
    arrays = {name: array_of(param) for name, param in params.items()}
    return trace, (arrays, {"state": state, "param_groups": saved["param_groups"]})


def _shared(value: Any) -> Any:
    """An entry of a state with arrays in place of tensors, which share their memory."""
    if isinstance(value, list):
        return [_shared(entry) for entry in value]
    return value.detach().numpy() if isinstance(value, torch.Tensor) else value


def from_switch(case: Case, handed_over: Any) -> Trace:
    """What has arrived, and the steps after it: by an optimizer of torch's defaults, whose options were saved too."""
    arrays, saved = handed_over
    params = {name: leaf(value.copy()) for name, value in arrays.items()}
    groups = [names for _, names in groups_of(case)] if "groups" in case.config else [list(params)]
    made = _made(
        {"algorithm": case.config["algorithm"]}, [{"params": [params[name] for name in names]} for names in groups]
    )
    state = {
        index: {key: _as_tensor(value) for key, value in entries.items()} for index, entries in saved["state"].items()
    }
    made.load_state_dict({"state": state, "param_groups": saved["param_groups"]})
    return _steps_on(case, (params, made))


def _as_tensor(value: Any) -> Any:
    """An entry of a state with tensors in place of arrays, which share their memory: torch works in it."""
    if isinstance(value, list):
        return [_as_tensor(entry) for entry in value]
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


def _optimizer_of(case: Case, params: Tensors) -> torch.optim.Optimizer:
    if "groups" not in case.config:
        return make_optimizer(options_of(case), params)
    groups = [
        constructor_arguments(own) | {"params": [params[name] for name in names]} for own, names in groups_of(case)
    ]
    return _made(options_of(case), groups)


def _steps(case: Case, params: Tensors, algorithm: torch.optim.Optimizer, numbers: Iterable[int]) -> Trace:
    """Some steps of a case, whose rates are one for all groups or one for each."""
    trace: Trace = {}
    for k in numbers:
        if f"step{k}.lr" in case:
            rates = np.broadcast_to(case[f"step{k}.lr"], len(algorithm.param_groups))
            for group, rate in zip(algorithm.param_groups, rates, strict=True):
                group["lr"] = float(rate)
        if "objective" in case.config:
            closure = _Closure(case, params)
            algorithm.step(closure)  # type: ignore[arg-type]
            trace[f"step{k}.calls"] = np.asarray(closure.calls)
        else:
            for name, param in params.items():
                param.grad = _gradient(case, f"step{k}.grad.{name}", param)
            with torch.sparse.check_sparse_tensor_invariants():  # type: ignore[no-untyped-call]  # torch warns where nobody says whether to
                algorithm.step()
        trace |= _run_trace(case, k, params, algorithm)
    return trace


def _gradient(case: Case, name: str, param: torch.Tensor) -> torch.Tensor | None:
    if f"{name}.rows" in case:
        return sparse(torch.from_numpy(case[f"{name}.rows"]), torch.from_numpy(case[f"{name}.values"]), param)
    return torch.from_numpy(case[name]) if name in case else None


class _Closure:
    """The loss of a case at its parameters, with their gradients, and how often it was asked for."""

    def __init__(self, case: Case, params: Tensors) -> None:
        self.objective = case.config["objective"]
        self.matrix, self.vector = torch.from_numpy(case["matrix"]), torch.from_numpy(case["vector"])
        self.params = params
        self.calls = 0

    def __call__(self) -> torch.Tensor:
        self.calls += 1
        for param in self.params.values():
            param.grad = None
        z = torch.cat([param.reshape(-1) for param in self.params.values()])
        if self.objective == "quadratic":
            value = z @ self.matrix @ z / 2 - self.vector @ z
        else:
            value = (100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value


def _run_trace(case: Case, k: int, params: Tensors, algorithm: torch.optim.Optimizer) -> Trace:
    if "objective" not in case.config:
        return step_trace(k, params, algorithm)
    trace: Trace = {}
    for key, value in algorithm.state[next(iter(params.values()))].items():
        # al is scratch, of the last iteration
        if key != "al" and value is not None and not (isinstance(value, list) and not value):
            trace[f"step{k}.state.{key}"] = _closure_state(value, case)
    return trace | {f"step{k}.param.{name}": array_of(param) for name, param in params.items()}


def _closure_state(value: Any, case: Case) -> Array:
    """LBFGS keeps tensors, lists of tensors, Python's floats and counts."""
    if isinstance(value, list):
        return np.stack([array_of(entry) for entry in value])
    if isinstance(value, float):
        return number_of(value, case)
    return array_of(value) if isinstance(value, torch.Tensor) else np.asarray(value)


def make_optimizer(config: Mapping[str, Any], params: Tensors) -> torch.optim.Optimizer:
    """The algorithm of a case's configuration over named parameters, one tensor at a time."""
    return _made(config, list(params.values()))


def _made(config: Mapping[str, Any], params: list[Any]) -> torch.optim.Optimizer:
    algorithm = getattr(torch.optim, config["algorithm"])
    # foreach=False selects the single-tensor path; not all take fused, which is off then too
    ways = {"foreach": False} if "foreach" in inspect.signature(algorithm).parameters else {}
    made: torch.optim.Optimizer = algorithm(params, **constructor_arguments(config), **ways)
    return made


def step_trace(k: int, params: Tensors, algorithm: torch.optim.Optimizer) -> Trace:
    trace = {f"step{k}.param.{name}": array_of(param) for name, param in params.items()}
    for name, param in params.items():
        for key, value in algorithm.state.get(param, {}).items():
            if value is not None:
                # SparseAdam counts its steps in a Python int; after sparse gradients SGD's velocity is sparse
                array = array_of(value.to_dense()) if isinstance(value, torch.Tensor) else np.asarray(value)
                trace[f"step{k}.state.{name}.{key}"] = array
    return trace

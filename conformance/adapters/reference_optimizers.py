"""The reference's optimizers, step by step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from conformance.adapters import reference_calls, switching
from conformance.adapters.options import constructor_arguments, groups_of, last_step, options_of
from conformance.case import Array, Case
from conformance.trace import Trace
from reference import optim


def optimizer(case: Case) -> Trace:
    trace, _ = _steps(case, _begun(case), range(1, last_step(case) + 1))
    return trace


optimizer_groups = optimizer_sparse = optimizer_closure = optimizer


def optimizer_switched(case: Case) -> Trace:
    """The reference goes on with what it has itself saved: the run that tolerances and the arbiter come from."""
    return switching.run(case, until_switch, from_switch)


def until_switch(case: Case) -> tuple[Trace, Any]:
    """The first steps, and the parameters and the ``state_dict`` that they end with."""
    trace, run = _steps(case, _begun(case), range(1, case.config["switch_after"] + 1))
    return trace, (run.params, optim.state_dict(run.algorithm, run.state, run.params))


def from_switch(case: Case, handed_over: Any) -> Trace:
    """What has arrived, and the steps after it: by an optimizer of torch's defaults, whose options were saved too."""
    params, saved = handed_over
    made: Any = getattr(optim, case.config["algorithm"])()
    if "groups" in case.config:
        made = optim.ParamGroups([(made, group["params"]) for group in case.config["groups"]])
    run = _Run(*optim.load_state_dict(made, params, saved), params)
    k = case.config["switch_after"]
    trace, _ = _steps(case, run, range(k + 1, last_step(case) + 1))
    return _run_trace(case, k, run) | trace


class _Run(NamedTuple):
    """How far an optimizer has come."""

    algorithm: Any
    state: Any
    params: dict[str, Array]


def _begun(case: Case) -> _Run:
    options = options_of(case)
    algorithm: Any
    if "groups" in case.config:
        members = [(make_optimizer(options | own), names) for own, names in groups_of(case)]
        algorithm = optim.ParamGroups(members)
    else:
        algorithm = make_optimizer(options)
    params = case.params()
    return _Run(algorithm, algorithm.init(params), params)


def _steps(case: Case, run: _Run, numbers: Iterable[int]) -> tuple[Trace, _Run]:
    """Some steps of a case, whose rates are one for all groups or one for each."""
    algorithm, state, params = run
    trace: Trace = {}
    for k in numbers:
        if f"step{k}.lr" in case:
            algorithm = _with_rates(algorithm, case[f"step{k}.lr"])
        if "objective" in case.config:
            closure = _Closure(case)
            params, state = algorithm.step(params, closure, state)
            trace[f"step{k}.calls"] = np.asarray(closure.calls)
        else:
            params, state = algorithm.step(params, _gradients(case, k), state)
        trace |= _run_trace(case, k, _Run(algorithm, state, params))
    return trace, _Run(algorithm, state, params)


def _with_rates(algorithm: Any, rates: Array) -> Any:
    if isinstance(algorithm, optim.ParamGroups):
        rated = zip(algorithm.groups, np.broadcast_to(rates, len(algorithm.groups)), strict=True)
        return optim.ParamGroups([(_with_rates(member, rate), names) for (member, names), rate in rated])
    return replace(algorithm, lr=float(rates))


def _gradients(case: Case, k: int) -> dict[str, Any]:
    return reference_calls.with_sparse(case.params(f"step{k}.grad."))


class _Closure:
    """The loss of a case and its gradients at some parameters, and how often they were asked for."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.objective = _OBJECTIVES[case.config["objective"]]
        self.calls = 0

    def __call__(self, at: Mapping[str, Array]) -> tuple[Any, dict[str, Array]]:
        self.calls += 1
        flat = np.concatenate([value.reshape(-1) for value in at.values()])
        loss, gradient = self.objective(flat, self.case)
        grads, start = {}, 0
        for name, value in at.items():
            grads[name] = gradient[start : start + value.size].reshape(value.shape)
            start += value.size
        return loss, grads


def _run_trace(case: Case, k: int, run: _Run) -> Trace:
    if "objective" not in case.config:
        return step_trace(k, run.params, run.state)
    trace = {f"step{k}.state.{key}": _stacked(value, case) for key, value in run.state.items() if not _empty(value)}
    return trace | {f"step{k}.param.{name}": value for name, value in run.params.items()}


def _quadratic(z: Array, case: Case) -> tuple[Any, Array]:
    slope = case["matrix"] @ z
    return z.dot(slope) / 2 - case["vector"].dot(z), slope - case["vector"]


def _rosenbrock(z: Array, case: Case) -> tuple[Any, Array]:
    valley, distance = z[1:] - z[:-1] * z[:-1], 1 - z[:-1]
    gradient = np.zeros_like(z)
    gradient[:-1] = -400 * z[:-1] * valley - 2 * distance
    gradient[1:] = gradient[1:] + 200 * valley
    return (100 * valley * valley + distance * distance).sum(), gradient


_OBJECTIVES = {"quadratic": _quadratic, "rosenbrock": _rosenbrock}


def _empty(value: Any) -> bool:
    return isinstance(value, list) and not value


def _stacked(value: Any, case: Case) -> Array:
    """An entry of LBFGS' state as an array; counts stay whole numbers."""
    array = np.stack([np.asanyarray(entry) for entry in value]) if isinstance(value, list) else np.asanyarray(value)
    return array.astype(case.dtype) if array.dtype.kind == "f" else array


def make_optimizer(config: Mapping[str, Any]) -> optim.Optimizer:
    """The algorithm of a case's configuration."""
    algorithm: optim.Optimizer = getattr(optim, config["algorithm"])(**constructor_arguments(config))
    return algorithm


def step_trace(k: int, params: Mapping[str, Array], state: Mapping[str, Mapping[str, Array]]) -> Trace:
    """Parameters and state after step k, under the names that a trace gives them."""
    trace = {f"step{k}.param.{name}": value for name, value in params.items()}
    for name, entries in state.items():
        trace |= {f"step{k}.state.{name}.{key}": value for key, value in entries.items()}
    return trace

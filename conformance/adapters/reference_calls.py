"""Calls that may be wrong, made on the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from conformance.case import Array, Case
from conformance.refusals import Call, arguments, arrays
from reference import activations, clip, gru, initializers, linear, losses, lstm, optim, rnn, schedules

MODULES = {"RNN": rnn, "LSTM": lstm, "GRU": gru, "Linear": linear}
STATES = ("h_0", "c_0", "hx", "cx")


def call(case: Case) -> object:
    """Make a case's call, and let the exception out."""
    where, _, name = case.config["call"].rpartition(".")
    return CALLS[where](name, arguments(case.config), case)


def _module(name: str, given: dict[str, Any], case: Case) -> object:
    module: Any = MODULES[name.removesuffix("Cell")]
    model = getattr(module, name)(**given)
    values = arrays(case)
    if "input" not in values:
        return model
    params = {key: value for key, value in values.items() if key not in ("input", "lengths", *STATES)}
    initial = [values[key] for key in STATES if key in values]
    if name.endswith("Cell"):
        return module.cell_forward(model, params, values["input"], *initial)
    options = {"lengths": values["lengths"]} if "lengths" in values else {}
    options |= {key: case.config[key] for key in ("enforce_sorted",) if key in case.config}
    return module.forward(model, params, values["input"], *initial, **options)


def _function(name: str, given: dict[str, Any], case: Case) -> object:
    values = arrays(case)
    if "target" in values:
        return getattr(losses, name)(**values, **given)
    return getattr(activations, name)(values["input"], **given)


def _initializer(name: str, given: dict[str, Any], case: Case) -> object:
    if name == "calculate_gain":
        return initializers.calculate_gain(**given)
    return getattr(initializers, name.removesuffix("_"))(**given, rng=np.random.default_rng(0))


def _optimizer(name: str, given: dict[str, Any], case: Case) -> object:
    values = arrays(case)
    optimizer: Any = getattr(optim, name)(**given)
    params = {key[6:]: value for key, value in values.items() if key.startswith("param.")}
    state = optimizer.init(params)
    if "steps" in case.config:  # an algorithm whose step takes a closure
        return optimizer.step(params, _sum_of_squares, state)
    grads = with_sparse({key[5:]: value for key, value in values.items() if key.startswith("grad.")})
    return optimizer.step(params, grads, state) if grads else optimizer


def with_sparse(grads: Mapping[str, Any]) -> dict[str, Any]:
    """Gradients by name, those given as ``<name>.rows`` and ``<name>.values`` made sparse ones."""
    made = dict(grads)
    for name in [name.removesuffix(".rows") for name in grads if name.endswith(".rows")]:
        made[name] = optim.SparseGradient(made.pop(f"{name}.rows"), made.pop(f"{name}.values"))
    return made


def _sum_of_squares(params: dict[str, Array]) -> tuple[Any, dict[str, Array]]:
    return sum((param * param).sum() for param in params.values()), {name: 2 * param for name, param in params.items()}


def _clip(name: str, given: dict[str, Any], case: Case) -> object:
    return getattr(clip, name.removesuffix("_"))(arrays(case), **given)


def _schedule(name: str, given: dict[str, Any], case: Case) -> object:
    schedule = _made(name, given)
    for t in range(1, case.config.get("steps", 0) + 1):
        schedule.rate(0.1, t)
    return schedule


def _made(name: str, given: dict[str, Any]) -> Any:
    if "schedulers" in given:
        given = given | {"schedulers": [_made(part, options) for part, options in given["schedulers"]]}
    return getattr(schedules, name)(**given)


CALLS: dict[str, Call] = {
    "nn": _module,
    "nn.functional": _function,
    "nn.init": _initializer,
    "nn.utils": _clip,
    "optim": _optimizer,
    "optim.lr_scheduler": _schedule,
}

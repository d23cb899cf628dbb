"""Optimizers, constructed and stepped."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Any

import numpy as np

from conformance.case import Array, Build, Case
from conformance.cases import optimizer, optimizer_closure, optimizer_sparse
from conformance.cases.error.call import Change, call_of, with_changes


def cases() -> Iterator[Case]:
    for algorithm in (*optimizer.DEFAULTS, "SparseAdam", "LBFGS"):
        yield from _optimizers(algorithm)


WRONG: dict[str, list[Any]] = {
    "lr": [-0.1, nan],
    "momentum": [-0.1],
    "weight_decay": [-0.1],
    "dampening": [-0.1],
    "eps": [-1e-8, 0.0, nan],
    "betas": [[-0.1, 0.999], [1.0, 0.999], [0.9, -0.1], [0.9, 1.0], [0.9, 1.5], [0.0, 0.0], [0.9, nan]],
    "alpha": [-0.1, 1.5],
    "rho": [-0.1, 1.0, 1.5],
    "lr_decay": [-0.1],
    "initial_accumulator_value": [-0.1],
    "lambd": [-0.1],
    "t0": [-1.0],
    "etas": [[0.0, 1.2], [1.0, 1.2], [0.5, 1.0], [1.2, 0.5]],
    "step_sizes": [[50.0, 1e-6], [-1.0, 1.0]],
    "momentum_decay": [-0.1],
    "beta2_decay": [0.1],
    "d": [0.5],
    "ns_steps": [0, 100],
    "ns_coefficients": [[1.0, 2.0]],
    "adjust_lr_fn": ["original", "none"],
    "max_iter": [0, -1],
    "history_size": [0],
    "line_search_fn": ["wolfe"],
}
"""for each argument values at and beyond its limits; which of them torch refuses is for torch to say"""


def _optimizers(algorithm: str) -> Iterator[Case]:
    call = f"optim.{algorithm}"
    defaults = {"SparseAdam": optimizer_sparse.DEFAULTS, "LBFGS": optimizer_closure.DEFAULTS}.get(algorithm)
    config = optimizer.DEFAULTS[algorithm] if defaults is None else defaults

    def params(rng: np.random.Generator) -> dict[str, Array]:
        return {"param.weight": rng.standard_normal((3, 4))}

    for name, values in WRONG.items():
        for value in values if name in config and (algorithm, name) != ("Adafactor", "eps") else []:
            yield from call_of(
                call, f"{name}-{_said(value)}", config | {name: value}, params, f"{name} at or beyond its limits"
            )
    if algorithm == "Adafactor":
        for pair in ([-1.0, 1e-3], [None, -1.0], [0.0, 0.0]):
            yield from call_of(call, f"eps-{_said(pair)}", config | {"eps": pair}, params, "one of two at its limit")
    if algorithm == "AdamW":
        coupled = config | {"decoupled_weight_decay": False}
        note = "AdamW's decay is always decoupled"
        yield from call_of(call, "decoupled_weight_decay-unknown-argument", coupled, params, note)
    if algorithm == "SGD":
        nesterov = config | {"nesterov": True}
        yield from call_of(call, "nesterov", nesterov, params, "there is nothing to look ahead along")
        for dampening in (0.1, 0):
            description = f"nesterov-dampening-{_said(dampening)}"
            wrong = nesterov | {"momentum": 0.9, "dampening": dampening}
            yield from call_of(call, description, wrong, params, "Nesterov's form is without dampening")
    yield from call_of(call, "unknown-argument", config | {"learning_rate": 0.1}, params, "Keras' name for lr")
    yield from call_of(call, "no-parameters", config, lambda rng: {}, "nothing to optimize")
    if algorithm == "LBFGS":
        unknown = "an unknown line search is refused when it is needed"
        wolfe = {"line_search_fn": "strong_wolfe"}
        closures: list[tuple[str, dict[str, Any], Build, str]] = [
            ("line_search_fn-wolfe", {"line_search_fn": "wolfe"}, params, unknown),
            ("line_search_fn-strong_wolfe", wolfe, params, unknown),
            ("history_size-0", {"history_size": 0}, params, "no room for the first pair"),
            ("history_size-minus_1", {"history_size": -1}, params, "less than no room"),
            ("no-elements", {}, lambda rng: {"param.weight": np.zeros((0, 4))}, "no gradient is the largest"),
        ]
        for description, changed, arrays, note in closures:
            yield from call_of(call, f"{description}-step", config | changed, arrays, note, steps=1)
        return
    steps: list[tuple[str, Change, dict[str, Any], str]] = [
        ("grad-shape", {"grad.weight": (3, 5)}, {}, "a gradient of another shape"),
        ("grad-transposed", {"grad.weight": (4, 3)}, {}, "a gradient the other way round"),
        ("grad-row", {"grad.weight": (4,)}, {}, "a gradient that would broadcast"),
        (
            "grad-float32",
            {"grad.weight": (3, 4)},
            {"dtypes": {"grad.weight": "float32"}},
            "a gradient of another dtype",
        ),
    ]
    rows = {"grad.weight.rows": [2, 0], "grad.weight.values": (2, 4)}
    steps.append(("grad-sparse", rows, {}, "a gradient of some rows"))
    if algorithm in ("SGD", "Adagrad"):
        decaying = {"options": {"weight_decay": 0.1}}
        steps.append(("grad-sparse-weight_decay", rows, decaying, "the decay is of all rows"))
    steps.append(("grad-dense", {"grad.weight": (3, 4)}, {}, "a gradient of every row"))
    if algorithm in ("Muon", "Adafactor"):
        vector = {"param.weight": (4,), "grad.weight": (4,)}
        steps.append(("vector", vector, {}, "a parameter that is no matrix"))
    if algorithm == "Muon":
        for name, value in (("ns_steps", 100), ("ns_coefficients", [1.0, 2.0])):
            dense = {"grad.weight": (3, 4)}
            steps.append((f"{name}-{_said(value)}-step", dense, {"options": {name: value}}, "refused when it is used"))
    for description, change, others, note in steps:

        def build(rng: np.random.Generator, change: Change = change) -> dict[str, Array]:
            return with_changes(params(rng), change, rng)

        options = others.get("options", {})
        dtypes = {key: value for key, value in others.items() if key == "dtypes"}
        yield from call_of(call, description, config | options, build, note, **dtypes)


def _said(value: Any) -> str:
    """A value as part of an id."""
    if isinstance(value, list):
        return "-".join(map(_said, value))
    return str(value).replace("-", "minus_").replace("+", "")

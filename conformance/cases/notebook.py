"""Layers as a learner's notebook writes them: classes with forward, backward and an update inside backward.

One bias is torch's bias_ih with bias_hh fixed at zero. ``param.<i>.<name>`` is layer i's parameter under torch's
name and in torch's shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from conformance.case import Array, Case, cases_of

STEPS = 3

OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGDrnn", {"lr": 0.1}),
    ("Momentum", {"lr": 0.05, "momentum": 0.9}),
    ("AdaGrad", {"lr": 0.05}),
    ("Adam", {"lr": 0.01, "beta1": 0.9, "beta2": 0.999}),
]


def _layer(kind: str, **arguments: Any) -> dict[str, Any]:
    return {"class": kind, "arguments": arguments}


def _parameters(rng: np.random.Generator, layers: list[dict[str, Any]]) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    for index, layer in enumerate(layers):
        arguments = layer["arguments"]
        if layer["class"] == "FC":
            n_in, n_out = arguments["n_nodes1"], arguments["n_nodes2"]
            arrays[f"param.{index}.weight"] = rng.uniform(-0.7, 0.7, (n_out, n_in))
            arrays[f"param.{index}.bias"] = rng.uniform(-0.5, 0.5, n_out)
        elif "n_features" in arguments:
            n_in, n_out = arguments["n_features"], arguments["n_nodes"]
            arrays[f"param.{index}.weight_ih_l0"] = rng.uniform(-0.7, 0.7, (n_out, n_in))
            arrays[f"param.{index}.weight_hh_l0"] = rng.uniform(-0.5, 0.5, (n_out, n_out))
            arrays[f"param.{index}.bias_ih_l0"] = rng.uniform(-0.4, 0.4, n_out)
    return arrays


def _arrays(
    rng: np.random.Generator, layers: list[dict[str, Any]], x: tuple[int, ...], upstream: tuple[int, ...]
) -> dict[str, Array]:
    arrays = _parameters(rng, layers)
    for k in range(1, STEPS + 1):
        arrays[f"step{k}.input"] = rng.standard_normal(x)
        if layers[-1]["class"] == "Softmax":
            arrays[f"step{k}.target"] = np.eye(upstream[1])[rng.integers(0, upstream[1], upstream[0])]
        else:
            arrays[f"step{k}.d_output"] = rng.standard_normal(upstream)
    return arrays


def cases() -> Iterator[Case]:
    sequence, states, last = (4, 5, 2), (4, 5, 3), (4, 3)
    rows: list[tuple[str, list[dict[str, Any]], tuple[int, ...], tuple[int, ...], str]] = [
        ("FC", [_layer("FC", n_nodes1=5, n_nodes2=3)], (4, 5), (4, 3), "a fully connected layer"),
        (
            "SimpleRNN",
            [_layer("SimpleRNN", n_features=2, n_nodes=3, activation="Tanh")],
            sequence,
            states,
            "every state is an output; weights change only after the whole backward pass",
        ),
        (
            "SimpleRNN2",
            [_layer("SimpleRNN2", n_features=2, n_nodes=3, activation="Tanh")],
            sequence,
            last,
            "the last state is the output",
        ),
    ]
    for name, layers, x, upstream, note in rows:
        for optimizer, arguments in OPTIMIZERS:
            yield from _case(f"{name}-{optimizer}", layers, optimizer, arguments, x, upstream, note)

    for activation in ("ReLU", "sigmoid"):
        for kind, upstream in (("SimpleRNN", states), ("SimpleRNN2", last)):
            layers = [_layer(kind, n_features=2, n_nodes=3, activation=activation)]
            note = "the derivative is that of the activation, whichever was passed"
            yield from _case(f"{kind}-{activation}", layers, "SGDrnn", {"lr": 0.1}, sequence, upstream, note)
    for activation in ("Tanh", "ReLU", "sigmoid"):
        layers = [_layer("FC", n_nodes1=5, n_nodes2=3), _layer(activation), _layer("FC", n_nodes1=3, n_nodes2=2)]
        note = "two layers and an activation between, one optimizer object for both"
        yield from _case(f"FC-{activation}-FC", layers, "Adam", {"lr": 0.01}, (4, 5), (4, 2), note)
    layers = [_layer("FC", n_nodes1=3, n_nodes2=3), _layer("Tanh"), _layer("FC", n_nodes1=3, n_nodes2=3)]
    note = "two layers of one shape and one optimizer object: each needs a state of its own"
    for optimizer, arguments in OPTIMIZERS[2:]:
        yield from _case(f"FC-FC-{optimizer}", layers, optimizer, arguments, (4, 3), (4, 3), note)
    for optimizer, arguments in OPTIMIZERS:
        layers = [
            _layer("SimpleRNN2", n_features=2, n_nodes=4, activation="Tanh"),
            _layer("FC", n_nodes1=4, n_nodes2=3),
            _layer("Softmax"),
        ]
        note = "a classifier: one optimizer object shared by layers of different shapes, mean cross-entropy"
        yield from _case(f"classifier-{optimizer}", layers, optimizer, arguments, (5, 6, 2), (5, 3), note)


def _case(
    name: str,
    layers: list[dict[str, Any]],
    optimizer: str,
    arguments: dict[str, Any],
    x: tuple[int, ...],
    upstream: tuple[int, ...],
    note: str,
) -> Iterator[Case]:
    yield from cases_of(
        "notebook",
        name,
        {"layers": layers, "optimizer": {"class": optimizer, "arguments": arguments}},
        lambda rng: _arrays(rng, layers, x, upstream),
        note,
        level="quick",
    )

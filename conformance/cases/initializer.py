"""Fans, gains, and the bounds and standard deviations of initial parameters. Draws themselves cannot equal torch's.

What follows from no draw, or from draws that the case gives, is compared value by value.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from conformance.case import Case, Level, cases_of

SHAPES = {"matrix": [6, 4], "tall": [40, 3], "filters": [5, 3, 2, 4]}


def cases() -> Iterator[Case]:
    rows: list[tuple[str, dict[str, Any], str]] = []
    for name, shape in SHAPES.items():
        for form in ("uniform", "normal"):
            rows += [
                (
                    f"xavier-{form}-{name}",
                    {"function": f"xavier_{form}", "shape": shape, "gain": 1.0},
                    "fan in and out",
                ),
                (
                    f"xavier-{form}-{name}-gain",
                    {"function": f"xavier_{form}", "shape": shape, "gain": 5 / 3},
                    "tanh's gain",
                ),
            ]
            for mode in ("fan_in", "fan_out"):
                kaiming = {"function": f"kaiming_{form}", "shape": shape, "mode": mode}
                rows += [
                    (
                        f"kaiming-{form}-{name}-{mode}-relu",
                        kaiming | {"a": 0, "nonlinearity": "relu"},
                        "He's, for ReLU",
                    ),
                    (
                        f"kaiming-{form}-{name}-{mode}-leaky",
                        kaiming | {"a": 0.3, "nonlinearity": "leaky_relu"},
                        "a slope",
                    ),
                ]
    for hidden in (1, 4, 25):
        config = {"function": "rnn_default", "shape": [hidden, 3], "input_size": 3, "hidden_size": hidden}
        rows.append((f"rnn-default-{hidden}", config, "nn.RNN: the bound follows from hidden_size, not from the fan"))
    recurrent: list[tuple[str, dict[str, Any]]] = [
        ("lstm", {}),
        ("lstm", {"num_layers": 2, "bidirectional": True}),
        ("lstm", {"proj_size": 2}),
        ("gru", {}),
        ("gru", {"num_layers": 2, "bidirectional": True}),
        *((kind, {}) for kind in ("rnn_cell", "lstm_cell", "gru_cell")),
    ]
    for kind, options in recurrent:
        gates = {"lstm": 4, "gru": 3, "rnn": 1}[kind.partition("_")[0]]
        config = {"function": f"{kind}_default", "shape": [5 * gates, 3], "input_size": 3, "hidden_size": 5} | options
        name = "-".join([f"{kind}-default", *(option for option in options if option != "num_layers")])
        rows.append((name, config, "one bound for weights and biases of every gate, from hidden_size alone"))
    rows += [
        ("uniform-asymmetric", {"function": "uniform", "shape": [40, 30], "a": -2.0, "b": 5.0}, "neither bound is 0"),
        (
            "normal-shifted",
            {"function": "normal", "shape": [40, 30], "mean": 3.0, "std": 0.5},
            "a mean and a deviation",
        ),
    ]
    for n_in, n_out in ((1, 5), (4, 3), (30, 2)):
        config = {"function": "linear_default", "shape": [n_out, n_in]}
        rows.append((f"linear-default-{n_in}-{n_out}", config, "nn.Linear: weight and bias from the fan in"))
    for name in ("XavierInitializer", "HeInitializer"):
        for n_in, n_out in ((4, 3), (2, 6)):
            config = {"function": name, "shape": [n_out, n_in]}
            rows.append((f"{name}-{n_in}-{n_out}", config, "a fully connected layer that this initializer starts"))
    rows.append(("gaussian", {"function": "gaussian", "shape": [6, 4], "sigma": 0.01}, "a fixed standard deviation"))
    for name in ("linear", "conv2d", "sigmoid", "tanh", "relu", "selu", "leaky_relu"):
        config = {"function": "calculate_gain", "shape": [], "nonlinearity": name}
        rows.append((f"gain-{name}", config, "an entry of torch's table of recommended gains"))
    for slope in (0.2, math.sqrt(5)):
        config = {"function": "calculate_gain", "shape": [], "nonlinearity": "leaky_relu", "param": slope}
        rows.append((f"gain-leaky_relu-{slope:.2f}", config, "leaky_relu's gain follows from its slope"))
    for description, config, note in rows:
        yield from cases_of("initializer", description, config, lambda _: {}, note, level="quick")
    yield from _values()


def _values() -> Iterator[Case]:
    rows: list[tuple[str, dict[str, Any], Level, str]] = [
        ("constant", {"function": "constant", "shape": [3, 2, 4], "val": -0.7}, "standard", "a constant"),
        ("zeros", {"function": "zeros", "shape": [5]}, "standard", "zeros"),
        ("ones", {"function": "ones", "shape": [3, 2]}, "standard", "ones"),
        ("eye", {"function": "eye", "shape": [4, 4]}, "standard", "a square weight hands its inputs on"),
        ("eye-tall", {"function": "eye", "shape": [5, 3]}, "standard", "more outputs than inputs: the others are 0"),
        ("eye-wide", {"function": "eye", "shape": [2, 4]}, "standard", "fewer outputs than inputs: the first are kept"),
    ]
    for name, shape, gain in (
        ("square", [4, 4], 1.0),
        ("tall", [5, 3], 1.0),
        ("wide", [2, 5], 1.0),
        ("one-row", [1, 4], 1.0),
        ("filters", [6, 2, 3, 2], 1.0),
        ("gain", [3, 4], math.sqrt(2.0)),
    ):
        note = (
            "from Gaussian draws that are given: Q of their QR factorization, signed so that R's diagonal is positive"
        )
        rows.append((f"orthogonal-{name}", {"function": "orthogonal", "shape": shape, "gain": gain}, "quick", note))
    for description, config, level, note in rows:
        columns = math.prod(config["shape"]) // config["shape"][0]
        draws = (config["shape"][0], columns) if config["function"] == "orthogonal" else ()

        def build(rng: np.random.Generator, draws: tuple[int, ...] = draws) -> dict[str, Any]:
            if not draws:
                return {}
            given = rng.standard_normal(draws)
            given[0, 0] = abs(given[0, 0])  # its reflection then leaves R's first diagonal element negative
            return {"draws": given}

        yield from cases_of("initializer_values", description, config, build, note, level=level)

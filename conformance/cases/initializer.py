"""Fans, gains, and the bounds and standard deviations of initial parameters. Draws themselves cannot equal torch's."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from conformance.case import Case, cases_of

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

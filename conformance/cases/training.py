"""RNN, linear layer, cross-entropy and optimizer for ten steps, each side on its own gradients.

Ten steps and no more: training amplifies rounding, and after a thousand steps two correct runs differ visibly.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from conformance.case import Array, Case, cases_of
from conformance.cases.optimizer import DEFAULTS
from conformance.cases.rnn import config_of
from reference.linear import Linear
from reference.rnn import RNN

STEPS = 10
CLASSES = 3


def _arrays(rng: np.random.Generator, config: dict[str, Any], batch: int, steps: int) -> dict[str, Array]:
    rnn = RNN(**config["rnn"])
    shapes = {f"rnn.{name}": shape for name, shape in rnn.parameter_shapes.items()}
    shapes |= {f"linear.{name}": shape for name, shape in Linear(**config["linear"]).parameter_shapes.items()}
    arrays: dict[str, Array] = {}
    for name, shape in shapes.items():
        arrays[f"param.{name}"] = rng.uniform(-1, 1, shape) * (0.9 / np.sqrt(shape[-1]) if "weight" in name else 0.4)
    lead = (batch, steps) if rnn.batch_first else (steps, batch)
    for k in range(1, STEPS + 1):
        arrays[f"step{k}.input"] = rng.standard_normal((*lead, rnn.input_size))
        arrays[f"step{k}.target"] = rng.integers(0, CLASSES, batch)
    return arrays


def cases() -> Iterator[Case]:
    optimizers: list[tuple[str, dict[str, Any]]] = [
        ("SGD", {"lr": 0.1}),
        ("SGD", {"lr": 0.05, "momentum": 0.9}),
        ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
        ("Adagrad", {"lr": 0.05}),
        ("RMSprop", {"lr": 0.01}),
        ("RMSprop", {"lr": 0.01, "momentum": 0.5}),
        ("Adam", {"lr": 0.01}),
        ("Adam", {"lr": 0.01, "amsgrad": True}),
        ("AdamW", {"lr": 0.01}),
    ]
    networks: list[tuple[str, dict[str, Any]]] = [
        ("tanh", {}),
        ("relu-batch_first", {"nonlinearity": "relu", "batch_first": True}),
        ("tanh-2-layer-bidirectional", {"num_layers": 2, "bidirectional": True}),
    ]
    for network, options in networks:
        for number, (algorithm, arguments) in enumerate(optimizers):
            rnn = config_of(2, 4, **options)
            features = 8 if rnn["bidirectional"] else 4
            config: dict[str, Any] = {
                "rnn": rnn,
                "linear": {"in_features": features, "out_features": CLASSES, "bias": True},
                "optimizer": {"algorithm": algorithm} | DEFAULTS[algorithm] | arguments,
            }
            extras = [name for name in ("momentum", "nesterov", "amsgrad") if name in arguments]
            yield from cases_of(
                "training",
                "-".join([network, algorithm, *extras]),
                config,
                partial(_arrays, config=config, batch=5, steps=6),
                "ten steps of many-to-one classification, everything computed from one's own gradients",
                level="quick" if network == "tanh" and number in (0, 6) else "standard",
            )

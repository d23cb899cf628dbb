"""RNN, LSTM or GRU, linear layer, cross-entropy and optimizer for ten or thirty steps, each side on its own gradients.

Thirty steps and no more: training amplifies rounding, and after a thousand steps two correct runs differ visibly.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from conformance.case import Array, Case, cases_of
from conformance.cases.networks import MODELS, config_of, drawn
from conformance.cases.optimizer import DEFAULTS
from reference.linear import Linear

CLASSES = 3


def _arrays(
    rng: np.random.Generator,
    config: dict[str, Any],
    batch: int,
    steps: int,
    updates: int,
    kind: str = "rnn",
    scale: float = 1.0,
) -> dict[str, Array]:
    """Initial parameters, and a batch of sequences of ``steps`` with their classes for each of the ``updates``."""
    network = MODELS[kind](**config[kind])
    shapes = {f"{kind}.{name}": shape for name, shape in network.parameter_shapes.items()}
    shapes |= {f"linear.{name}": shape for name, shape in Linear(**config["linear"]).parameter_shapes.items()}
    arrays: dict[str, Array] = {}
    for name, shape in shapes.items():
        arrays[f"param.{name}"] = drawn(rng, name, shape)
    lead = (batch, steps) if network.batch_first else (steps, batch)
    for k in range(1, updates + 1):
        arrays[f"step{k}.input"] = scale * rng.standard_normal((*lead, network.input_size))
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
    # a kind of optimizer each; and two directions, where it matters which output is read
    quick = {("tanh", 0), ("tanh", 6), ("tanh-2-layer-bidirectional", 0)}
    for network, options in networks:
        for number, (algorithm, arguments) in enumerate(optimizers):
            rnn = config_of("rnn", 2, 4, **options)
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
                partial(_arrays, config=config, batch=5, steps=6, updates=10),
                "ten steps of many-to-one classification, everything computed from one's own gradients",
                level="quick" if (network, number) in quick else "standard",
            )
    yield from _steep()
    yield from _long()


LONG: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("Adam", {"lr": 0.01}),
    ("ASGD", {"lr": 0.1, "lambd": 0.01, "t0": 10}),
    ("NAdam", {"lr": 0.01}),
    ("RAdam", {"lr": 0.01}),
    ("Adafactor", {"lr": 0.1}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.5}),
    ("AdamW", {"lr": 0.01, "amsgrad": True}),
    ("Adadelta", {"lr": 1.0}),
    ("Rprop", {"lr": 0.01}),
    ("Adamax", {"lr": 0.01}),
]
"""all of them on an RNN, the first six on an LSTM and a GRU"""


def _steep() -> Iterator[Case]:
    config: dict[str, Any] = {
        "rnn": config_of("rnn", 2, 4, nonlinearity="relu"),
        "linear": {"in_features": 4, "out_features": CLASSES, "bias": True},
        "optimizer": {"algorithm": "SGD"} | DEFAULTS["SGD"] | {"lr": 1e-3},
    }
    yield from cases_of(
        "training",
        "relu-SGD-steep",
        config,
        partial(_arrays, config=config, batch=5, steps=6, updates=4, scale=20.0),
        "large inputs, so that gradients are larger than what they are usually clipped to, and a small rate",
        level="quick",
    )


def _long() -> Iterator[Case]:
    for kind in MODELS:
        network = config_of(kind, 2, 4)
        for algorithm, arguments in LONG if kind == "rnn" else LONG[:6]:
            config: dict[str, Any] = {
                kind: network,
                "linear": {"in_features": 4, "out_features": CLASSES, "bias": True},
                "optimizer": {"algorithm": algorithm} | DEFAULTS[algorithm] | arguments,
            }
            yield from cases_of(
                "training" if kind == "rnn" else f"training_{kind}",
                f"long-{algorithm}",
                config,
                partial(_arrays, config=config, batch=5, steps=3, updates=30, kind=kind),
                "thirty steps of many-to-one classification, everything computed from one's own gradients",
                level="quick" if kind != "rnn" and algorithm == "Adam" else "standard",
            )

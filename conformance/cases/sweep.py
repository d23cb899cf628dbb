"""Random cases without end, for a search for false alarms: ``sweep/<family>/<seed>-<number>/<dtype>``.

A case follows from its seed and number alone, so that an id is enough to run it again.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np

from conformance.case import Array, Build, Case, cases_of
from conformance.cases import activation, linear, loss, networks, optimizer

FAMILIES = ("rnn", "optimizer", "lstm", "linear", "gru", "optimizer", "activation", "loss")
"""in turn; networks over packed or unbatched sequences are families of their own"""

ID = re.compile(r"sweep/(\w+)/(\d+)-(\d+)/(float32|float64)$")

NOTE = "a random case"


def case(seed: int, number: int, dtype: str) -> Case:
    """One random case."""
    family = FAMILIES[number % len(FAMILIES)]
    draw = np.random.default_rng([seed, number])
    if family in networks.DEFAULTS:
        family, config, build = _network(draw, family)
    else:
        config, build = _MAKERS[family](draw)
    description = f"{seed}-{number}"
    [made] = cases_of(family, description, config, build, NOTE, suite="sweep", dtypes=(dtype,))
    return made


def by_id(case_id: str) -> Case | None:
    """The case with this id; None if it is no id of a sweep."""
    match = ID.match(case_id)
    if not match:
        return None
    made = case(int(match[2]), int(match[3]), match[4])
    return made if made.id == case_id else None


def _network(draw: np.random.Generator, kind: str) -> tuple[str, dict[str, Any], Build]:
    """A network with any of its options, over a batch, a single sequence, or sequences that differ in length."""
    hidden_size = _size(draw, 48)
    own: dict[str, Any] = {"nonlinearity": str(draw.choice(["tanh", "relu"]))} if kind == "rnn" else {}
    if kind == "lstm" and hidden_size > 1 and draw.random() < 0.3:
        own["proj_size"] = int(draw.integers(1, hidden_size))
    config = networks.config_of(
        kind,
        _size(draw, 48),
        hidden_size,
        num_layers=int(draw.choice([1, 2, 3, 4], p=[0.4, 0.3, 0.2, 0.1])),
        bias=bool(draw.random() < 0.8),
        batch_first=bool(draw.random() < 0.3),
        bidirectional=bool(draw.random() < 0.4),
        **own,
    )
    form = str(draw.choice(["", "_packed", "_unbatched"], p=[0.6, 0.3, 0.1]))
    batch, steps = _size(draw, 8), _size(draw, 60)
    lengths: tuple[int, ...] = ()
    constructor = config
    if form == "_packed":
        lengths = tuple(int(n) for n in draw.integers(1, steps + 1, size=batch))
        constructor = config | {"enforce_sorted": networks.in_order(lengths)}
    stationary, scale = bool(draw.random() < 0.2), float(10 ** draw.uniform(-3, 0.5))
    initial = bool(draw.random() < 0.7)

    def build(rng: np.random.Generator) -> dict[str, Array]:
        arrays = networks.arrays_of(
            rng,
            kind,
            config,
            batch=None if form == "_unbatched" else batch,
            steps=steps,
            initial=initial,
            lengths=lengths,
        )
        arrays["input"] *= scale
        if stationary:
            first = arrays["input"][:, :1] if config["batch_first"] and form != "_unbatched" else arrays["input"][:1]
            arrays["input"] = np.broadcast_to(first, arrays["input"].shape)
        return arrays

    return kind + form, constructor, build


def _size(draw: np.random.Generator, largest: int) -> int:
    """A size up to the largest, small ones more often: cases stay cheap on average, since sizes multiply."""
    return int(largest ** draw.random())


def _optimizer(draw: np.random.Generator) -> tuple[dict[str, Any], Build]:
    # Muon takes matrices only, in an arithmetic of its own
    algorithm = str(draw.choice([name for name in optimizer.DEFAULTS if name != "Muon"]))
    config = optimizer.random_config(draw, algorithm, 0.25)
    steps, scale = int(draw.integers(1, 13)), float(10 ** draw.uniform(-4, 2))
    return config, partial(optimizer.arrays_of, steps=steps, scale=scale)


def _linear(draw: np.random.Generator) -> tuple[dict[str, Any], Build]:
    n_in, n_out = (int(n) for n in draw.integers(1, 40, size=2))
    config = {"in_features": n_in, "out_features": n_out, "bias": bool(draw.random() < 0.7)}
    lead = tuple(int(n) for n in draw.integers(1, 8, size=int(draw.integers(0, 4))))
    return config, partial(linear.arrays_of, config=config, lead=lead)


def _activation(draw: np.random.Generator) -> tuple[dict[str, Any], Build]:
    name = str(draw.choice(["tanh", "relu", "sigmoid", "softmax", "log_softmax"]))
    shape = tuple(int(n) for n in draw.integers(1, 9, size=int(draw.integers(1, 4))))
    config: dict[str, Any] = {"function": name}
    if name.endswith("softmax"):
        config["dim"] = int(draw.integers(-len(shape), len(shape)))
    return config, activation.random(shape, float(10 ** draw.uniform(-4, 1.5)))


def _loss(draw: np.random.Generator) -> tuple[dict[str, Any], Build]:
    reduction = str(draw.choice(loss.REDUCTIONS))
    shape = tuple(int(n) for n in draw.integers(2, 9, size=int(draw.integers(1, 4))))
    if draw.random() < 0.3:
        return {"function": "mse_loss", "reduction": reduction}, loss.pair(shape, reduction)
    config = loss.cross_entropy(reduction=reduction, label_smoothing=float(draw.choice([0.0, 0.0, 0.1, 0.6])))
    weight, probabilities = bool(draw.random() < 0.4), bool(draw.random() < 0.4)
    scale = float(10 ** draw.uniform(-2, 1.5))
    return config, loss.scores(shape, reduction, probabilities=probabilities, weight=weight, scale=scale)


_MAKERS = {"optimizer": _optimizer, "linear": _linear, "activation": _activation, "loss": _loss}

"""Cells: one step of a recurrence at a time, the state handed on by the caller."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from conformance.case import Array, Build, Case, cases_of
from conformance.cases.networks import drawn
from reference.cells import Cell
from reference.gru import GRUCell
from reference.lstm import LSTMCell
from reference.rnn import RNNCell

DEFAULTS: dict[str, dict[str, Any]] = {
    "rnn_cell": {"bias": True, "nonlinearity": "tanh"},
    "lstm_cell": {"bias": True},
    "gru_cell": {"bias": True},
}
MODELS: dict[str, Callable[..., Cell]] = {"rnn_cell": RNNCell, "lstm_cell": LSTMCell, "gru_cell": GRUCell}
STATES: dict[str, tuple[str, ...]] = {"rnn_cell": ("h",), "lstm_cell": ("h", "c"), "gru_cell": ("h",)}
"""what is carried from step to step; at the start it is called hx (cx)"""


def config_of(family: str, input_size: int, hidden_size: int, **options: Any) -> dict[str, Any]:
    """All of the cell's arguments, torch's defaults where nothing is said."""
    return {"input_size": input_size, "hidden_size": hidden_size} | DEFAULTS[family] | options


def arrays_of(
    rng: np.random.Generator,
    family: str,
    config: dict[str, Any],
    *,
    batch: int | None,
    steps: int,
    states: bool = True,
    upstream: Callable[[int], bool] = lambda k: True,
) -> dict[str, Array]:
    """Random input of several steps, state, parameters, and upstream gradients for the steps that ``upstream`` names.

    ``batch`` None is a single sample without a batch axis.
    """
    model = MODELS[family](**config)
    lead = () if batch is None else (batch,)
    arrays = {"input": rng.standard_normal((steps, *lead, model.input_size))}
    if states:
        arrays |= {f"{state}x": rng.uniform(-0.8, 0.8, (*lead, model.hidden_size)) for state in STATES[family]}
    for name, shape in model.parameter_shapes.items():
        arrays[name] = drawn(rng, name, shape)
    for k in range(1, steps + 1):
        for state in STATES[family]:
            if upstream(k):
                arrays[f"step{k}.d_{state}"] = rng.standard_normal((*lead, model.hidden_size))
    return arrays


def cases() -> Iterator[Case]:
    for family in DEFAULTS:
        yield from _options(family)
        yield from _sequences(family)


def _options(family: str) -> Iterator[Case]:
    """Every combination of the options, batched and not, in sizes that differ from case to case."""
    nonlinearities = ("tanh", "relu") if "nonlinearity" in DEFAULTS[family] else (None,)
    combinations = product(nonlinearities, (True, False), (True, False))
    for number, (nonlinearity, bias, batched) in enumerate(combinations):
        sizes = np.random.default_rng(number).permutation([2, 3, 4, 5])
        batch, steps, input_size, hidden_size = (int(size) for size in sizes)
        options = {} if nonlinearity is None else {"nonlinearity": nonlinearity}
        config = config_of(family, input_size, hidden_size, bias=bias, **options)
        flags = {"no-bias": not bias, "unbatched": not batched}
        yield from cases_of(
            family,
            "-".join([nonlinearity or "plain", *(flag for flag, on in flags.items() if on)]),
            config,
            _build(family, config, batch=batch if batched else None, steps=steps),
            "one combination of the options over several steps, everything random, all sizes different, a gradient on "
            "the state of every step",
            level="quick",
        )


def _sequences(family: str) -> Iterator[Case]:
    rows: list[tuple[str, int | None, int, int, int, dict[str, Any], str]] = [
        ("one-step", 3, 1, 2, 4, {}, "a single step: nothing is carried"),
        ("small", 1, 3, 2, 2, {}, "small enough to follow by hand, for a diagnosis that few mistakes reach"),
        ("no-initial-state", 3, 4, 2, 5, {"states": False}, "the state left out at the first step: it counts as zeros"),
        ("no-initial-state-unbatched", None, 4, 2, 5, {"states": False}, "a single sample, the state left out"),
        ("only-last-gradient", 2, 5, 3, 4, {"upstream": lambda k: k == 5},
         "a gradient on the last state only: it has to reach every step through the states"),
        ("only-first-gradient", 2, 5, 3, 4, {"upstream": lambda k: k == 1},
         "a gradient on the first state only: later steps give none"),
        ("empty-batch", 0, 3, 2, 4, {}, "torch accepts a batch of 0: empty states, zero gradients"),
        ("hidden-1", 3, 4, 2, 1, {}, "one unit"),
        ("length-12", 2, 12, 3, 4, {}, "longer than a truncation after 10 steps"),
        ("wide", 7, 3, 19, 23, {}, "sizes beyond a register's width"),
    ]  # fmt: skip
    for name, batch, steps, inputs, hidden, options, note in rows:
        config = config_of(family, inputs, hidden)
        yield from cases_of(
            family,
            name,
            config,
            _build(family, config, batch=batch, steps=steps, **options),
            note,
            level="standard" if name == "wide" else "quick",
        )


def _build(family: str, config: dict[str, Any], **options: Any) -> Build:
    return partial(arrays_of, family=family, config=config, **options)

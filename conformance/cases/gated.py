"""LSTM and GRU: every combination of torch's options, then sequences and values with a reason of their own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from conformance.case import Array, Build, Case, cases_of
from conformance.cases.networks import arrays_of, build, config_of, named


def cases() -> Iterator[Case]:
    for kind in ("lstm", "gru"):
        yield from _options(kind)
        yield from _parts(kind)
        yield from _values(kind)


def _options(kind: str) -> Iterator[Case]:
    """Every combination of the options, in sizes that differ from case to case."""
    projections = (0, 2) if kind == "lstm" else (0,)
    combinations = product(projections, (1, 2, 3), (False, True), (True, False), (False, True))
    for number, (proj_size, layers, bidirectional, bias, batch_first) in enumerate(combinations):
        sizes = np.random.default_rng(3000 + number).permutation([2, 3, 4, 5])
        batch, steps, input_size, hidden_size = (int(size) for size in sizes)
        if proj_size:
            hidden_size += 3  # larger than proj_size, and still unlike all others
        config = config_of(
            kind,
            input_size,
            hidden_size,
            num_layers=layers,
            bias=bias,
            batch_first=batch_first,
            bidirectional=bidirectional,
            **({"proj_size": proj_size} if kind == "lstm" else {}),
        )
        flags = named(proj_size=bool(proj_size), bidirectional=bidirectional, no_bias=not bias, batch_first=batch_first)
        yield from cases_of(
            kind,
            "-".join([f"{layers}-layer", *flags]),
            config,
            build(kind, config, batch=batch, steps=steps),
            "one combination of the options, everything random, gradients on output and all final states",
            level="quick" if layers == 1 or (layers == 2 and bias and not batch_first) else "standard",
        )


def _parts(kind: str) -> Iterator[Case]:
    """Only one of the upstream gradients, or no initial states; sizes and lengths at their limits."""
    finals = [("only-state-gradient", {"upstream": ("h_n",)}, "the gradient on h_n alone reaches every parameter")]
    if kind == "lstm":
        finals.append(("only-cell-gradient", {"upstream": ("c_n",)}, "the gradient on c_n alone"))
    rows: list[tuple[str, dict[str, Any], str]] = [
        ("only-output-gradient", {"upstream": ("output",)}, "gradients on the final states left out"),
        *finals,
        ("no-initial-state", {"initial": False}, "initial states left out: they count as zeros"),
    ]
    for name, arrays, note in rows:
        for bidirectional in (False, True):
            config = config_of(kind, 3, 4, num_layers=2, bidirectional=bidirectional)
            yield from cases_of(
                kind,
                "-".join([name, *named(bidirectional=bidirectional)]),
                config,
                build(kind, config, **({"batch": 2, "steps": 5} | arrays)),
                note,
                level="quick",
            )
    sizes: list[tuple[str, int, int, int, int, dict[str, Any], str]] = [
        ("small", 1, 3, 2, 2, {}, "small enough to follow by hand, for a diagnosis that few mistakes reach"),
        ("length-1", 4, 1, 3, 5, {"bidirectional": True}, "a single step"),
        ("length-2", 3, 2, 4, 5, {}, "the shortest sequence with a recurrent gradient"),
        ("hidden-1", 3, 5, 2, 1, {}, "one unit"),
        ("square", 4, 4, 4, 4, {"num_layers": 2}, "all sizes equal: a transposed block of weights has the right shape"),
        ("empty-batch", 0, 4, 3, 5, {}, "torch accepts a batch of 0: empty outputs, zero gradients"),
        ("length-12", 2, 12, 3, 4, {}, "longer than a truncation after 10 steps"),
        ("wide", 7, 6, 19, 23, {}, "sizes beyond a register's width"),
        ("long", 2, 60, 3, 4, {}, "gradients over 60 steps"),
    ]
    for name, batch, steps, inputs, hidden, options, note in sizes:
        config = config_of(kind, inputs, hidden, **options)
        yield from cases_of(
            kind,
            name,
            config,
            build(kind, config, batch=batch, steps=steps),
            note,
            level="standard" if name in ("wide", "long") else "quick",
        )


def _values(kind: str) -> Iterator[Case]:
    """Zeros, gates that saturate, a cell that has grown."""
    config = config_of(kind, 3, 4)

    def changed(**factors: float) -> Build:
        def make(rng: np.random.Generator) -> dict[str, Array]:
            arrays = arrays_of(rng, kind, config, batch=2, steps=5)
            return {name: array * factors.get(name, 1.0) for name, array in arrays.items()}

        return make

    def saturated(rng: np.random.Generator) -> dict[str, Array]:
        arrays = arrays_of(rng, kind, config, batch=3, steps=5)
        arrays["input"][:, 1] *= 30.0
        return arrays

    scalar = config_of(kind, 1, 4)

    def overflowing(rng: np.random.Generator) -> dict[str, Array]:
        # one feature and no small weight: the gates are exactly 0 or 1, none is a number near the smallest there is
        arrays = arrays_of(rng, kind, scalar, batch=3, steps=5)
        arrays["input"][:, 1] = 5e4 * np.sign(arrays["input"][:, 1])
        weight = arrays["weight_ih_l0"]
        return arrays | {"weight_ih_l0": np.sign(weight) * (0.3 + 0.5 * np.abs(weight))}

    rows: list[tuple[str, dict[str, Any], Build, str]] = [
        ("zero-input", config, changed(input=0.0), "only biases and states drive the gates"),
        ("zero-initial-state", config, changed(h_0=0.0, c_0=0.0), "states of zeros still have a gradient"),
        ("zero-recurrent-weight", config, changed(weight_hh_l0=0.0), "only the gates themselves carry anything"),
        (
            "tiny-gradient",
            config,
            changed(d_output=1e-12, d_h_n=1e-12, d_c_n=1e-12),
            "gradients scale, they do not vanish",
        ),
        ("saturated-sequence", config, saturated, "gates of one sequence near 0 and 1, still with digits of their own"),
        ("overflowing-sequence", scalar, overflowing, "gates of one sequence at 0 and 1: their exponentials overflow"),
    ]
    if kind == "lstm":
        rows.append(("large-cell", config, changed(c_0=8.0), "cells far above 1, where tanh(c) saturates"))
    for name, options, make, note in rows:
        yield from cases_of(kind, name, options, make, note, level="quick")

"""Elman RNN: every combination of torch's options, then sequences and values with a reason of their own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from conformance.case import Array, Build, Case, cases_of
from conformance.cases.networks import arrays_of, build, config_of, named


def cases() -> Iterator[Case]:
    yield from _options()
    yield from _parts()
    yield from _sequences()
    yield from _values()
    yield from _shapes()


def _options() -> Iterator[Case]:
    """Every combination of the options, in sizes that differ from case to case."""
    combinations = product(("tanh", "relu"), (1, 2, 3), (False, True), (True, False), (False, True))
    for number, (nonlinearity, layers, bidirectional, bias, batch_first) in enumerate(combinations):
        sizes = np.random.default_rng(number).permutation([2, 3, 4, 5])
        batch, steps, input_size, hidden_size = (int(size) for size in sizes)
        config = config_of(
            "rnn",
            input_size,
            hidden_size,
            num_layers=layers,
            nonlinearity=nonlinearity,
            bias=bias,
            batch_first=batch_first,
            bidirectional=bidirectional,
        )
        flags = named(bidirectional=bidirectional, no_bias=not bias, batch_first=batch_first)
        name = "-".join([nonlinearity, f"{layers}-layer", *flags])
        yield from cases_of(
            "rnn",
            name,
            config,
            build("rnn", config, batch=batch, steps=steps),
            "one combination of the options, everything random, all sizes different, gradients on output and h_n",
            level="quick" if layers < 3 else "standard",
        )


def _parts() -> Iterator[Case]:
    """Only one of the upstream gradients, or no initial state: what a part contributes by itself."""
    rows = [
        ("only-output-gradient", True, ("output",), "the gradient on h_n left out: it must count as zero"),
        (
            "only-state-gradient",
            True,
            ("h_n",),
            "the gradient on output left out: d_h_n has to reach every parameter",
        ),
        ("no-initial-state", False, ("output", "h_n"), "h_0 left out: it must count as zeros"),
    ]
    for nonlinearity, bidirectional in product(("tanh", "relu"), (False, True)):
        config = config_of("rnn", 3, 4, num_layers=2, nonlinearity=nonlinearity, bidirectional=bidirectional)
        for name, initial, upstream, note in rows:
            yield from cases_of(
                "rnn",
                "-".join([name, nonlinearity, *named(bidirectional=bidirectional)]),
                config,
                build("rnn", config, batch=2, steps=5, initial=initial, upstream=upstream),
                note,
                level="quick" if nonlinearity == "tanh" else "standard",
            )


def _sequences() -> Iterator[Case]:
    """Lengths and batches at their limits, long sequences, stationary ones."""
    rows: list[tuple[str, int, int, int, int, dict[str, Any], str]] = [
        ("length-1", 4, 1, 3, 5, {}, "a single step: h_0 is the only previous state"),
        ("length-1-bidirectional", 4, 1, 3, 5, {"bidirectional": True}, "both directions end where they start"),
        ("length-2", 3, 2, 4, 5, {}, "the shortest sequence with a recurrent gradient"),
        ("batch-1", 1, 4, 2, 3, {}, "one sequence: the sum over the batch is its only member"),
        ("hidden-1", 3, 5, 2, 1, {}, "one unit: every product with weight_hh is a multiplication"),
        ("input-1", 3, 5, 1, 4, {}, "one feature"),
        ("small", 1, 3, 2, 2, {}, "small enough to follow by hand, for a diagnosis that few mistakes reach"),
        ("small-relu", 1, 3, 2, 2, {"nonlinearity": "relu"}, "small enough to follow by hand"),
        ("empty-batch", 0, 4, 3, 5, {}, "torch accepts a batch of 0: empty outputs, zero gradients"),
        ("square", 4, 4, 4, 4, {"num_layers": 2}, "all sizes equal: a transposed weight has the right shape here"),
        ("wide", 7, 6, 19, 23, {}, "sizes beyond a register's width"),
        ("length-12", 2, 12, 3, 4, {}, "longer than a truncation after 10 steps"),
        ("long", 2, 60, 3, 4, {}, "gradients over 60 steps"),
        ("long-bidirectional", 2, 40, 3, 4, {"bidirectional": True, "num_layers": 2}, "40 steps each way"),
        ("long-relu", 2, 40, 3, 4, {"nonlinearity": "relu"}, "gradients over 40 steps without saturation"),
    ]  # fmt: skip
    for name, batch, steps, inputs, hidden, options, note in rows:
        config = config_of("rnn", inputs, hidden, **options)
        yield from cases_of(
            "rnn",
            name,
            config,
            build("rnn", config, batch=batch, steps=steps),
            note,
            level="standard" if name in ("wide", "long", "long-bidirectional", "long-relu") else "quick",
        )
    config = config_of("rnn", 3, 4)
    yield from cases_of(
        "rnn",
        "stationary",
        config,
        lambda rng: _stationary(rng, config),
        "the same input at 40 steps: rounding errors repeat themselves instead of averaging out",
    )


def _stationary(rng: np.random.Generator, config: dict[str, Any]) -> dict[str, Array]:
    arrays = arrays_of(rng, "rnn", config, batch=2, steps=40)
    return arrays | {"input": np.broadcast_to(arrays["input"][:1], arrays["input"].shape)}


def _values() -> Iterator[Case]:
    """Zeros, saturation, and ReLU exactly at its kink."""
    config = config_of("rnn", 3, 4)
    relu = config_of("rnn", 3, 4, nonlinearity="relu")

    def changed(options: dict[str, Any], **factors: float) -> Build:
        def make(rng: np.random.Generator) -> dict[str, Array]:
            arrays = arrays_of(rng, "rnn", options, batch=2, steps=5)
            return {name: array * factors.get(name, 1.0) for name, array in arrays.items()}

        return make

    def kinked(rng: np.random.Generator) -> dict[str, Array]:
        # small integers and dyadic fractions: every pre-activation is exact, and many are exactly 0
        shapes = {name: array.shape for name, array in arrays_of(rng, "rnn", relu, batch=2, steps=5).items()}
        return {name: rng.integers(-1, 2, shape) * (0.5 if "weight" in name else 1.0) for name, shape in shapes.items()}

    def saturated(rng: np.random.Generator) -> dict[str, Array]:
        arrays = arrays_of(rng, "rnn", config, batch=3, steps=5)
        arrays["input"][:, 1] *= 5000.0
        return arrays

    rows = [
        ("zero-input", config, changed(config, input=0.0), "only biases and h_0 drive the states"),
        ("zero-initial-state", config, changed(config, h_0=0.0), "an h_0 of zeros still has a gradient"),
        ("zero-recurrent-weight", config, changed(config, weight_hh_l0=0.0), "no memory, yet weight_hh has a gradient"),
        ("near-zero", config, changed(config, input=1e-6, h_0=1e-6, bias_ih_l0=1e-6, bias_hh_l0=1e-6),
         "states near 1e-6: tanh must keep its relative accuracy there"),
        ("tiny-gradient", config, changed(config, d_output=1e-12, d_h_n=1e-12), "gradients scale, they do not vanish"),
        ("saturated-sequence", config, saturated, "one of three sequences saturates: exponentials would overflow"),
        ("relu-at-zero", relu, kinked, "pre-activations that are exactly 0: torch's derivative there is 0"),
    ]  # fmt: skip
    for name, options, make, note in rows:
        yield from cases_of("rnn", name, options, make, note, level="quick")


def _shapes() -> Iterator[Case]:
    """Random configurations, sizes and lengths."""
    for number in range(24):
        draw = np.random.default_rng(1000 + number)
        batch, steps, inputs, hidden = (int(n) for n in draw.choice(np.arange(2, 14), size=4, replace=False))
        config = config_of(
            "rnn",
            inputs,
            hidden,
            num_layers=int(draw.integers(1, 4)),
            nonlinearity=str(draw.choice(["tanh", "relu"])),
            bias=bool(draw.random() < 0.8),
            batch_first=bool(draw.random() < 0.5),
            bidirectional=bool(draw.random() < 0.5),
        )
        yield from cases_of(
            "rnn",
            f"random-{number:02d}",
            config,
            build("rnn", config, batch=batch, steps=steps),
            "a random configuration in random sizes",
        )

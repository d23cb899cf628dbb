"""Fully connected layer, over the last axis of inputs of any rank."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from conformance.case import Array, Case, cases_of
from reference.linear import Linear


def arrays_of(rng: np.random.Generator, config: Mapping[str, Any], lead: tuple[int, ...]) -> dict[str, Array]:
    """Random input of shape (*lead, in_features), parameters and upstream gradient."""
    model = Linear(**config)
    params = {name: rng.uniform(-1, 1, shape) for name, shape in model.parameter_shapes.items()}
    return {
        "input": rng.standard_normal((*lead, model.in_features)),
        **params,
        "d_output": rng.standard_normal((*lead, model.out_features)),
    }


def _not_finite(rng: np.random.Generator, config: Mapping[str, Any]) -> dict[str, Array]:
    arrays = arrays_of(rng, config, (4,))
    arrays["input"][1, 2], arrays["input"][2, 0], arrays["d_output"][3, 1] = np.inf, np.nan, -np.inf
    arrays["weight"][0, 2] = 0
    return arrays


def cases() -> Iterator[Case]:
    rows = [
        ("batch", 4, 5, (3,), "a batch of vectors"),
        ("one-row", 4, 5, (1,), "batch 1"),
        ("vector", 4, 5, (), "a single vector without a batch axis"),
        ("sequence", 4, 5, (2, 3), "a sequence of batches: gradients sum over both leading axes"),
        ("four-axes", 3, 2, (2, 5, 4), "three leading axes"),
        ("five-axes", 3, 2, (2, 1, 3, 2), "four leading axes, one of them 1"),
        ("square", 4, 4, (4,), "all sizes equal: a transposed weight has the right shape here"),
        ("one-in", 1, 5, (3,), "one input"),
        ("one-out", 5, 1, (3,), "one output"),
        ("wide", 67, 33, (21,), "sums over more terms than a register holds"),
        ("empty-batch", 4, 5, (0,), "torch accepts a batch of 0: zero gradients of the parameters"),
    ]
    config = {"in_features": 4, "out_features": 3, "bias": True}
    yield from cases_of(
        "linear",
        "not-finite",
        config,
        partial(_not_finite, config=config),
        "infinity, once times a weight of 0, and NaN in one row each: they spoil that row, and what sums over rows, "
        "and nothing else",
    )
    for name, n_in, n_out, lead, note in rows:
        for bias in (True, False):
            config = {"in_features": n_in, "out_features": n_out, "bias": bias}
            yield from cases_of(
                "linear",
                name if bias else f"{name}-no-bias",
                config,
                partial(arrays_of, config=config, lead=lead),
                note,
                level="quick" if n_in < 20 else "standard",
            )

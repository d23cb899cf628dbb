"""Sequences of different lengths, padded, packed, and back."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from conformance.case import Array, Case, cases_of

DEFAULTS: dict[str, Any] = {
    "batch_first": False,
    "enforce_sorted": True,
    "padding_value": 0.0,
    "padding_side": "right",
    "total_length": None,
}


def arrays_of(rng: np.random.Generator, lengths: tuple[int, ...], features: tuple[int, ...]) -> dict[str, Array]:
    """Random sequences."""
    return {f"sequence{k}": rng.standard_normal((length, *features)) for k, length in enumerate(lengths)}


def cases() -> Iterator[Case]:
    rows: list[tuple[str, tuple[int, ...], tuple[int, ...], dict[str, Any], str]] = [
        ("sorted", (5, 3, 1), (2,), {}, "in order of decreasing length"),
        ("enforce_sorted", (2, 5, 1, 4), (2,), {"enforce_sorted": False}, "in any order, which comes back at the end"),
        (
            "batch_first",
            (4, 3),
            (3,),
            {"batch_first": True},
            "sequences first in what is padded, not in what is packed",
        ),
        ("padding_value", (4, 2, 1), (3,), {"padding_value": -2.5}, "padding of another value"),
        ("padding_side", (3, 2), (2,), {"padding_side": "left"}, "padding in front; what is packed knows none"),
        ("total_length", (4, 2), (3,), {"total_length": 7}, "padded beyond the longest sequence"),
        ("scalars", (3, 1), (), {"padding_value": 9.0}, "sequences of numbers"),
        ("matrices", (2, 3), (2, 4), {"enforce_sorted": False}, "further axes"),
        ("one-sequence", (3,), (2,), {"total_length": 5}, "a single sequence"),
        ("equal", (3, 3), (2,), {"enforce_sorted": False}, "equal lengths keep their order"),
    ]
    for name, lengths, features, options, note in rows:
        config = DEFAULTS | options
        yield from cases_of(
            "packing", name, config, partial(arrays_of, lengths=lengths, features=features), note, level="quick"
        )

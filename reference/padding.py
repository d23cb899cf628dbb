"""Sequences of different lengths in one batch: what a layer does at their ends, so that padding takes no part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from reference.checks import Array, Shape
from reference.packing import Lengths, check_lengths


class Padding(NamedTuple):
    """Where the sequences of a batch end, time-major; all three index or select in arrays of shape (T, B, ...)."""

    beyond: Array
    """True at the steps behind a sequence's end, (T, B, 1)"""
    ends: tuple[Array, Array]
    """the last step of each sequence"""
    turned: tuple[Array, Array]
    """for each step, the one in its place when every sequence is read from its own end"""


def padding_of(given: Lengths, input_shape: Shape, steps: int, batch: int, enforce_sorted: bool) -> Padding:
    """Where the sequences of a batch (T, B, ...) end, given their lengths.

    Raises:
        TypeError, ValueError, RuntimeError: as ``check_lengths``, or RuntimeError for a single sequence.
    """
    if len(input_shape) != 3:
        raise RuntimeError(f"lengths belong to a batch: x must be 3-D, got {len(input_shape)}-D")
    lengths = check_lengths(given, steps, batch, enforce_sorted)
    step, sequence = np.arange(steps)[:, None], np.arange(batch)
    beyond = step >= lengths
    from_the_end = np.where(beyond, step, lengths - 1 - step)
    return Padding(beyond[..., None], (lengths - 1, sequence), (from_the_end, sequence))


def turned(a: Array, padding: Padding | None) -> Array:
    """(T, B, ...) with every sequence in reverse order, padding still behind it."""
    reversed_: Array = a[::-1] if padding is None else a[padding.turned]
    return reversed_


def last_state(states: Array, padding: Padding) -> Array:
    """The state after each sequence's own last step, (B, ...), from (T + 1, B, ...)."""
    last: Array = states[1:][padding.ends]
    return last


def at_the_ends(d_h: Array, d_last: Sequence[Array], padding: Padding) -> tuple[list[Array], list[Array]]:
    """Gradients of final states, moved from the last step of the batch to each sequence's own.

    Gives what enters on each state at every step, (T, B, ...), ``d_h`` included, and zeros for the last step.
    """
    d_states = [d_h.copy(), *(np.zeros_like(d_h, shape=(len(d_h), *d.shape)) for d in d_last[1:])]
    for d_state, d_end in zip(d_states, d_last, strict=True):
        d_state[padding.ends] += d_end
    return d_states, [np.zeros_like(d_end) for d_end in d_last]

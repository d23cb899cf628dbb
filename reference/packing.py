"""Sequences of different lengths in one array, as ``torch.nn.utils.rnn`` pads and packs them.

Padded, a batch is (T, B, ...) with T the longest length, and what stands behind a sequence's end is padding. Packed,
it is the steps of all sequences without padding, one step after the other: first the first element of every
sequence, then the second of those that have one, and so on, which needs the sequences in order of decreasing length.

The networks take padded arrays with lengths. What a user of torch writes as pack, run and pad is here

    x, lengths = pad_packed_sequence(pack_sequence(sequences, enforce_sorted=False))
    output, h_n, cache = rnn.forward(model, params, x, lengths=lengths, enforce_sorted=False)
    packed = pack_padded_sequence(output, lengths, enforce_sorted=False)
    output, lengths = pad_packed_sequence(packed, padding_value=..., total_length=...)

and h_n is that of each sequence's own end. Packing only moves elements: the gradient of padding is packing, and the
other way round, so that ``rnn.backward`` is given d_output after the same two functions, with 0 for ``padding_value``.

Letters in shapes: T steps, B sequences, N all their elements together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from reference.checks import Array, check_array, check_type

Lengths: TypeAlias = Array | Sequence[int]


class PackedSequence(NamedTuple):
    """The fields of ``torch.nn.utils.rnn.PackedSequence``."""

    data: Array
    """(N, ...)"""
    batch_sizes: Array
    """how many sequences have a first element, a second one, ..., (T,)"""
    sorted_indices: Array | None = None
    """the sequences in order of decreasing length, (B,); None if that is how they came"""
    unsorted_indices: Array | None = None
    """where each sequence stands in that order, (B,)"""


def pad_sequence(
    sequences: Iterable[Array], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Array:
    """Sequences (T_b, ...) beside one another, ``padding_value`` behind the shorter ones, or in front of them.

    Gives (T, B, ...), or (B, T, ...) if ``batch_first``, in the dtype of the first.

    Raises:
        TypeError: not an array.
        ValueError: ``padding_value`` is text that is no number.
        RuntimeError: not iterable, no sequences, axes behind the first that differ, or ``padding_side`` is neither
            ``"right"`` nor ``"left"``.
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(f"pad_sequence: expected an iterable of sequences, got {type(sequences).__name__}")
    given = tuple(sequences)
    if not given:
        raise RuntimeError("received an empty list of sequences")
    for sequence in given:
        check_array("sequence", sequence)
        if sequence.ndim == 0 or sequence.shape[1:] != given[0].shape[1:]:
            raise RuntimeError(f"sequences must have shape (T, *{given[0].shape[1:]}), got {sequence.shape}")
    if padding_side not in ("right", "left"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    steps = max(len(sequence) for sequence in given)
    _check_padding(padding_value, given[0].dtype)
    padded = np.full_like(given[0], padding_value, shape=(steps, len(given), *given[0].shape[1:]))
    for index, sequence in enumerate(given):
        start = 0 if padding_side == "right" else steps - len(sequence)
        padded[start : start + len(sequence), index] = sequence
    return padded.swapaxes(0, 1) if batch_first else padded


def pack_padded_sequence(
    x: Array, lengths: Lengths, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """The elements of padded sequences, (T, B, ...) or (B, T, ...) if ``batch_first``, step by step.

    Unless ``enforce_sorted`` they are first put in order of decreasing length. Sequences of equal length keep their
    order; torch's sort promises none.

    Raises:
        TypeError: not an array, or as ``check_lengths``.
        ValueError: as ``check_lengths``.
        IndexError: ``x`` has fewer than 2 axes.
        RuntimeError: ``x`` has no elements, or lengths that ``check_lengths`` refuses.
    """
    check_array("x", x)
    if x.ndim < 2:
        raise IndexError(f"x must have at least 2 axes, steps and sequences, got {x.ndim}")
    if x.size == 0:
        raise RuntimeError(f"Cannot pack an empty array, got x of shape {x.shape}")
    time_major = x.swapaxes(0, 1) if batch_first else x
    lengths = check_lengths(lengths, time_major.shape[0], time_major.shape[1], enforce_sorted)
    sorted_indices = unsorted_indices = None
    if not enforce_sorted:
        sorted_indices = np.argsort(-lengths, kind="stable")
        unsorted_indices = np.argsort(sorted_indices)
        time_major, lengths = time_major[:, sorted_indices], lengths[sorted_indices]
    within = np.arange(lengths[0])[:, None] < lengths
    return PackedSequence(time_major[: lengths[0]][within], within.sum(axis=1), sorted_indices, unsorted_indices)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Array, Array]:
    """The inverse of packing: the padded sequences in the order in which they were packed, and their lengths, (B,).

    Gives (T, B, ...), or (B, T, ...) if ``batch_first``, with ``total_length`` for T if it is given.

    Raises:
        TypeError: not a packed sequence, or ``total_length`` is not an int.
        ValueError: ``total_length`` is less than the longest length, or ``padding_value`` is text that is no number.
    """
    if not isinstance(sequence, PackedSequence):
        raise TypeError(f"sequence must be a PackedSequence, got {type(sequence).__name__}")
    data, batch_sizes, _, unsorted_indices = sequence
    steps = len(batch_sizes)
    if total_length is not None:
        check_type("total_length", total_length, int)
        if total_length < steps:
            raise ValueError(f"total_length must be at least {steps}, the longest length, got {total_length}")
    _check_padding(padding_value, data.dtype)
    padded = np.full_like(data, padding_value, shape=(total_length or steps, int(batch_sizes[0]), *data.shape[1:]))
    within = np.arange(batch_sizes[0]) < batch_sizes[:, None]
    padded[:steps][within] = data
    lengths = within.sum(axis=0)
    if unsorted_indices is not None:
        padded, lengths = padded[:, unsorted_indices], lengths[unsorted_indices]
    return (padded.swapaxes(0, 1) if batch_first else padded), lengths


def unpad_sequence(padded_sequences: Array, lengths: Array, batch_first: bool = False) -> list[Array]:
    """The sequences of a padded array, each in its own length: copies, as in torch. A length beyond T gives T steps.

    Raises:
        TypeError: a length that is no integer.
        ValueError: not one length for each sequence.
        IndexError: one axis only (NumPy's AxisError, unless ``batch_first``).
    """
    batch_major = padded_sequences if batch_first else padded_sequences.swapaxes(0, 1)
    return [sequence[:length].copy() for sequence, length in zip(batch_major, lengths, strict=True)]


def pack_sequence(sequences: Sequence[Array], enforce_sorted: bool = True) -> PackedSequence:
    """``pad_sequence``, then ``pack_padded_sequence``.

    Raises:
        TypeError, RuntimeError: as these two.
    """
    padded = pad_sequence(sequences)
    return pack_padded_sequence(padded, np.array([len(s) for s in sequences]), enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Array]:
    """``pad_packed_sequence``, then ``unpad_sequence``.

    Raises:
        TypeError: as ``pad_packed_sequence``.
    """
    return unpad_sequence(*pad_packed_sequence(packed_sequences))


def check_lengths(given: Lengths, steps: int, batch: int, enforce_sorted: bool) -> Array:
    """The lengths of ``batch`` sequences with at most ``steps`` elements, in int64, fractions of a step dropped.

    Raises:
        TypeError: neither an array nor a sequence of numbers, or ``enforce_sorted`` is not a bool.
        ValueError: lists of unequal lengths in place of numbers.
        RuntimeError: an empty batch, a wrong shape or dtype, a sequence of length 0 or longer than ``steps``, or
            lengths that do not decrease although ``enforce_sorted``.
    """
    lengths = given if isinstance(given, np.ndarray) else _as_array(given)
    check_type("enforce_sorted", enforce_sorted, bool)
    if batch == 0:
        raise RuntimeError("Cannot pack an empty batch")
    if lengths.ndim != 1 or len(lengths) != batch:
        raise RuntimeError(f"lengths must have shape ({batch},), got {lengths.shape}")
    if lengths.dtype.kind not in "iufb":
        raise RuntimeError(f"lengths must be numbers of steps, got {lengths.dtype}")
    lengths = lengths.astype(np.int64)  # as torch does: fractions of a step are dropped
    if np.any(lengths <= 0) or np.any(lengths > steps):
        raise RuntimeError(
            f"lengths must be greater than 0 and at most {steps}, the steps of x, got {lengths.tolist()}"
        )
    if enforce_sorted and np.any(lengths[1:] > lengths[:-1]):
        raise RuntimeError(f"lengths must decrease, got {lengths.tolist()}; pass enforce_sorted=False for any order")
    return lengths


def _as_array(lengths: Sequence[int]) -> Array:
    if not isinstance(lengths, list | tuple | range):
        raise TypeError(f"lengths must be a NumPy array or a sequence of numbers, got {type(lengths).__name__}")
    return np.array(lengths)


def _check_padding(value: float, dtype: np.dtype[Any]) -> None:
    """Raise RuntimeError for a value that sequences of integers cannot hold."""
    if np.issubdtype(dtype, np.integer) and not np.iinfo(dtype).min <= float(value) <= np.iinfo(dtype).max:
        raise RuntimeError(f"padding_value {value} cannot be converted to {dtype}")

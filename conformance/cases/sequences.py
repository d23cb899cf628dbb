"""For all three networks: sequences of different lengths, dropout between layers, and a single sequence."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from conformance.case import Array, Case, Level, cases_of
from conformance.cases.networks import DEFAULTS, arrays_of, build, config_of, in_order, named


def cases() -> Iterator[Case]:
    for kind in DEFAULTS:
        yield from _packed_options(kind)
        yield from _packed_lengths(kind)
        yield from _dropout(kind)
        yield from _packed_dropout(kind)
        yield from _sequences(kind)
        yield from _unbatched(kind)


def _packed_config(config: dict[str, Any], *, enforce_sorted: bool) -> dict[str, Any]:
    """With the argument of torch's pack_padded_sequence."""
    return config | {"enforce_sorted": enforce_sorted}


def _packed_options(kind: str) -> Iterator[Case]:
    """Lengths that differ, with every combination of layers, directions, layout and order."""
    combinations = product((1, 2), (False, True), (False, True), (True, False))
    for number, (layers, bidirectional, batch_first, enforce_sorted) in enumerate(combinations):
        draw = np.random.default_rng(2000 + number)
        batch, steps, input_size, hidden_size = (int(size) for size in draw.permutation([3, 4, 5, 6]))
        # the longest is as long as the input, the shortest a single step, and the order is not that of length
        lengths = [1, steps, *(int(n) for n in draw.integers(2, steps, batch - 2))]
        if enforce_sorted:
            lengths.sort(reverse=True)
        options = {"nonlinearity": "relu" if number % 4 == 2 else "tanh"} if kind == "rnn" else {}
        config = config_of(
            kind,
            input_size,
            hidden_size,
            num_layers=layers,
            batch_first=batch_first,
            bidirectional=bidirectional,
            **options,
        )
        flags = named(bidirectional=bidirectional, batch_first=batch_first, unsorted=not enforce_sorted)
        yield from cases_of(
            f"{kind}_packed",
            "-".join([*options.values(), f"{layers}-layer", *flags]),
            _packed_config(config, enforce_sorted=enforce_sorted),
            build(kind, config, batch=batch, steps=steps, lengths=tuple(lengths)),
            "sequences of different lengths, from a single step to the whole input; everything random",
            level="quick" if kind == "rnn" or bidirectional else "standard",
        )


def _packed_lengths(kind: str) -> Iterator[Case]:
    """Lengths with a reason of their own."""
    both = {"bidirectional": True}
    rows: list[tuple[str, tuple[int, ...], int, dict[str, Any], dict[str, Any], str]] = [
        ("small", (3, 1), 3, {}, {}, "small enough to follow by hand, for a diagnosis that few mistakes reach"),
        ("small-bidirectional", (3, 1), 3, both, {}, "small enough to follow by hand, both directions"),
        ("equal", (4, 4, 4), 4, both, {}, "no padding at all: the same as without lengths"),
        ("shorter-than-input", (3, 2, 2), 5, both, {}, "even the longest sequence ends before the input does"),
        ("length-1", (1, 1, 1), 4, both, {}, "single steps, and all the rest is padding"),
        ("one-sequence", (3,), 5, both, {}, "a batch of one sequence with padding behind it"),
        ("only-output-gradient", (2, 5, 3), 5, both, {"upstream": ("output",)}, "no gradient on the final states"),
        ("only-state-gradient", (2, 5, 3), 5, both, {"upstream": ("h_n", "c_n")},
         "the gradient on the final states enters at each sequence's own end"),
        ("no-initial-state", (2, 5, 3), 5, {"num_layers": 2}, {"initial": False}, "states left out count as zeros"),
        ("long", (2, 40, 17, 33), 40, both, {}, "from 2 to 40 steps in one batch"),
    ]  # fmt: skip
    for name, lengths, steps, options, arrays, note in rows:
        config = config_of(kind, 3, 4, **options)
        yield from cases_of(
            f"{kind}_packed",
            name,
            _packed_config(config, enforce_sorted=in_order(lengths)),
            build(kind, config, batch=len(lengths), steps=steps, lengths=lengths, **arrays),
            note,
            level="standard" if name == "long" else "quick",
        )
    for layers in (1, 2):
        config = config_of(kind, 3, 4, bidirectional=True, num_layers=layers)
        yield from cases_of(
            f"{kind}_packed",
            f"nan-padding-{layers}-layer",
            _packed_config(config, enforce_sorted=False),
            partial(_nan_padding, kind=kind, config=config),
            "NaN in the padding of input and upstream gradient: padding takes no part, not even multiplied by 0",
            level="quick",
        )


def _nan_padding(rng: np.random.Generator, kind: str, config: dict[str, Any]) -> dict[str, Array]:
    lengths = (2, 5, 3)
    arrays = arrays_of(rng, kind, config, batch=3, steps=5, lengths=lengths)
    for sequence, length in enumerate(lengths):
        arrays["input"][length:, sequence] = np.nan
        arrays["d_output"][length:, sequence] = np.nan
    return arrays


def _dropout(kind: str) -> Iterator[Case]:
    """Dropout between layers: with the masks given, scaled already, or in evaluation mode, without effect."""
    rows: list[tuple[str, float, dict[str, Any], bool, Level, str]] = [
        ("2-layer", 0.5, {"num_layers": 2}, True, "quick", "one mask, between the two layers"),
        ("3-layer", 0.3, {"num_layers": 3}, True, "quick", "a mask behind each layer but the last"),
        ("bidirectional", 0.3, {"num_layers": 2, "bidirectional": True}, True, "quick",
         "a mask for the states of both directions"),
        ("batch_first", 0.4, {"num_layers": 3, "batch_first": True}, True, "quick", "masks are laid out like output"),
        ("3-layer-bidirectional", 0.2, {"num_layers": 3, "bidirectional": True, "batch_first": True}, True, "standard",
         "everything at once"),
        ("small", 0.5, {"num_layers": 2}, True, "quick", "small enough to follow by hand"),
        ("all", 1.0, {"num_layers": 2}, True, "quick", "p = 1: nothing reaches the next layer from below"),
        ("eval", 0.5, {"num_layers": 3, "bidirectional": True}, False, "quick",
         "evaluation mode: dropout has no effect, nothing is scaled"),
        ("eval-all", 1.0, {"num_layers": 2}, False, "quick", "evaluation mode at p = 1: still no effect"),
    ]  # fmt: skip
    for name, dropout, options, masks, level, note in rows:
        batch, steps, inputs, hidden = (1, 3, 2, 4) if name == "small" else (3, 5, 2, 4)
        config = config_of(kind, inputs, hidden, dropout=dropout, **options)
        yield from cases_of(
            f"{kind}_dropout",
            name,
            config,
            build(kind, config, batch=batch, steps=steps, masks=masks),
            note,
            level=level,
        )


def _packed_dropout(kind: str) -> Iterator[Case]:
    """Dropout between layers of sequences that differ in length: torch draws for the steps that exist."""
    rows: list[tuple[str, tuple[int, ...], dict[str, Any], str]] = [
        ("2-layer", (5, 3, 1), {"num_layers": 2}, "one mask, between the two layers"),
        ("bidirectional-unsorted", (2, 5, 3), {"num_layers": 2, "bidirectional": True},
         "both directions, in another order than that of length"),
        ("3-layer-batch_first", (3, 5, 2), {"num_layers": 3, "batch_first": True}, "masks are laid out like output"),
    ]  # fmt: skip
    for name, lengths, options, note in rows:
        config = config_of(kind, 2, 4, dropout=0.4, **options)
        yield from cases_of(
            f"{kind}_packed_dropout",
            name,
            _packed_config(config, enforce_sorted=in_order(lengths)),
            build(kind, config, batch=3, steps=5, lengths=lengths, masks=True),
            note,
            level="quick",
        )


def _sequences(kind: str) -> Iterator[Case]:
    """A list of sequences, packed, run and padded as torch's users write it."""
    rows: list[tuple[str, tuple[int, ...], dict[str, Any], float, int | None, str]] = [
        ("plain", (5, 3, 1), {}, 0.0, None, "in order of length, padded with 0 to the longest"),
        ("unsorted", (2, 6, 3, 4), {"num_layers": 2, "bidirectional": True}, 0.0, None,
         "in any order: results come back in the order of the sequences"),
        ("padding_value", (5, 3, 2), {}, -1.5, None, "a value that is no state: it reaches neither h_n nor a gradient"),
        ("total_length", (4, 3, 1), {"bidirectional": True}, 0.0, 7, "padded beyond the longest sequence"),
        ("batch_first-padding_value-total_length-unsorted", (2, 4), {"batch_first": True}, 2.5, 6, "all at once"),
    ]  # fmt: skip
    for name, lengths, options, padding_value, total_length, note in rows:
        network = config_of(kind, 3, 4, **options)
        config = _packed_config(network, enforce_sorted="unsorted" not in name)
        yield from cases_of(
            f"{kind}_sequences",
            name,
            config | {"padding_value": padding_value, "total_length": total_length},
            partial(_sequence_arrays, kind=kind, config=network, lengths=lengths, total_length=total_length),
            note,
            level="quick",
        )


def _sequence_arrays(
    rng: np.random.Generator, kind: str, config: dict[str, Any], lengths: tuple[int, ...], total_length: int | None
) -> dict[str, Array]:
    """Sequences in the place of a padded input, and gradients on the padding too."""
    arrays = arrays_of(rng, kind, config, batch=len(lengths), steps=total_length or max(lengths))
    padded = arrays.pop("input")
    batch_major = padded if config["batch_first"] else padded.swapaxes(0, 1)
    sequences = zip(batch_major, lengths, strict=True)
    return {f"sequence{k}": sequence[:length] for k, (sequence, length) in enumerate(sequences)} | arrays


def _unbatched(kind: str) -> Iterator[Case]:
    """A single sequence, without a batch axis in any array."""
    rows: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
        ("plain", {}, {}, "a sequence (T, I) and states (L * D, H)"),
        ("bidirectional", {"bidirectional": True, "num_layers": 2}, {}, "layers and directions"),
        ("batch_first", {"batch_first": True, "num_layers": 2}, {}, "batch_first has no effect without a batch"),
        ("no-initial-state", {"num_layers": 2}, {"initial": False}, "states left out count as zeros"),
        ("no-bias", {"bias": False}, {}, "no biases"),
        ("length-1", {"bidirectional": True}, {"steps": 1}, "a single step"),
    ]
    for name, options, arrays, note in rows:
        config = config_of(kind, 3, 4, **options)
        yield from cases_of(
            f"{kind}_unbatched",
            name,
            config,
            build(kind, config, **({"batch": None, "steps": 5} | arrays)),
            note,
            level="quick",
        )

"""Padding and packing against torch: bit for bit, since elements are only moved."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.utils import rnn as in_torch

from reference import packing, rnn
from reference.checks import Array
from tests.reference.against_torch import assert_all_close, assert_refused, assert_same_refusal, frozen, leaf, tensor

LENGTHS = [(5, 3, 1), (2, 5, 1, 4), (3,), (2, 2), (1, 1, 4)]
FEATURES: list[tuple[int, ...]] = [(), (2,), (3, 2)]


def sequences_of(lengths: tuple[int, ...], features: tuple[int, ...] = (2,), dtype: Any = np.float64) -> list[Array]:
    rng = np.random.default_rng(0)
    return [frozen(np.asarray(rng.standard_normal((length, *features)), dtype=dtype)) for length in lengths]


def assert_same(actual: Any, expected: Any) -> None:
    """The same fields, lists, arrays and gaps, to the last bit."""
    if expected is None:
        assert actual is None
    elif isinstance(expected, torch.Tensor):
        assert isinstance(actual, np.ndarray)
        assert actual.dtype == expected.numpy().dtype
        np.testing.assert_array_equal(actual, expected.numpy(), strict=True)
    else:
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            assert_same(one, other)


@pytest.mark.parametrize(("lengths", "features"), list(product(LENGTHS, FEATURES)))
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_padded_and_packed_as_in_torch(lengths: tuple[int, ...], features: tuple[int, ...], dtype: Any) -> None:
    ours = sequences_of(lengths, features, dtype)
    theirs = [tensor(sequence) for sequence in ours]
    for batch_first, side in product((False, True), ("right", "left")):
        options: dict[str, Any] = {"batch_first": batch_first, "padding_value": -7.0, "padding_side": side}
        assert_same(packing.pad_sequence(ours, **options), in_torch.pad_sequence(theirs, **options))
    assert_same(packing.pad_sequence(ours), in_torch.pad_sequence(theirs))
    packed, expected = packing.pack_sequence(ours, False), in_torch.pack_sequence(theirs, False)
    assert packed._fields == expected._fields
    assert_same(packed, expected)
    assert_same(packing.pad_packed_sequence(packed), in_torch.pad_packed_sequence(expected))
    assert_same(packing.unpack_sequence(packed), in_torch.unpack_sequence(expected))
    for batch_first, length in product((False, True), (None, 5, 9)):
        options = {"batch_first": batch_first, "padding_value": 3.0, "total_length": length}
        assert_same(packing.pad_packed_sequence(packed, **options), in_torch.pad_packed_sequence(expected, **options))
        given, lengths_ = in_torch.pad_packed_sequence(expected, **options)
        again = packing.pack_padded_sequence(given.numpy(), lengths_.numpy(), batch_first, enforce_sorted=False)
        assert_same(again, in_torch.pack_padded_sequence(given, lengths_, batch_first, enforce_sorted=False))
        assert_same(packing.unpad_sequence(given.numpy(), lengths_.numpy(), batch_first), theirs)


def test_sorted_sequences_need_no_indices() -> None:
    packed = packing.pack_sequence(sequences_of((4, 4, 2)))
    assert_same(packed, in_torch.pack_sequence([tensor(s) for s in sequences_of((4, 4, 2))]))
    assert packed.sorted_indices is None


def test_equal_lengths_keep_their_order() -> None:
    lengths = np.random.default_rng(2).integers(1, 4, 100)
    packed = packing.pack_padded_sequence(np.zeros((3, 100)), lengths, enforce_sorted=False)
    np.testing.assert_array_equal(packed.sorted_indices, sorted(range(100), key=lambda index: -lengths[index]))


def test_a_packed_sequence_of_two_fields_is_sorted() -> None:
    data, batch_sizes = np.arange(4.0), np.array([2, 1, 1])
    ours, theirs = packing.PackedSequence(data, batch_sizes), in_torch.PackedSequence(tensor(data), tensor(batch_sizes))
    assert_same(ours, theirs)
    assert_same(packing.pad_packed_sequence(ours), in_torch.pad_packed_sequence(theirs))


def test_the_comparison_refuses_another_order() -> None:
    ours = sequences_of((2, 5, 1, 4))
    packed, expected = packing.pack_sequence(ours, False), in_torch.pack_sequence([tensor(s) for s in ours], False)
    for wrong in (
        packed._replace(unsorted_indices=packed.sorted_indices),
        packed._replace(data=packed.data[::-1]),
        packed._replace(data=packed.data.astype(np.float32)),
        packed._replace(unsorted_indices=None),
    ):
        with pytest.raises(AssertionError):
            assert_same(wrong, expected)


def test_the_documented_way_from_sequences_to_padded_output_and_back() -> None:
    """Packed, run and padded with a value and a length, forward and backward, as the module's heading writes it."""
    lengths, model = (2, 6, 3), rnn.RNN(2, 4, bidirectional=True)
    ours = sequences_of(lengths)
    rng = np.random.default_rng(1)
    params = {name: frozen(rng.uniform(-0.5, 0.5, shape)) for name, shape in model.parameter_shapes.items()}
    d_output, d_h_n = frozen(rng.standard_normal((8, 3, 8))), frozen(rng.standard_normal((2, 3, 4)))

    module = torch.nn.RNN(2, 4, bidirectional=True, dtype=torch.float64)
    module.load_state_dict({name: tensor(value) for name, value in params.items()})
    leaves = [leaf(sequence) for sequence in ours]
    output, h_n = module(in_torch.pack_sequence(leaves, enforce_sorted=False))
    output, _ = in_torch.pad_packed_sequence(output, padding_value=0.25, total_length=8)
    torch.autograd.backward([output, h_n], [tensor(d_output), tensor(d_h_n)])
    expected = {"output": output, "h_n": h_n} | {f"sequence{k}": s.grad for k, s in enumerate(leaves)}
    expected |= {name: value.grad for name, value in module.named_parameters()}

    x, n = packing.pad_packed_sequence(packing.pack_sequence(ours, enforce_sorted=False))
    result, last, cache = rnn.forward(model, params, x, lengths=n, enforce_sorted=False)
    packed = packing.pack_padded_sequence(result, n, enforce_sorted=False)
    padded, n_again = packing.pad_packed_sequence(packed, padding_value=0.25, total_length=8)
    np.testing.assert_array_equal(n_again, lengths)
    upstream, _ = packing.pad_packed_sequence(packing.pack_padded_sequence(d_output, n, enforce_sorted=False))
    grads = rnn.backward(model, params, cache, upstream, d_h_n)
    actual = {"output": padded, "h_n": last} | {name: grads[name] for name in params}
    actual |= {f"sequence{k}": s for k, s in enumerate(packing.unpad_sequence(grads["input"], n))}
    assert_all_close(actual, expected, tolerance=1e-13)


# ------------------------------------------------------------------------------------------------- refusals


def zeros(*shape: int) -> Array:
    return np.zeros(shape)


@pytest.mark.parametrize("sequences", [[], 3, [zeros(2, 3), zeros(3, 2)], [zeros(), zeros(3)]], ids=str)
def test_sequences_that_cannot_be_padded(sequences: Any) -> None:
    theirs = [tensor(s) for s in sequences] if isinstance(sequences, list) else sequences
    assert_same_refusal(lambda: in_torch.pad_sequence(theirs), lambda: packing.pad_sequence(sequences))


def test_wrong_arguments_of_padding() -> None:
    ours, theirs = sequences_of((3, 2)), [tensor(s) for s in sequences_of((3, 2))]
    assert_same_refusal(
        lambda: in_torch.pad_sequence(theirs, padding_side="up"),
        lambda: packing.pad_sequence(ours, padding_side="up"),
        "left or right",
    )
    for length in (2, 4.0):
        assert_same_refusal(
            lambda n=length: in_torch.pad_packed_sequence(in_torch.pack_sequence(theirs), total_length=n),  # type: ignore[misc]
            lambda n=length: packing.pad_packed_sequence(packing.pack_sequence(ours), total_length=n),  # type: ignore[misc]
            "total_length",
        )
    assert_refused(lambda: packing.pad_packed_sequence(ours[0]), TypeError, "PackedSequence")  # type: ignore[arg-type]
    assert_refused(lambda: packing.pad_sequence([[1.0]]), TypeError, "array")  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("lengths", "mentions"),
    [((2, 3), "decrease"), ((3, 1, 2), "decrease"), ((2, 0), "greater than 0")],
    ids=["unsorted", "unsorted-behind-the-longest", "empty"],
)
def test_sequences_that_cannot_be_packed(lengths: tuple[int, ...], mentions: str) -> None:
    ours = sequences_of(lengths)
    assert_same_refusal(
        lambda: in_torch.pack_sequence([tensor(s) for s in ours]), lambda: packing.pack_sequence(ours), mentions
    )


@pytest.mark.parametrize(
    ("x", "lengths"),
    [
        (zeros(3), [3]),
        (zeros(), [3]),
        (zeros(4, 0, 2), []),
        (zeros(4, 2, 0), [4, 3]),
        (zeros(0, 2), [0, 0]),
        (zeros(4, 2), [4]),
        (zeros(4, 2), [4, 0]),
    ],
)
def test_padded_arrays_that_cannot_be_packed(x: Array, lengths: list[int]) -> None:
    given = np.array(lengths, np.int64)
    assert_same_refusal(
        lambda: in_torch.pack_padded_sequence(tensor(x), tensor(given)),
        lambda: packing.pack_padded_sequence(x, given),
        "" if x.size else "empty",
    )


def test_wrong_arguments_of_packing() -> None:
    lengths, wrong = np.array([3, 2]), [[1.0, 2.0]] * 3
    assert_same_refusal(
        lambda: in_torch.pack_padded_sequence(wrong, tensor(lengths)),  # type: ignore[arg-type]
        lambda: packing.pack_padded_sequence(wrong, lengths),  # type: ignore[arg-type]
        "x must be",
    )
    # torch takes anything for true or false; here a number is taken for a mistake
    assert_refused(
        lambda: packing.pack_padded_sequence(zeros(3, 2), lengths, enforce_sorted=1),  # type: ignore[arg-type]
        TypeError,
        "enforce_sorted",
    )


def test_not_one_length_for_each_sequence() -> None:
    assert_same_refusal(
        lambda: in_torch.unpad_sequence(tensor(zeros(4, 2)), tensor(np.array([3, 2, 1]))),
        lambda: packing.unpad_sequence(zeros(4, 2), np.array([3, 2, 1])),
    )


@pytest.mark.parametrize(("dtype", "value"), [("int64", np.nan), ("int64", np.inf), ("uint8", 300), ("int8", -129)])
def test_integers_cannot_be_padded_with_what_is_none(dtype: str, value: float) -> None:
    sequences = [np.array([1, 2], dtype=dtype), np.array([3], dtype=dtype)]
    tensors = [torch.from_numpy(sequence) for sequence in sequences]
    assert_same_refusal(
        lambda: in_torch.pad_sequence(tensors, padding_value=value),
        lambda: packing.pad_sequence(sequences, padding_value=value),
        f"padding_value {value}",
    )
    assert_same_refusal(
        lambda: in_torch.pad_packed_sequence(in_torch.pack_sequence(tensors), padding_value=value),
        lambda: packing.pad_packed_sequence(packing.pack_sequence(sequences), padding_value=value),
        f"padding_value {value}",
    )
    for limit in (np.iinfo(dtype).min, np.iinfo(dtype).max):
        if dtype != "int64":  # whose limits no float has
            np.testing.assert_array_equal(packing.pad_sequence(sequences, padding_value=limit), [[1, 3], [2, limit]])

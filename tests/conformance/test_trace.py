from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch

from conformance.trace import NotATraceError, as_trace


def test_order_values_and_dtypes_are_kept() -> None:
    given = {"b": np.ones((2, 3), np.float32), "a": np.float64(2), "c": [[1, 2], [3, 4]], "d": True, "e": 1.5}
    trace = as_trace(MappingProxyType(given))
    assert list(trace) == list(given)
    assert [array.dtype for array in trace.values()] == [np.float32, np.float64, np.int64, np.bool_, np.float64]
    assert [array.shape for array in trace.values()] == [(2, 3), (), (2, 2), (), ()]
    assert trace["b"] is given["b"]


def test_a_tensor_without_gradient_is_an_array() -> None:
    assert as_trace({"output": torch.ones(2)})["output"].dtype == np.float32


def test_subclasses_become_plain_arrays() -> None:
    class Own(np.ndarray):
        pass

    assert type(as_trace({"output": np.ones(2).view(Own)})["output"]) is np.ndarray


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (None, r"expected a dict of arrays by name, got NoneType"),
        ([np.ones(2)], r"expected a dict of arrays by name, got list"),
        (np.ones(2), r"expected a dict of arrays by name, got ndarray"),
        ({1: np.ones(2)}, r"expected names to be strings, got 1"),
        ({"output": None}, r"output: expected an array of numbers, got NoneType \(object\)"),
        ({"output": "0.5"}, r"output: expected an array of numbers, got str \(<U3\)"),
        ({"output": [[1.0, 2.0], [3.0]]}, r"output: expected an array of numbers: .*inhomogeneous"),
        ({"output": {"a": 1}}, r"output: expected an array of numbers, got dict \(object\)"),
        ({"output": np.ones(2) * 1j}, r"output: expected an array of numbers, got ndarray \(complex128\)"),
        # it compares equal wherever it is masked: it would agree with anything
        ({"output": np.ma.MaskedArray([1.0], mask=True)}, r"output: expected an array of numbers, got one with a mask"),
        ({"output": torch.ones(2, requires_grad=True)}, r"output: expected an array of numbers: .*requires grad"),
    ],
)
def test_anything_else_is_refused_with_the_array_that_is_meant(result: Any, message: str) -> None:
    with pytest.raises(NotATraceError, match=message):
        as_trace(result)

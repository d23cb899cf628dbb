"""What the reference's tests share: arrays compared with torch's, and wrong calls refused as torch refuses them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from reference import optim
from reference.checks import Array

torch.set_num_threads(1)

FLOAT64_TOLERANCE = 1e-12

Call = Callable[[], object]


def tensor(value: Any) -> Any:
    """An array as a tensor with memory of its own; anything else as it is, for wrong calls."""
    return torch.from_numpy(np.array(value)) if isinstance(value, np.ndarray) else value


def leaf(value: Array) -> torch.Tensor:
    """An array as a tensor that collects a gradient."""
    result: torch.Tensor = tensor(value).requires_grad_()
    return result


def backward(output: torch.Tensor, d_output: Any) -> None:
    """Let torch propagate an upstream gradient, given as an array."""
    torch.autograd.backward([output], [tensor(d_output)])


def frozen(value: Array) -> Array:
    """The same array, write-protected: whoever writes into it, or into a view of it, raises ValueError."""
    value.flags.writeable = False
    return value


def as_array(value: Any) -> Array:
    """A tensor's values, or an array, as an array."""
    return value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def assert_close(actual: Any, expected: Any, what: str = "", tolerance: float = FLOAT64_TOLERANCE) -> None:
    """Shape and dtype equal, NaN and infinities in the same places, and the norm of the difference small."""
    expected = as_array(expected)
    assert isinstance(actual, np.ndarray | np.generic), f"{what} is no array but {type(actual).__name__}"
    assert actual.shape == expected.shape, what
    assert actual.dtype == expected.dtype, what
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(np.where(finite, 0, actual), np.where(finite, 0, expected), what)
    # the largest value, taken out, keeps tiny arrays from underflowing in the squares of the norm
    values = expected[finite]
    largest = np.abs(values).max(initial=0) or 1
    error, size = (
        np.linalg.norm(np.abs(v / largest).astype(float)) for v in (np.asarray(actual)[finite] - values, values)
    )
    bound = tolerance * size
    assert error <= bound, f"{what} differs by {error:.3g} in norm, {bound:.3g} allowed\n{actual}\n{expected}"


def assert_all_close(
    actual: Mapping[str, Any], expected: Mapping[str, Any], what: str = "", tolerance: float = FLOAT64_TOLERANCE
) -> None:
    """The same names, and every array close."""
    assert actual.keys() == expected.keys(), what
    for name, value in expected.items():
        assert_close(actual[name], value, f"{what} {name}", tolerance)


def assert_refused(call: Call, expected: type[Exception], mentions: str = "") -> None:
    """The call raises exactly this class, with one line that says what is wrong or what was expected."""
    with pytest.raises(expected) as refusal:
        call()
    assert refusal.type is expected
    message = refusal.value.args[0]
    assert message
    assert message == message.strip()
    assert "\n" not in message
    assert mentions in message


def assert_same_refusal(in_torch: Call, in_reference: Call, mentions: str = "") -> None:
    """Both calls raise the same class; TypeError where torch trips over an attribute that a non-tensor lacks."""
    with pytest.raises(Exception) as refusal:  # noqa: PT011 - which class it is, is what we ask torch
        in_torch()
    expected = TypeError if refusal.type is AttributeError else refusal.type
    assert_refused(in_reference, expected, mentions)


class Beside:
    """The same run of one parameter, here and in torch."""

    def __init__(self, algorithm: str, param: Array, options: dict[str, Any]) -> None:
        self.optimizer: optim.Optimizer = getattr(optim, algorithm)(**options)
        self.params: dict[str, Array] = {"w": frozen(param)}
        self.state = self.optimizer.init(self.params)
        self.theirs = leaf(param)
        self.torch = getattr(torch.optim, algorithm)([self.theirs], **options)

    def step(self, grad: Any, theirs: torch.Tensor | None = None) -> None:
        self.params, self.state = self.optimizer.step(self.params, {"w": grad}, self.state)
        self.theirs.grad = tensor(grad) if theirs is None else theirs
        self.torch.step()

    def assert_equal(self, tolerance: float) -> None:
        assert_close(self.params["w"], self.theirs, "parameter", tolerance)
        self.assert_states_equal(tolerance)

    def assert_states_equal(self, tolerance: float) -> None:
        theirs = self.torch.state[self.theirs]
        assert self.state["w"].keys() == theirs.keys()
        for key, value in theirs.items():
            assert_close(
                self.state["w"][key], value.to_dense() if isinstance(value, torch.Tensor) else value, key, tolerance
            )


def warnings_of(call: Callable[[], object]) -> list[warnings.WarningMessage]:
    """In a file of its own, so that a warning's place tells the caller from this."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        call()
    return said

"""The interpolation against torch.lerp."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from reference.optim.lerp import lerp
from tests.reference.against_torch import assert_close, tensor

WEIGHTS = [0.0, 1e-3, 0.1, 0.4999, 0.5, 0.7, 0.999, 1.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weight", WEIGHTS)
def test_it_is_torchs(weight: float, dtype: Any) -> None:
    start, end = np.random.default_rng(0).standard_normal((2, 50)).astype(dtype)
    tolerance = 4 * float(np.finfo(dtype).eps)
    assert_close(lerp(start, end, weight), torch.lerp(tensor(start), tensor(end), weight), tolerance=tolerance)


@pytest.mark.parametrize("weight", [0.1, 0.9])
def test_it_is_the_average_that_it_is_written_for(weight: float) -> None:
    start, end = np.random.default_rng(1).standard_normal((2, 50))
    assert_close(lerp(start, end, weight), (1 - weight) * start + weight * end)


@pytest.mark.parametrize(("start", "end"), [(1e20, 1.0), (0.1, 1e-20), (np.inf, 1.0), (1.0, np.inf)])
@pytest.mark.parametrize("weight", WEIGHTS)
def test_it_counts_from_the_side_that_torch_counts_from(start: float, end: float, weight: float) -> None:
    """From the other one a small value beside a large one is lost, and infinities become NaN elsewhere."""
    ours = np.array([start]), np.array([end])
    with np.errstate(invalid="ignore"):
        value = lerp(*ours, weight)
    assert_close(value, torch.lerp(tensor(ours[0]), tensor(ours[1]), weight))


def test_the_weight_is_rounded_before_it_is_taken_from_1() -> None:
    start, end = np.array([1.0], dtype=np.float32), np.array([1e20], dtype=np.float32)
    almost = 1 - 2.0**-30  # 1 in float32
    assert lerp(start, end, almost) == torch.lerp(tensor(start), tensor(end), almost).numpy() == end

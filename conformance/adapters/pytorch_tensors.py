"""Arrays as torch's tensors, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from conformance.case import Array, Case

Tensors = Mapping[str, torch.Tensor]


def dtype_of(case: Case) -> torch.dtype:
    return torch.float32 if case.dtype == np.float32 else torch.float64


def leaf(array: Array) -> torch.Tensor:
    return torch.from_numpy(array).requires_grad_()


def tensors_of(case: Case, names: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(case[name]) for name in names}


def sparse(rows: torch.Tensor, values: torch.Tensor, param: torch.Tensor) -> torch.Tensor:
    """A gradient of some rows of a parameter."""
    return torch.sparse_coo_tensor(rows[None], values, param.shape, check_invariants=True)


def grad_of(param: torch.Tensor) -> torch.Tensor:
    if param.grad is None:
        raise RuntimeError("torch computed no gradient")
    return param.grad


def array_of(tensor: torch.Tensor) -> Array:
    array: Array = tensor.detach().clone().numpy()
    return array


def number_of(value: float, case: Case) -> Array:
    number: Array = case.dtype.type(value)
    return number

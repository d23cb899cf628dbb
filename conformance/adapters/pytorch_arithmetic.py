"""torch's element-wise operations on NumPy arrays, one by one: how they round is asked here, not assumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from numpy.typing import NDArray

Plain = NDArray[Any]


def sqrt(x: Plain) -> Plain:
    """torch's square root, which may be another one than the processor's."""
    root: Plain = torch.from_numpy(x.copy()).sqrt().numpy()
    return root


def _on_arrays(
    operation: Callable[[torch.Tensor, torch.Tensor, torch.Tensor, float], torch.Tensor],
) -> Callable[[Plain, Plain, Plain, float], Plain]:
    def on_arrays(x: Plain, y: Plain, z: Plain, s: float) -> Plain:
        # what an optimizer calls writes into its first argument
        result: Plain = operation(torch.from_numpy(x.copy()), torch.from_numpy(y), torch.from_numpy(z), s).numpy()
        return result

    return on_arrays


OPERATIONS: Mapping[str, Callable[[Plain, Plain, Plain, float], Plain]] = {
    "add(alpha)": _on_arrays(lambda x, y, z, s: x.add_(y, alpha=s)),
    "add(-alpha)": _on_arrays(lambda x, y, z, s: x.add_(y, alpha=-s)),
    "mul": _on_arrays(lambda x, y, z, s: x.add_(y.mul(s))),
    "div": _on_arrays(lambda x, y, z, s: x.div_(s)),
    "rdiv": _on_arrays(lambda x, y, z, s: s / x),
    "addcmul": _on_arrays(lambda x, y, z, s: x.addcmul_(y, z, value=s)),
    "addcmul(-1)": _on_arrays(lambda x, y, z, s: x.addcmul_(y, z, value=-1)),
    "addcdiv": _on_arrays(lambda x, y, z, s: x.addcdiv_(y, z, value=s)),
    "lerp": _on_arrays(lambda x, y, z, s: x.lerp_(y, s)),
    "sqrt_": _on_arrays(lambda x, y, z, s: x.abs_().sqrt_()),
}
"""as the optimizers call them, by torch's names"""

"""Adam for gradients that have a few rows of a parameter only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from reference.checks import Array
from reference.optim.base import Optimizer, ParamState, check_betas
from reference.optim.sparse_gradient import SparseGradient, added_up, check_rows, with_rows


@dataclass(frozen=True)
class SparseAdam(Optimizer):
    """Adam on the rows that a sparse gradient has, the others and their moments left alone.

        for the rows i of g, values of the same row added up first:
            m_i <- m_i + (1 - beta1) (g_i - m_i)
            v_i <- v_i + (1 - beta2) (g_i^2 - v_i)
            theta_i <- theta_i - gamma sqrt(1 - beta2^t) / (1 - beta1^t) m_i / (sqrt(v_i) + epsilon)

    The step t counts the parameter's gradients, not the row's: a row that comes late has its moments corrected
    for less than they need. Epsilon is added before bias correction, where Adam adds it after. A gradient
    without rows counts as a step.
    State: ``step``, a whole number here, ``exp_avg``, ``exp_avg_sq``.

    Raises:
        ValueError: ``lr`` or ``eps`` is not above 0, or ``betas`` are not two numbers in [0, 1).
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    maximize: bool = False

    def check_own(self) -> None:
        if not self.lr > 0.0:
            raise ValueError(f"Invalid learning rate: {self.lr}, expected above 0")
        if not self.eps > 0.0:
            raise ValueError(f"Invalid epsilon value: {self.eps}, expected above 0")
        check_betas(self.betas)

    def initial_state(self, param: Array) -> ParamState:
        if param.dtype.kind == "c":
            raise ValueError("SparseAdam does not support complex parameters")
        return {}

    def check_gradient(self, name: str, param: Array, grad: Any) -> None:
        if isinstance(grad, np.ndarray):
            raise RuntimeError(f"SparseAdam does not support dense gradients, got one for {name}; please consider Adam")
        if not isinstance(grad, SparseGradient):
            raise TypeError(f"gradient of {name} must be a SparseGradient, got {type(grad).__name__}")
        check_rows(name, param, grad)

    def first_state(self, param: Array) -> ParamState:
        return {"step": np.array(0), "exp_avg": np.zeros_like(param), "exp_avg_sq": np.zeros_like(param)}

    def update_rows(self, param: Array, grad: SparseGradient, state: ParamState) -> tuple[Array, ParamState]:
        (beta1, beta2), eps = self.betas, self.eps
        step = np.array(int(state["step"]) + 1)
        t = int(step)
        rows, gradient = added_up(grad)
        if self.maximize:
            gradient = -gradient
        exp_avg, exp_avg_sq = state["exp_avg"][rows], state["exp_avg_sq"][rows]
        bias_correction1 = 1 - beta1**t
        bias_correction2 = 1 - beta2**t
        exp_avg = exp_avg + (1 - beta1) * (gradient - exp_avg)
        exp_avg_sq = exp_avg_sq + (1 - beta2) * (gradient * gradient - exp_avg_sq)
        rate = self.lr * bias_correction2**0.5 / bias_correction1
        moved = param[rows] - rate * exp_avg / (np.sqrt(exp_avg_sq) + eps)
        new = {
            "step": step,
            "exp_avg": with_rows(state["exp_avg"], rows, exp_avg),
            "exp_avg_sq": with_rows(state["exp_avg_sq"], rows, exp_avg_sq),
        }
        return with_rows(param, rows, moved), new

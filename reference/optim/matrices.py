"""Algorithms that look at a parameter as a whole: its norm, the means of its rows, its singular values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from reference.checks import Array
from reference.optim.base import ZERO_STEPS, Optimizer, ParamState, count
from reference.optim.lerp import lerp
from reference.rounding import round_to_bfloat16


@dataclass(frozen=True)
class Adafactor(Optimizer):
    """Adafactor (Shazeer and Stern 2018), with torch's rate and epsilon.

        b <- 1 - t^tau                                       (tau = beta2_decay)
        rho <- min(gamma, 1 / sqrt(t))
        alpha <- max(epsilon2, RMS(theta)) rho
        theta <- theta - gamma lambda theta
        R <- b R + (1 - b) mean of g^2 over columns          (matrices: one value per row
        C <- b C + (1 - b) mean of g^2 over rows              and one per column)
        V <- R C / max(mean of R, epsilon1)
        V <- b V + (1 - b) g^2                               (vectors and scalars)
        u <- g / sqrt(max(V, epsilon1^2))
        theta <- theta - alpha u / max(1, RMS(u) / d)

    RMS(x) = sqrt(mean of x^2). Arrays of more than two axes are stacks of matrices, on their last two. ``lr`` is
    the largest relative rate, not the rate. ``eps`` is (epsilon1, epsilon2); None stands for the distance from 1
    to the next number of the parameter's dtype. The paper adds epsilon1 to g^2, and does not bound V by it; in float32
    the square of its 1e-30 is 0, and gradients of 0 give NaN.
    State: ``step``, and ``row_var`` (R) and ``col_var`` (C), or ``variance`` (V).

    Raises:
        ValueError: ``lr``, one of ``eps`` or ``weight_decay`` is not at least 0, ``beta2_decay`` not at most 0, or
            ``d`` not at least 1.
        IndexError: fewer than two ``eps``.
    """

    elementwise: ClassVar[bool] = False

    lr: float = 1e-2
    beta2_decay: float = -0.8
    eps: tuple[float | None, float] = (None, 1e-3)
    d: float = 1.0
    weight_decay: float = 0.0
    maximize: bool = False

    def check_own(self) -> None:
        if not self.lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {self.lr}")
        if not self.beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {self.beta2_decay}")
        if self.eps[0] is not None and not self.eps[0] >= 0.0:
            raise ValueError(f"epsilon1 should be >= 0 but is: {self.eps[0]}")
        if not self.eps[1] >= 0.0:
            raise ValueError(f"epsilon2 should be >= 0 but is: {self.eps[1]}")
        if not self.d >= 1.0:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {self.d}")
        if not self.weight_decay >= 0.0:
            raise ValueError(f"weight_decay should be >= 0 but is: {self.weight_decay}")

    def first_state(self, param: Array) -> ParamState:
        state = {"step": ZERO_STEPS.copy()}
        if param.ndim > 1:
            state["row_var"] = np.zeros_like(param, shape=(*param.shape[:-1], 1))
            state["col_var"] = np.zeros_like(param, shape=(*param.shape[:-2], 1, param.shape[-1]))
        else:
            state["variance"] = np.zeros_like(param)
        return state

    def update(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        eps1, eps2 = self.eps
        if eps1 is None:
            eps1 = float(np.finfo(param.dtype).eps)
        step = count(state["step"])
        t = float(step)
        if self.maximize:
            grad = -grad
        new_share = t**self.beta2_decay
        relative_rate = min(self.lr, 1 / t**0.5)
        rate = max(eps2, _rms(param)) * relative_rate
        if self.weight_decay != 0:
            param = param * (1 - self.lr * self.weight_decay)
        square = grad * grad
        if grad.ndim > 1:
            row_mean = square.sum(axis=-1, keepdims=True) / grad.shape[-1]
            col_mean = square.sum(axis=-2, keepdims=True) / grad.shape[-2]
            row_var = lerp(state["row_var"], row_mean, new_share)
            col_var = lerp(state["col_var"], col_mean, new_share)
            mean_of_rows = row_var.sum(axis=-2, keepdims=True) / grad.shape[-2]
            variance = row_var * col_var / np.maximum(mean_of_rows, eps1)
            new = {"step": step, "row_var": row_var, "col_var": col_var}
        else:
            variance = lerp(state["variance"], square, new_share)
            new = {"step": step, "variance": variance}
        direction = grad / np.sqrt(np.maximum(variance, eps1 * eps1))
        clipping = max(1.0, _rms(direction) / self.d)
        return param - rate / clipping * direction, new


def _rms(x: Array) -> float:
    norm = float(np.sqrt((x * x).sum()))
    return norm / math.sqrt(x.size)


@dataclass(frozen=True)
class Muon(Optimizer):
    """Muon (Jordan 2024): momentum, made orthogonal. For matrices only.

        b <- mu b + (1 - mu) g
        u <- (1 - mu) g + mu b  if nesterov, else b
        x <- u / max(||u||, epsilon)                         (the transpose of u if it has more rows than columns)
        repeat ns_steps times:                               (Newton-Schulz, (a, b, c) = ns_coefficients)
            x <- a x + (b (x x^T) + c (x x^T)^2) x
        theta <- theta - gamma lambda theta
        theta <- theta - gamma r x                           (transposed back)

    The factor r is max(1, rows / columns)^0.5 with ``adjust_lr_fn`` None or "original", and
    0.2 max(rows, columns)^0.5 with "match_rms_adamw" (Liu et al. 2025). The iteration does not converge: it
    brings the singular values to about 1 and no nearer. From x on everything is rounded to bfloat16, as torch
    computes it whatever the parameters' dtype: about 1.5 percent of the direction, more where a singular value is
    small.
    State: ``momentum_buffer``.

    Raises:
        ValueError: ``lr``, ``momentum`` or ``weight_decay`` is not at least 0; an unknown ``adjust_lr_fn``.
    """

    elementwise: ClassVar[bool] = False

    lr: float = 1e-3
    weight_decay: float = 0.1
    momentum: float = 0.95
    nesterov: bool = True
    ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315)
    eps: float = 1e-7
    ns_steps: int = 5
    adjust_lr_fn: str | None = None

    def check_own(self) -> None:
        if not self.lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {self.lr}")
        if not self.momentum >= 0.0:
            raise ValueError(f"momentum should be >= 0 but is: {self.momentum}")
        if not self.weight_decay >= 0.0:
            raise ValueError(f"weight decay should be >= 0 but is: {self.weight_decay}")
        if self.adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"adjust_lr_fn must be None, 'original' or 'match_rms_adamw', got {self.adjust_lr_fn!r}")

    def initial_state(self, param: Array) -> ParamState:
        if param.ndim != 2:
            raise ValueError(f"Muon only supports 2D parameters whereas we found a parameter with size: {param.shape}")
        return {}

    def first_state(self, param: Array) -> ParamState:
        return {"momentum_buffer": np.zeros_like(param)}

    def update(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        momentum = self.momentum
        buffer = lerp(state["momentum_buffer"], grad, 1 - momentum)
        direction = lerp(grad, buffer, momentum) if self.nesterov else buffer
        direction = self._orthogonalized(direction)
        param = param * (1 - self.lr * self.weight_decay)
        return param - self.lr * self._rate_factor(*param.shape) * direction, {"momentum_buffer": buffer}

    def _orthogonalized(self, direction: Array) -> Array:
        # torch, too, refuses these two in a step only
        if self.ns_steps >= 100:
            raise ValueError(f"ns_steps must be less than 100 for computational efficiency, got {self.ns_steps}")
        if len(self.ns_coefficients) != 3:
            raise ValueError(f"ns_coefficients must be exactly 3 values, got {self.ns_coefficients}")
        a, b, c = self.ns_coefficients
        tall = direction.shape[0] > direction.shape[1]
        x = round_to_bfloat16(direction.T if tall else direction)
        size = round_to_bfloat16(np.sqrt((x * x).sum()))
        x = round_to_bfloat16(x / np.maximum(size, self.eps))
        for _ in range(self.ns_steps):
            gram = round_to_bfloat16(x @ x.T)
            polynomial = round_to_bfloat16(b * gram + c * (gram @ gram))
            x = round_to_bfloat16(a * x + polynomial @ x)
        return x.T if tall else x

    def _rate_factor(self, rows: int, columns: int) -> float:
        if self.adjust_lr_fn == "match_rms_adamw":
            return float(0.2 * max(rows, columns) ** 0.5)
        return float(max(1, rows / columns) ** 0.5)

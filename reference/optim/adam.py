"""Adam and its kin: two moments of the gradient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reference.checks import Array
from reference.optim.base import ZERO_STEPS, Optimizer, ParamState, check_at_least_zero, count


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba 2015), with AMSGrad (Reddi, Kale and Kumar 2018).

        g <- g + lambda theta
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        v_max <- max(v_max, v), used in place of v below     (amsgrad: the maximum before bias correction)
        theta <- theta - gamma / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)

    Epsilon is added after bias correction; the "epsilon hat" form of several frameworks adds it before.
    State: ``step``, ``exp_avg``, ``exp_avg_sq``, with amsgrad ``max_exp_avg_sq``.
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0
    amsgrad: bool = False
    maximize: bool = False

    def __post_init__(self) -> None:
        check_at_least_zero(learning_rate=self.lr, epsilon=self.eps, weight_decay=self.weight_decay)
        if len(self.betas) != 2:
            raise ValueError(f"betas must be two numbers, got {self.betas}")
        for index, beta in enumerate(self.betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {index}: {beta}, expected in [0, 1)")
        if not all(isinstance(beta, float) for beta in self.betas):
            raise ValueError(f"betas must be floats, got {self.betas}")

    def first_state(self, param: Array) -> ParamState:
        state = {"step": ZERO_STEPS.copy(), "exp_avg": np.zeros_like(param), "exp_avg_sq": np.zeros_like(param)}
        if self.amsgrad:
            state["max_exp_avg_sq"] = np.zeros_like(param)
        return state

    def update(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        if self.maximize:
            grad = -grad
        if self.weight_decay != 0:
            grad = grad + self.weight_decay * param
        return self._moments(param, grad, state)

    def _moments(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        (beta1, beta2), eps = self.betas, self.eps
        step = count(state["step"])
        t = float(step)
        bias_correction1 = 1 - beta1**t
        bias_correction2 = 1 - beta2**t
        exp_avg = beta1 * state["exp_avg"] + (1 - beta1) * grad
        exp_avg_sq = beta2 * state["exp_avg_sq"] + (1 - beta2) * grad * grad
        new = {"step": step, "exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq}
        if self.amsgrad:
            exp_avg_sq = new["max_exp_avg_sq"] = np.maximum(state["max_exp_avg_sq"], exp_avg_sq)
        denominator = np.sqrt(exp_avg_sq) / bias_correction2**0.5 + eps
        return param - self.lr / bias_correction1 * exp_avg / denominator, new


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019).

        theta <- theta - gamma lambda theta,  then Adam with the gradient as it is

    The decay is multiplied by the rate, and its default is not 0.
    """

    weight_decay: float = 1e-2

    def update(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        if self.maximize:
            grad = -grad
        if self.weight_decay != 0:
            param = param * (1 - self.lr * self.weight_decay)
        return self._moments(param, grad, state)

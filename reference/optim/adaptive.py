"""A step size of its own for every element, from the gradients that it has seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reference.checks import Array
from reference.optim.base import ZERO_STEPS, Optimizer, ParamState, check_at_least_zero, count
from reference.optim.lerp import lerp
from reference.optim.sparse_gradient import SparseGradient, added_up, check_rows, with_rows


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan and Singer 2011).

        g <- g + lambda theta
        s <- s + g^2                                         (from initial_accumulator_value)
        theta <- theta - gamma / (1 + (t - 1) lr_decay) g / (sqrt(s) + epsilon)

    Epsilon stands outside the root; several frameworks put it inside and start s at 0.1. With a sparse gradient the
    rows that it has are updated, values of the same row added up first.
    State: ``step``, ``sum``, both there before the first step.

    Raises:
        ValueError: ``lr``, ``lr_decay``, ``weight_decay``, ``initial_accumulator_value`` or ``eps`` is not at least 0.
    """

    lr: float = 1e-2
    lr_decay: float = 0
    weight_decay: float = 0
    initial_accumulator_value: float = 0
    eps: float = 1e-10
    maximize: bool = False

    def check_own(self) -> None:
        check_at_least_zero(
            learning_rate=self.lr,
            lr_decay=self.lr_decay,
            weight_decay=self.weight_decay,
            initial_accumulator_value=self.initial_accumulator_value,
            epsilon=self.eps,
        )

    def initial_state(self, param: Array) -> ParamState:
        return {"step": ZERO_STEPS.copy(), "sum": np.full_like(param, self.initial_accumulator_value)}

    def update(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        eps = self.eps
        step = count(state["step"])
        if self.maximize:
            grad = -grad
        if self.weight_decay != 0:
            grad = grad + self.weight_decay * param
        lr = self.lr / (1 + (float(step) - 1) * self.lr_decay)
        total = state["sum"] + grad * grad
        denominator = np.sqrt(total) + eps
        return param - lr * grad / denominator, {"step": step, "sum": total}

    def check_sparse_gradient(self, name: str, param: Array, grad: SparseGradient) -> None:
        check_rows(name, param, grad, self.weight_decay)

    def update_rows(self, param: Array, grad: SparseGradient, state: ParamState) -> tuple[Array, ParamState]:
        rows, gradient = added_up(grad)
        moved, new = self.update(param[rows], gradient, state | {"sum": state["sum"][rows]})
        return with_rows(param, rows, moved), new | {"sum": with_rows(state["sum"], rows, new["sum"])}


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """RMSprop (Hinton 2012, lecture 6 of "Neural networks for machine learning"; Graves 2013 for centered).

        g <- g + lambda theta
        v <- alpha v + (1 - alpha) g^2
        m <- alpha m + (1 - alpha) g,  a <- v - m^2          (centered; otherwise a <- v)
        b <- mu b + g / (sqrt(a) + epsilon)                  (with momentum)
        theta <- theta - gamma b                             (otherwise gamma g / (sqrt(a) + epsilon))

    Epsilon stands outside the root; several frameworks put it inside.
    State: ``step``, ``square_avg``, with momentum ``momentum_buffer``, centered ``grad_avg``.

    Raises:
        ValueError: ``lr``, ``eps``, ``momentum``, ``weight_decay`` or ``alpha`` is not at least 0.
    """

    lr: float = 1e-2
    alpha: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0
    momentum: float = 0
    centered: bool = False
    maximize: bool = False

    def check_own(self) -> None:
        check_at_least_zero(
            learning_rate=self.lr,
            epsilon=self.eps,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            alpha=self.alpha,
        )

    def first_state(self, param: Array) -> ParamState:
        state = {"step": ZERO_STEPS.copy(), "square_avg": np.zeros_like(param)}
        if self.momentum > 0:
            state["momentum_buffer"] = np.zeros_like(param)
        if self.centered:
            state["grad_avg"] = np.zeros_like(param)
        return state

    def update(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        alpha, eps = self.alpha, self.eps
        new = state | {"step": count(state["step"])}  # what another step's options need is kept, as in torch
        if self.maximize:
            grad = -grad
        if self.weight_decay != 0:
            grad = grad + self.weight_decay * param
        variance = new["square_avg"] = alpha * state["square_avg"] + (1 - alpha) * grad * grad
        if self.centered:
            mean = new["grad_avg"] = lerp(state["grad_avg"], grad, 1 - alpha)
            variance = variance - mean * mean
        denominator = np.sqrt(variance) + eps
        if self.momentum > 0:
            buffer = new["momentum_buffer"] = self.momentum * state["momentum_buffer"] + grad / denominator
            return param - self.lr * buffer, new
        return param - self.lr * grad / denominator, new


@dataclass(frozen=True)
class Adadelta(Optimizer):
    """Adadelta (Zeiler 2012).

        g <- g + lambda theta
        v <- rho v + (1 - rho) g^2
        d <- sqrt(u + epsilon) / sqrt(v + epsilon) g
        u <- rho u + (1 - rho) d^2
        theta <- theta - gamma d

    Epsilon stands inside both roots here: it is what the first step is made of.
    State: ``step``, ``square_avg`` (v), ``acc_delta`` (u).

    Raises:
        ValueError: ``lr``, ``eps`` or ``weight_decay`` is not at least 0, or ``rho`` outside [0, 1].
    """

    lr: float = 1.0
    rho: float = 0.9
    eps: float = 1e-6
    weight_decay: float = 0
    maximize: bool = False

    def check_own(self) -> None:
        check_at_least_zero(learning_rate=self.lr, epsilon=self.eps, weight_decay=self.weight_decay)
        if not 0.0 <= self.rho <= 1.0:
            raise ValueError(f"Invalid rho value: {self.rho}, expected in [0, 1]")

    def first_state(self, param: Array) -> ParamState:
        return {"step": ZERO_STEPS.copy(), "square_avg": np.zeros_like(param), "acc_delta": np.zeros_like(param)}

    def update(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        rho, eps = self.rho, self.eps
        step = count(state["step"])
        if self.maximize:
            grad = -grad
        if self.weight_decay != 0:
            grad = grad + self.weight_decay * param
        square_avg = rho * state["square_avg"] + (1 - rho) * grad * grad
        delta = np.sqrt(state["acc_delta"] + eps) / np.sqrt(square_avg + eps) * grad
        acc_delta = rho * state["acc_delta"] + (1 - rho) * delta * delta
        return param - self.lr * delta, {"step": step, "square_avg": square_avg, "acc_delta": acc_delta}


@dataclass(frozen=True)
class Rprop(Optimizer):
    """Resilient backpropagation (Riedmiller and Braun 1993; the form iRprop- of Igel and Hüsken 2003).

        eta <- eta_plus  where g g_previous > 0
               eta_minus where g g_previous < 0, and g <- 0 there
               1         otherwise
        s <- eta s, kept between the two step_sizes
        theta <- theta - sign(g) s
        g_previous <- g

    Only the gradient's sign moves a parameter. Where the sign turned nothing moves, and the next step, which sees
    a previous gradient of 0, leaves the step's size as it is. ``lr`` is the size that steps start from: a change
    later on has no effect. A gradient of NaN counts as neither sign.
    State: ``step``, ``prev``, ``step_size``.

    Raises:
        ValueError: ``lr`` is not at least 0, or ``etas`` are not in (0, 1) and above 1.
        IndexError: fewer than two ``etas``.
    """

    lr: float = 1e-2
    etas: tuple[float, float] = (0.5, 1.2)
    step_sizes: tuple[float, float] = (1e-6, 50)
    maximize: bool = False

    def check_own(self) -> None:
        check_at_least_zero(learning_rate=self.lr)
        if not 0.0 < self.etas[0] < 1.0 < self.etas[1]:
            raise ValueError(f"Invalid eta values: {self.etas[0]}, {self.etas[1]}, expected in (0, 1) and above 1")

    def first_state(self, param: Array) -> ParamState:
        return {
            "step": ZERO_STEPS.copy(),
            "prev": np.zeros_like(param),
            "step_size": np.full_like(param, self.lr),
        }

    def update(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        (eta_minus, eta_plus), (smallest, largest) = self.etas, self.step_sizes
        step = count(state["step"])
        if self.maximize:
            grad = -grad
        agreement = grad * state["prev"]
        turned = agreement < 0
        eta = np.where(agreement > 0, eta_plus, np.where(turned, eta_minus, 1.0)).astype(param.dtype)
        step_size = np.minimum(np.maximum(eta * state["step_size"], smallest), largest)
        grad = np.where(turned, 0, grad)
        sign = np.where(grad > 0, 1.0, np.where(grad < 0, -1.0, 0.0)).astype(param.dtype)
        return param - sign * step_size, {"step": step, "prev": grad, "step_size": step_size}

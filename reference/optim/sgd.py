"""Stochastic gradient descent, and its average."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reference.checks import Array
from reference.optim.base import ZERO_STEPS, Optimizer, ParamState, check_at_least_zero, count
from reference.optim.sparse_gradient import SparseGradient, added_up, check_rows, with_rows


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum (Polyak 1964; Sutskever et al. 2013 for Nesterov's form).

        g <- g + lambda theta
        b <- mu b + (1 - dampening) g         (b <- g at the first step, without dampening)
        g <- g + mu b  if nesterov, else b
        theta <- theta - gamma g

    The rate multiplies the velocity, it is not inside it: after a change of ``lr`` the two forms differ.
    A sparse gradient counts as 0 in the rows that it has not, whose velocity goes on moving them.
    State: ``momentum_buffer`` with momentum, otherwise none.

    Raises:
        ValueError: a negative ``lr``, ``momentum`` or ``weight_decay``; Nesterov's form without momentum or with
            dampening.
    """

    lr: float = 1e-3
    momentum: float = 0
    dampening: float = 0
    weight_decay: float = 0
    nesterov: bool = False
    maximize: bool = False

    def check_own(self) -> None:
        # torch lets a rate of NaN through here, in the other algorithms it does not
        if self.lr < 0.0:
            raise ValueError(f"Invalid learning rate: {self.lr}")
        if self.momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {self.momentum}")
        if self.weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {self.weight_decay}")
        if self.nesterov and (self.momentum <= 0 or self.dampening != 0):
            raise ValueError(
                "Nesterov momentum requires a momentum and zero dampening, "
                f"got momentum={self.momentum} and dampening={self.dampening}"
            )

    def update(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        if self.maximize:
            grad = -grad
        if self.weight_decay != 0:
            grad = grad + self.weight_decay * param
        direction = grad
        if self.momentum != 0:
            if "momentum_buffer" in state:
                damped = grad if self.dampening == 0 else (1 - self.dampening) * grad
                buffer = self.momentum * state["momentum_buffer"] + damped
            else:
                buffer = grad.copy()
            direction = grad + self.momentum * buffer if self.nesterov else buffer
            state = {"momentum_buffer": buffer}
        # added, as in torch: a sum of large arrays reuses the product's memory, a difference does not
        return param + -self.lr * direction, state

    def check_sparse_gradient(self, name: str, param: Array, grad: SparseGradient) -> None:
        check_rows(name, param, grad, self.weight_decay)

    def update_rows(self, param: Array, grad: SparseGradient, state: ParamState) -> tuple[Array, ParamState]:
        return self.update(param, with_rows(np.zeros_like(param), *added_up(grad)), state)


@dataclass(frozen=True)
class ASGD(Optimizer):
    """Averaged stochastic gradient descent (Polyak and Juditsky 1992; Bottou 2010 for its rate).

        g <- g + lambda theta
        theta <- (1 - lambd eta) theta - eta g
        a <- a + mu (theta - a)                              (a <- theta while mu is 1)
        eta <- gamma / (1 + lambd gamma t)^alpha             (both for the next step)
        mu <- 1 / max(1, t - t0)

    The average is kept beside the parameters and never written to them. A change of ``lr`` acts from the step
    after next on, because a step uses the eta that the one before left. ``eta`` and ``mu`` are float32 whatever
    the parameters' dtype, as torch keeps its scalars (unless torch's default dtype is float64): up to 6e-8 of the
    rate.
    State: ``step``, ``eta``, ``mu``, ``ax``.

    Raises:
        ValueError: ``lr`` or ``weight_decay`` is not at least 0.
    """

    lr: float = 1e-2
    lambd: float = 1e-4
    alpha: float = 0.75
    t0: float = 1e6
    weight_decay: float = 0
    maximize: bool = False

    def check_own(self) -> None:
        check_at_least_zero(learning_rate=self.lr, weight_decay=self.weight_decay)

    def first_state(self, param: Array) -> ParamState:
        return {
            "step": ZERO_STEPS.copy(),
            "eta": np.array(self.lr, dtype=np.float32),
            "mu": np.ones((), dtype=np.float32),
            "ax": np.zeros_like(param),
        }

    def update(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        step = count(state["step"])
        t = float(step)
        eta, mu = float(state["eta"]), float(state["mu"])
        if self.maximize:
            grad = -grad
        if self.weight_decay != 0:
            grad = grad + self.weight_decay * param
        param = param * (1 - self.lambd * eta) - eta * grad
        average = param.copy() if mu == 1 else state["ax"] + (param - state["ax"]) * mu
        next_eta = self.lr / (1 + self.lambd * self.lr * t) ** self.alpha
        next_mu = 1 / max(1, t - self.t0)
        dtype = state["eta"].dtype  # float32, and the parameter's after a state was loaded: rounded all the same
        scalars = {"eta": np.array(np.float32(next_eta), dtype), "mu": np.array(np.float32(next_mu), dtype)}
        return param, {"step": step, **scalars, "ax": average}

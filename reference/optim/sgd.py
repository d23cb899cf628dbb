"""Stochastic gradient descent."""

from __future__ import annotations

from dataclasses import dataclass

from reference.checks import Array
from reference.optim.base import Optimizer, ParamState


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum (Polyak 1964; Sutskever et al. 2013 for Nesterov's form).

        g <- g + lambda theta
        b <- mu b + (1 - dampening) g         (b <- g at the first step, without dampening)
        g <- g + mu b  if nesterov, else b
        theta <- theta - gamma g

    The rate multiplies the velocity, it is not inside it: after a change of ``lr`` the two forms differ.
    State: ``momentum_buffer`` with momentum, otherwise none.
    """

    lr: float = 1e-3
    momentum: float = 0
    dampening: float = 0
    weight_decay: float = 0
    nesterov: bool = False
    maximize: bool = False

    def __post_init__(self) -> None:
        # torch lets a rate of NaN through here, in the other algorithms it does not
        if self.lr < 0.0:
            raise ValueError(f"Invalid learning rate: {self.lr}")
        if self.momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {self.momentum}")
        if self.weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {self.weight_decay}")
        if self.nesterov and (self.momentum <= 0 or self.dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")

    def update(self, param: Array, grad: Array, state: ParamState) -> tuple[Array, ParamState]:
        if self.maximize:
            grad = -grad
        if self.weight_decay != 0:
            grad = grad + self.weight_decay * param
        direction = grad
        if self.momentum != 0:
            if "momentum_buffer" in state:
                buffer = self.momentum * state["momentum_buffer"] + (1 - self.dampening) * grad
            else:
                buffer = grad.copy()
            direction = grad + self.momentum * buffer if self.nesterov else buffer
            state = state | {"momentum_buffer": buffer}
        return param - self.lr * direction, state

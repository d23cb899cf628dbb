"""Schedules that go from one rate to another along half a cosine, or a line."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reference.schedules.base import Schedule, check_anneal_strategy


@dataclass(frozen=True)
class CosineAnnealingLR(Schedule):
    """eta_min + (lr - eta_min)(1 + cos(pi t / T_max)) / 2 (Loshchilov and Hutter 2017); after T_max it rises again.

    Raises:
        ZeroDivisionError: in ``rate``, a ``T_max`` of 0.
    """

    T_max: int
    eta_min: float = 0.0

    def rate(self, lr: float, t: int) -> float:
        return self.eta_min + (lr - self.eta_min) * (1 + math.cos(math.pi * t / self.T_max)) / 2

    def first(self, found: float, lr: float) -> float:
        return found

    def next(self, found: float, lr: float, t: int) -> float:
        if (t - 1 - self.T_max) % (2 * self.T_max) == 0:  # eta_min was reached, and no ratio leads away from 0
            return found + (lr - self.eta_min) * (1 - math.cos(math.pi / self.T_max)) / 2
        height, before = (1 + math.cos(math.pi * k / self.T_max) for k in (t, t - 1))
        return self.eta_min + (found - self.eta_min) * height / before


@dataclass(frozen=True)
class CosineAnnealingWarmRestarts(Schedule):
    """Half a cosine from lr to eta_min, over and over: T_0 steps, then each time T_mult as many (Loshchilov, Hutter).

    eta_min + (lr - eta_min)(1 + cos(pi T_cur / T_i)) / 2

    Raises:
        TypeError: a ``T_0`` or ``T_mult`` that cannot be compared with a number.
        ValueError: a ``T_0`` or ``T_mult`` that is no positive int, an ``eta_min`` that is no number.
    """

    T_0: int
    T_mult: int = 1
    eta_min: float = 0.0

    def __post_init__(self) -> None:
        if self.T_0 <= 0 or not isinstance(self.T_0, int):
            raise ValueError(f"Expected positive integer T_0, but got {self.T_0}")
        if self.T_mult < 1 or not isinstance(self.T_mult, int):
            raise ValueError(f"Expected integer T_mult >= 1, but got {self.T_mult}")
        if not isinstance(self.eta_min, float | int):
            raise ValueError(f"Expected float or int eta_min, but got {self.eta_min} of type {type(self.eta_min)}")

    def rate(self, lr: float, t: int) -> float:
        since, length = t, self.T_0
        while since >= length:
            since = since - length
            length = length * self.T_mult
        return self.eta_min + (lr - self.eta_min) * (1 + math.cos(math.pi * since / length)) / 2


@dataclass(frozen=True)
class SWALR(Schedule):
    """From lr to swa_lr in anneal_epochs steps, and then constant (Izmailov et al. 2018, stochastic weight averaging).

        (1 - a) lr + a swa_lr

    where a goes from 0 to 1 along half a cosine or a line; with anneal_epochs 0 the rate is swa_lr from step 0 on.
    torch keeps it in ``torch.optim.swa_utils``.

    Raises:
        ValueError: an unknown ``anneal_strategy``, or ``anneal_epochs`` is not an int of at least 0.
    """

    swa_lr: float
    anneal_epochs: int = 10
    anneal_strategy: str = "cos"

    def __post_init__(self) -> None:
        check_anneal_strategy(self.anneal_strategy)
        if not isinstance(self.anneal_epochs, int) or self.anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {self.anneal_epochs}")

    def rate(self, lr: float, t: int) -> float:
        alpha = self._alpha(t)
        return (1 - alpha) * lr + alpha * self.swa_lr

    def first(self, found: float, lr: float) -> float:
        return self.rate(found, 0)

    def next(self, found: float, lr: float, t: int) -> float:
        alpha = self._alpha(max(t - 1, 0))
        return self.rate(found if alpha == 1 else (found - alpha * self.swa_lr) / (1 - alpha), t)

    def _alpha(self, t: int) -> float:
        progress = min(t, self.anneal_epochs) / self.anneal_epochs if self.anneal_epochs else 1.0
        return (1 - math.cos(math.pi * progress)) / 2 if self.anneal_strategy == "cos" else progress

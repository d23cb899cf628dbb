"""Schedules that multiply the rate: by a function's values, in steps, along a line or a power."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reference.schedules.base import Schedule


@dataclass(frozen=True)
class LambdaLR(Schedule):
    """lr f(t).

    Raises:
        TypeError: ``lr_lambda`` is no function.
    """

    lr_lambda: Callable[[int], float]

    def __post_init__(self) -> None:
        _check_function(self.lr_lambda)

    def rate(self, lr: float, t: int) -> float:
        return lr * self.lr_lambda(t)


@dataclass(frozen=True)
class Factor(Schedule):
    """The schedules that multiply the rate that they find by a factor that depends on the step only."""

    def factor_at(self, t: int) -> float:
        """What the first rate is multiplied by at step t."""
        raise NotImplementedError

    def ratio(self, t: int) -> float:
        """What the rate of step t - 1 is multiplied by at step t."""
        raise NotImplementedError

    def documented(self, t: int) -> float:
        """The factor by torch's documented formula, which differs from ``factor_at`` for schedules of no steps."""
        return self.factor_at(t)

    def rate(self, lr: float, t: int) -> float:
        return lr * self.factor_at(t)

    def begun(self, lr: float, t: int) -> float:
        return lr * self.documented(t)

    def first(self, found: float, lr: float) -> float:
        return found * self.factor_at(0)

    def next(self, found: float, lr: float, t: int) -> float:
        return found * self.ratio(t)


@dataclass(frozen=True)
class MultiplicativeLR(Factor):
    """f(1) f(2) ... f(t): step 0 has the whole rate, and f(0) is never asked for.

    Raises:
        TypeError: ``lr_lambda`` is no function.
    """

    lr_lambda: Callable[[int], float]

    def __post_init__(self) -> None:
        _check_function(self.lr_lambda)

    def factor_at(self, t: int) -> float:
        return math.prod(self.lr_lambda(k) for k in range(1, t + 1))

    def ratio(self, t: int) -> float:
        return self.lr_lambda(t)


@dataclass(frozen=True)
class StepLR(Factor):
    """gamma^(t div step_size).

    Raises:
        ZeroDivisionError: in ``rate``, a ``step_size`` of 0.
        OverflowError: in ``rate``, a power beyond float's range; torch's product is infinite then.
    """

    step_size: int
    gamma: float = 0.1

    def factor_at(self, t: int) -> float:
        return float(self.gamma ** (t // abs(self.step_size)))  # torch asks whether t is a multiple

    def ratio(self, t: int) -> float:
        return self.gamma if t > 0 and t % self.step_size == 0 else 1.0


@dataclass(frozen=True)
class MultiStepLR(Factor):
    """gamma^(number of milestones up to t); a milestone given twice counts twice, one before step 0 does not.

    Raises:
        OverflowError: in ``rate``, a power beyond float's range; torch's product is infinite then.
    """

    milestones: Sequence[int]
    gamma: float = 0.1

    def factor_at(self, t: int) -> float:
        milestones = sorted(milestone for milestone in self.milestones if milestone >= 0)
        return float(self.gamma ** bisect_right(milestones, t))

    def ratio(self, t: int) -> float:
        return float(self.gamma ** list(self.milestones).count(t))


@dataclass(frozen=True)
class ConstantLR(Factor):
    """``factor`` for the first total_iters steps, then 1; forever if they are none, as torch never comes to the end.

    torch divides by the factor: 0 fails at that step, here and there. Where a SequentialLR begins a schedule at a later
    milestone it takes the documented formula instead, by which no steps leave the whole rate.

    Raises:
        ValueError: ``factor`` outside [0, 1].
        ZeroDivisionError: in ``rate``, a ``factor`` of 0 from step total_iters on.
    """

    factor: float = 1.0 / 3
    total_iters: int = 5

    def __post_init__(self) -> None:
        if self.factor > 1.0 or self.factor < 0:
            raise ValueError(f"Constant multiplicative factor expected to be between 0 and 1, got {self.factor}")

    def factor_at(self, t: int) -> float:
        if t < self.total_iters or self.total_iters <= 0:
            return self.factor
        if self.factor == 0:
            raise ZeroDivisionError(f"factor {self.factor} cannot be divided by at step {self.total_iters}")
        return self.factor / self.factor  # NaN remains NaN

    def ratio(self, t: int) -> float:
        if t == 0:
            return self.factor
        return self.factor_at(t) / self.factor if t == self.total_iters else 1.0

    def documented(self, t: int) -> float:
        return self.factor_at(t) if self.total_iters > 0 else 1.0


@dataclass(frozen=True)
class LinearLR(Factor):
    """start_factor + (end_factor - start_factor) min(t, total_iters) / total_iters; start_factor if they are none.

    Only where a SequentialLR begins the schedule at a later milestone does torch divide by total_iters, and fails at 0.

    Raises:
        ValueError: ``start_factor`` outside (0, 1], or ``end_factor`` outside [0, 1].
        ZeroDivisionError: no steps, at that milestone.
    """

    start_factor: float = 1.0 / 3
    end_factor: float = 1.0
    total_iters: int = 5

    def __post_init__(self) -> None:
        if self.start_factor > 1.0 or self.start_factor <= 0:
            raise ValueError(f"start_factor expected to be in (0, 1], got {self.start_factor}")
        if self.end_factor > 1.0 or self.end_factor < 0:
            raise ValueError(f"end_factor expected to be in [0, 1], got {self.end_factor}")

    def factor_at(self, t: int) -> float:
        return self.documented(t) if self.total_iters > 0 else self.start_factor

    def ratio(self, t: int) -> float:
        if t == 0:
            return self.start_factor
        return self.factor_at(t) / self.factor_at(t - 1) if t <= self.total_iters else 1.0

    def documented(self, t: int) -> float:
        progress = min(t, self.total_iters) / self.total_iters
        return self.start_factor + (self.end_factor - self.start_factor) * progress


@dataclass(frozen=True)
class ExponentialLR(Factor):
    """gamma^t.

    Raises:
        OverflowError: in ``rate``, a power beyond float's range; torch's product is infinite then.
    """

    gamma: float

    def factor_at(self, t: int) -> float:
        return float(self.gamma**t)

    def ratio(self, t: int) -> float:
        return self.gamma


@dataclass(frozen=True)
class PolynomialLR(Factor):
    """(1 - min(t, total_iters) / total_iters)^power; 1 if they are none.

    Within compositions torch divides by total_iters, and fails at 0: where a SequentialLR begins the schedule at a
    later milestone, and for the step too many of a chain that begins a SequentialLR.

    Raises:
        ZeroDivisionError: in ``rate``, a negative ``power`` from step total_iters on; no steps, within such
            compositions.
    """

    total_iters: int = 5
    power: float = 1.0

    def factor_at(self, t: int) -> float:
        return self.documented(t) if self.total_iters > 0 else 1.0

    def ratio(self, t: int) -> float:
        if t > self.total_iters:
            return 1.0
        return float(((1 - t / self.total_iters) / (1 - (t - 1) / self.total_iters)) ** self.power)

    def documented(self, t: int) -> float:
        progress = min(t, self.total_iters) / self.total_iters
        return float((1 - progress) ** self.power)


def _check_function(lr_lambda: object) -> None:
    if not callable(lr_lambda):
        raise TypeError(f"lr_lambda should be a function, but got {type(lr_lambda).__name__}")

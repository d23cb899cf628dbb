"""Learning-rate schedules, as ``torch.optim.lr_scheduler`` computes them: functions from step to learning rate.

    schedule = StepLR(step_size=30, gamma=0.1)
    optimizer = dataclasses.replace(optimizer, lr=schedule.rate(lr, t))

``lr`` is the rate that the optimizer starts with, t = 0, 1, ... counts the schedule's steps, usually epochs. torch
reaches most of these values from the one before; here is the formula that its documentation gives. Within compositions
a schedule may find another rate than it has left; then it is torch's way from one rate to the next that counts.
CyclicLR and OneCycleLR also move a momentum. ReduceLROnPlateau depends on a metric and so has a state.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple


@dataclass(frozen=True)
class Schedule:
    """What all schedules share."""

    def rate(self, lr: float, t: int) -> float:
        """The learning rate at step t of an optimizer that started with ``lr``."""
        raise NotImplementedError

    def first(self, found: float, lr: float) -> float:
        """The rate at step 0 where another schedule has made the rate ``found``: most start from ``lr`` still."""
        return self.rate(lr, 0)

    def next(self, found: float, lr: float, t: int) -> float:
        """The rate at step t where the rate of the step before, or of another schedule in this step, is ``found``."""
        return self.rate(lr, t)

    def begun(self, lr: float, t: int) -> float:
        """The rate t steps after a SequentialLR has come to this schedule at a later milestone."""
        return self.rate(lr, t)


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
        return float(self.gamma ** (t // self.step_size))

    def ratio(self, t: int) -> float:
        return self.gamma if t > 0 and t % self.step_size == 0 else 1.0


@dataclass(frozen=True)
class MultiStepLR(Factor):
    """gamma^(number of milestones up to t); a milestone given twice counts twice.

    Raises:
        OverflowError: in ``rate``, a power beyond float's range; torch's product is infinite then.
    """

    milestones: Sequence[int]
    gamma: float = 0.1

    def factor_at(self, t: int) -> float:
        return float(self.gamma ** bisect_right(sorted(self.milestones), t))

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
        return 1.0

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
class CyclicLR(Schedule):
    """Up and down between base_lr and max_lr (Smith 2017); the optimizer's own rate does not count.

        base_lr + (max_lr - base_lr) s a
        max_momentum - (max_momentum - base_momentum) s a    (the momentum goes the other way)

    where s goes from 0 to 1 in step_size_up steps and back in step_size_down, and the amplitude a is 1 with mode
    "triangular", 1/2^(cycle - 1) with "triangular2", gamma^t with "exp_range", or scale_fn of the cycle or of t.

    Raises:
        TypeError: ``scale_fn`` is no function.
        ValueError: an unknown ``mode`` without ``scale_fn``.
        ZeroDivisionError: no steps up, or none up and down together.
        OverflowError: in ``rate`` and ``momentum``, gamma^t beyond float's range.
    """

    base_lr: float
    max_lr: float
    step_size_up: int = 2000
    step_size_down: int | None = None
    mode: str = "triangular"
    gamma: float = 1.0
    scale_fn: Callable[[float], float] | None = None
    scale_mode: str = "cycle"
    cycle_momentum: bool = True
    base_momentum: float = 0.8
    max_momentum: float = 0.9

    def __post_init__(self) -> None:
        if self.mode not in ("triangular", "triangular2", "exp_range") and self.scale_fn is None:
            raise ValueError(f"mode is invalid and scale_fn is None: {self.mode}")
        try:  # torch makes the first rate at once
            self.rate(0.0, 0)
        except ZeroDivisionError as error:
            steps = f"step_size_up={self.step_size_up} and step_size_down={self.step_size_down}"
            raise ZeroDivisionError(f"{steps} leave no rise to divide by") from error

    def rate(self, lr: float, t: int) -> float:
        return self.base_lr + (self.max_lr - self.base_lr) * self._height(t)

    def momentum(self, t: int) -> float:
        """The momentum, or beta1, at step t."""
        return self.max_momentum - (self.max_momentum - self.base_momentum) * self._height(t)

    def _height(self, t: int) -> float:
        up = float(self.step_size_up)
        down = up if self.step_size_down is None else float(self.step_size_down)
        cycle = math.floor(1 + t / (up + down))
        x = 1.0 + t / (up + down) - cycle
        peak = up / (up + down)
        scale = x / peak if x <= peak else (x - 1) / (peak - 1)
        if self.scale_fn is not None:
            return scale * self.scale_fn(cycle if self.scale_mode == "cycle" else t)
        if self.mode == "triangular2":
            return scale / 2.0 ** (cycle - 1)
        if self.mode == "exp_range":
            return float(scale * self.gamma**t)
        return scale


@dataclass(frozen=True)
class OneCycleLR(Schedule):
    """One rise and one fall (Smith and Topin 2019); the optimizer's own rate does not count.

    From max_lr / div_factor up to max_lr at step pct_start total_steps - 1, then down to the start's
    final_div_factor-th part at step total_steps - 1; with ``three_phase`` first down to the start, as fast as it
    rose. Along half a cosine or a line. The momentum goes the other way, and stays where it is in a third phase.

    Raises:
        ValueError: no positive int for the number of steps, a ``pct_start`` that is no float in [0, 1], an unknown
            ``anneal_strategy``; in ``rate`` and ``momentum``, t above the number of steps.
        ZeroDivisionError: a ``div_factor`` or ``final_div_factor`` of 0; a phase without length, the first one at once,
            the last one in ``rate`` and ``momentum`` at step total_steps (of two phases, with a ``pct_start`` of 1).
    """

    max_lr: float
    total_steps: int | None = None
    epochs: int | None = None
    steps_per_epoch: int | None = None
    pct_start: float = 0.3
    anneal_strategy: str = "cos"
    cycle_momentum: bool = True
    base_momentum: float = 0.85
    max_momentum: float = 0.95
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    three_phase: bool = False

    def __post_init__(self) -> None:
        if self.total_steps is not None:
            if self.total_steps <= 0 or not isinstance(self.total_steps, int):
                raise ValueError(f"Expected positive integer total_steps, but got {self.total_steps}")
        elif self.epochs is not None and self.steps_per_epoch is not None:
            for name, value in (("epochs", self.epochs), ("steps_per_epoch", self.steps_per_epoch)):
                if not isinstance(value, int) or value <= 0:
                    raise ValueError(f"Expected positive integer {name}, but got {value}")
        else:
            raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
        if self.pct_start < 0 or self.pct_start > 1 or not isinstance(self.pct_start, float):
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {self.pct_start}")
        _check_anneal_strategy(self.anneal_strategy)
        try:  # as in CyclicLR
            self.rate(0.0, 0)
        except ZeroDivisionError as error:
            factors = f"div_factor={self.div_factor}, final_div_factor={self.final_div_factor}"
            raise ZeroDivisionError(f"{factors} and pct_start={self.pct_start} have to be divided by") from error

    def rate(self, lr: float, t: int) -> float:
        start = self.max_lr / self.div_factor
        last = start / self.final_div_factor
        return self._along([start, self.max_lr, *([start] if self.three_phase else []), last], t)

    def momentum(self, t: int) -> float:
        """The momentum, or beta1, at step t."""
        high, low = self.max_momentum, self.base_momentum
        return self._along([high, low, high, *([high] if self.three_phase else [])], t)

    def _along(self, values: Sequence[float], t: int) -> float:
        total = self.total_steps or (self.epochs or 0) * (self.steps_per_epoch or 0)
        if t > total:
            raise ValueError(f"Tried to step {t} times. The specified number of total steps is {total}")
        ends = [0.0, self.pct_start * total - 1, total - 1.0]
        if self.three_phase:
            ends.insert(2, 2 * self.pct_start * total - 2)
        phase = 0
        while phase < len(ends) - 2 and t > ends[phase + 1]:
            phase += 1
        done = (t - ends[phase]) / (ends[phase + 1] - ends[phase])
        start, end = values[phase], values[phase + 1]
        if self.anneal_strategy == "linear":
            return (end - start) * done + start
        return end + (start - end) / 2 * (1 + math.cos(math.pi * done))


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
        _check_anneal_strategy(self.anneal_strategy)
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


@dataclass(frozen=True)
class Composition(Schedule):
    """What schedules of schedules share: torch creates their parts in the order in which they are listed.

    The rate that a schedule starts from is the optimizer's at the first one's creation: if that is a CyclicLR, its
    base_lr. A OneCycleLR replaces it by its own first rate, for itself and for those that are created later. All its
    rates are kept in the optimizer, so that of several OneCycleLR the last one's rates are everybody's.
    """

    schedulers: Sequence[Schedule]

    def _check(self) -> None:
        name = type(self).__name__
        for schedule in self.schedulers:
            if isinstance(schedule, ReduceLROnPlateau):
                raise ValueError(f"{name} does not support ReduceLROnPlateau among its schedulers: it needs a metric")
            if not isinstance(schedule, Schedule):
                raise TypeError(f"{name} expects schedulers, but got {type(schedule).__name__}")
            for part in schedule.schedulers if isinstance(schedule, Composition) else ():
                if isinstance(part, CyclicLR | OneCycleLR | SequentialLR):
                    raise ValueError(f"{name} of {type(schedule).__name__} of {type(part).__name__} is not supported")

    def _created(self, lr: float) -> tuple[list[tuple[Schedule, float]], float]:
        """Every part and the rate that it starts from; and the optimizer's first rate after all were created."""
        cycles = [schedule for schedule in self.schedulers if isinstance(schedule, OneCycleLR)]
        created: list[tuple[Schedule, float]] = []
        for index, schedule in enumerate(self.schedulers):
            part = schedule
            if isinstance(part, CyclicLR) and index == 0:
                lr = part.base_lr
            elif isinstance(part, OneCycleLR):
                lr = part.max_lr / part.div_factor
                last = cycles[-1]
                part = replace(
                    part, max_lr=last.max_lr, div_factor=last.div_factor, final_div_factor=last.final_div_factor
                )
            created.append((part, lr))
        return created, lr


@dataclass(frozen=True)
class SequentialLR(Composition):
    """One schedule after another: schedule i from milestone i - 1 on, its steps counted from there, from ``lr``.

    MultiplicativeLR and SWALR, whose rates are made from the ones before, go on from the last rate of the schedule
    that they follow; MultiplicativeLR asks for f(0) then, at its milestone. The schedule of step 0 starts from what
    the creation of all of them has made of the optimizer's first rate, the others from what it was at their own.

    A ChainedScheduler is possible at step 0 only: torch steps it once more than a schedule by itself, so that an
    ExponentialLR in it is one step ahead. At a later milestone torch raises NotImplementedError, as for a SequentialLR
    there. Refused with ValueError: a SequentialLR or an SWALR that torch would step twice in this way.

    Raises:
        TypeError: a part that is no schedule.
        ValueError: no parts, a ReduceLROnPlateau, a CyclicLR, OneCycleLR or SequentialLR within a part, milestones that
            are not one fewer than the parts, or what is named above; in ``rate``, as the parts.
        NotImplementedError: in ``rate``, a composition at a later milestone.
        ZeroDivisionError, OverflowError: in ``rate``, as the parts.
    """

    milestones: Sequence[int]

    def __post_init__(self) -> None:
        if len(self.schedulers) < 1:
            raise ValueError("SequentialLR expects at least one scheduler, but got no scheduler.")
        self._check()
        if len(self.milestones) != len(self.schedulers) - 1:
            raise ValueError(
                "Sequential Schedulers expects number of schedulers provided to be one more than the number of "
                f"milestone points, but got {len(self.schedulers)} and {len(self.milestones)}"
            )
        start = self.schedulers[bisect_right(self.milestones, 0)]
        if isinstance(start, SequentialLR):
            raise ValueError("SequentialLR that starts with SequentialLR is not supported")
        if isinstance(start, ChainedScheduler) and any(isinstance(part, SWALR) for part in start.flat):
            raise ValueError("SequentialLR that starts with ChainedScheduler of SWALR is not supported")

    def rate(self, lr: float, t: int) -> float:
        index, begin = self._at(t)
        created, start = self._created(lr)
        schedule, own = created[index]
        if begin > 0:
            if isinstance(schedule, Composition):
                raise NotImplementedError(
                    f"schedulers that begin at milestone {begin} cannot be {type(schedule).__name__}"
                )
            if isinstance(schedule, MultiplicativeLR | SWALR):
                own = self.rate(lr, begin - 1)
                if isinstance(schedule, MultiplicativeLR):
                    own = own * schedule.lr_lambda(0)
            return schedule.begun(own, t - begin)
        if isinstance(schedule, Factor | SWALR):
            return schedule.rate(start, t)
        rate = self.first(lr, lr)
        for k in range(1, t + 1):
            rate = schedule.next(rate, own, k)
        return rate

    def first(self, found: float, lr: float) -> float:
        created, start = self._created(lr)
        schedule, own = created[self._at(0)[0]]
        return schedule.next(start, own, 0) if isinstance(schedule, Composition) else schedule.first(start, own)

    def next(self, found: float, lr: float, t: int) -> float:
        index, begin = self._at(t)
        schedule, own = self._created(lr)[0][index]
        if t > begin or isinstance(schedule, MultiplicativeLR | SWALR):
            return schedule.next(found, own, t - begin)
        if isinstance(schedule, Composition):
            raise NotImplementedError(f"schedulers that begin at milestone {begin} cannot be {type(schedule).__name__}")
        return schedule.begun(own, 0)

    def _at(self, t: int) -> tuple[int, int]:
        """Which schedule it is that makes the rate at step t, and the step it began at."""
        index = bisect_right(self.milestones, t)
        return index, self.milestones[index - 1] if index else 0


@dataclass(frozen=True)
class ChainedScheduler(Composition):
    """Several schedules at once: each makes its rate of that of the one before it.

    Factors multiply. LambdaLR, CosineAnnealingWarmRestarts, CyclicLR and OneCycleLR put their own rate in the place of
    what they find: of the schedules before them nothing is left, and the factors after them count for one step only.
    A SequentialLR does so at its milestones and, as it is created, at step 0.

    Raises:
        TypeError: a part that is no schedule.
        ValueError: no parts, a ReduceLROnPlateau, or a CyclicLR, OneCycleLR or SequentialLR within a part; in ``rate``,
            as the parts.
        NotImplementedError, ZeroDivisionError, OverflowError: in ``rate``, as the parts.
    """

    def __post_init__(self) -> None:
        if len(self.schedulers) < 1:
            raise ValueError("ChainedScheduler expects at least one scheduler to be chained, but got no scheduler.")
        self._check()

    @property
    def flat(self) -> list[Schedule]:
        """The schedules, those of chains within the chain too."""
        parts = (part.flat if isinstance(part, ChainedScheduler) else [part] for part in self.schedulers)
        return [schedule for part in parts for schedule in part]

    def rate(self, lr: float, t: int) -> float:
        rate = self.first(lr, lr)
        for k in range(1, t + 1):
            rate = self.next(rate, lr, k)
        return rate

    def first(self, found: float, lr: float) -> float:
        for schedule, own in self._created(lr)[0]:
            # torch's CyclicLR comes to its base_lr after it has made its first rate
            found = own if isinstance(schedule, CyclicLR) else schedule.first(found, own)
        return found

    def next(self, found: float, lr: float, t: int) -> float:
        for schedule, own in self._created(lr)[0]:
            found = schedule.next(found, own, t)
        return found


class Plateau(NamedTuple):
    """What ReduceLROnPlateau remembers."""

    best: float
    num_bad_epochs: int = 0
    cooldown_counter: int = 0


@dataclass(frozen=True)
class ReduceLROnPlateau:
    """The rate times ``factor`` once a metric has not improved for more than ``patience`` steps.

        state = schedule.init()
        lr, state = schedule.step(lr, metric, state)

    To improve is to pass the best so far by ``threshold``, relative to it or absolute. After a reduction
    ``cooldown`` steps are not counted as bad. No reduction goes below min_lr, and one by eps or less is none.

    Raises:
        ValueError: ``factor`` is 1 or more, or an unknown ``mode`` or ``threshold_mode``.
    """

    mode: str = "min"
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    threshold_mode: str = "rel"
    cooldown: int = 0
    min_lr: float = 0
    eps: float = 1e-8

    def __post_init__(self) -> None:
        if self.factor >= 1.0:
            raise ValueError(f"Factor should be < 1.0, got {self.factor}")
        if self.mode not in ("min", "max"):
            raise ValueError(f"mode {self.mode} is unknown!")
        if self.threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold mode {self.threshold_mode} is unknown!")

    def init(self) -> Plateau:
        """The state before the first metric: anything is better than the worst."""
        return Plateau(math.inf if self.mode == "min" else -math.inf)

    def step(self, lr: float, metric: float, state: Plateau) -> tuple[float, Plateau]:
        """The rate after a metric, and what is remembered.

        Raises:
            TypeError: a metric that is no number.
            ValueError: a metric that is text and no number.
        """
        best, bad, cooldown = state
        metric = float(metric)  # not the caller's array, which may change; and compared in double, as in torch
        if self._is_better(metric, best):
            best, bad = metric, 0
        else:
            bad = bad + 1
        if cooldown > 0:
            cooldown = cooldown - 1
            bad = 0
        if bad > self.patience:
            reduced = max(lr * self.factor, self.min_lr)
            if lr - reduced > self.eps:
                lr = reduced
            cooldown = self.cooldown
            bad = 0
        return lr, Plateau(best, bad, cooldown)

    def _is_better(self, metric: float, best: float) -> bool:
        if self.threshold_mode == "rel":
            return metric < best * (1 - self.threshold) if self.mode == "min" else metric > best * (1 + self.threshold)
        return metric < best - self.threshold if self.mode == "min" else metric > best + self.threshold


def _check_function(lr_lambda: object) -> None:
    if not callable(lr_lambda):
        raise TypeError(f"lr_lambda should be a function, but got {type(lr_lambda).__name__}")


def _check_anneal_strategy(anneal_strategy: str) -> None:
    if anneal_strategy not in ("cos", "linear"):
        raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")

"""Schedules that rise and fall, and move a momentum the other way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reference.schedules.base import Schedule, check_anneal_strategy


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
        check_anneal_strategy(self.anneal_strategy)
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

"""The schedule that waits for a metric to stop improving, and so has a state."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple


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

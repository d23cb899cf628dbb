"""What all schedules share."""

from __future__ import annotations

from dataclasses import dataclass


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


def check_anneal_strategy(anneal_strategy: str) -> None:
    """Raise ValueError for a strategy that torch does not know."""
    if anneal_strategy not in ("cos", "linear"):
        raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")

"""Schedules made of schedules: one after another, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from reference.schedules.annealing import SWALR
from reference.schedules.base import Schedule
from reference.schedules.cycles import CyclicLR, OneCycleLR
from reference.schedules.factors import Factor, MultiplicativeLR
from reference.schedules.plateau import ReduceLROnPlateau


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

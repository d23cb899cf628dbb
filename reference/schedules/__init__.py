"""Learning-rate schedules, as ``torch.optim.lr_scheduler`` computes them: functions from step to learning rate.

    schedule = StepLR(step_size=30, gamma=0.1)
    optimizer = dataclasses.replace(optimizer, lr=schedule.rate(lr, t))

``lr`` is the rate that the optimizer starts with, t = 0, 1, ... counts the schedule's steps, usually epochs. torch
reaches most of these values from the one before; here is the formula that its documentation gives. Within compositions
a schedule may find another rate than it has left; then it is torch's way from one rate to the next that counts.
CyclicLR and OneCycleLR also move a momentum. ReduceLROnPlateau depends on a metric and so has a state.

base.py          what all share
factors.py       LambdaLR, MultiplicativeLR, StepLR, MultiStepLR, ConstantLR, LinearLR, ExponentialLR, PolynomialLR
annealing.py     CosineAnnealingLR, CosineAnnealingWarmRestarts, SWALR
cycles.py        CyclicLR, OneCycleLR
compositions.py  SequentialLR, ChainedScheduler
plateau.py       ReduceLROnPlateau
"""

from reference.schedules.annealing import SWALR, CosineAnnealingLR, CosineAnnealingWarmRestarts
from reference.schedules.base import Schedule
from reference.schedules.compositions import ChainedScheduler, Composition, SequentialLR
from reference.schedules.cycles import CyclicLR, OneCycleLR
from reference.schedules.factors import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from reference.schedules.plateau import Plateau, ReduceLROnPlateau

__all__ = [
    "SWALR",
    "ChainedScheduler",
    "Composition",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "Plateau",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "Schedule",
    "SequentialLR",
    "StepLR",
]

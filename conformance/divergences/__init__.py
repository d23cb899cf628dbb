"""The catalogue of known ways to differ from torch, each one executable.

divergence.py   what a divergence is: data
patching.py     how a divergence changes the running reference
recurrent.py    the Elman RNN
gated.py        LSTM and GRU
wiring.py       layers and directions: which state and which gradient goes where
cells.py        what a loop over a cell hands from step to step
sequences.py    sequences of different lengths, dropout
notebook.py     a learner's notebook as written: its own mistakes, and which of the others it makes
optimizers.py   what all optimizers share, SGD; like the next six, with other frameworks' dialects
averaged.py     ASGD
adaptive.py     Adagrad, RMSprop, Adadelta and Rprop
adam.py         Adam and AdamW
adam_kin.py     Adamax, NAdam and RAdam
sparse.py       sparse gradients: SparseAdam, SGD, Adagrad
matrices.py     Adafactor and Muon
closures.py     LBFGS
groups.py       groups of parameters, missing gradients
saving.py       a run saved and continued
clipping.py     clipping of gradients
schedules.py    learning-rate schedules
layers.py       the linear layer
activations.py  tanh, relu, sigmoid, softmax, log_softmax
losses.py       mean squared error and cross-entropy
initializers.py bounds, deviations, fans and gains
training.py     the loop around a network: what it reads, what it keeps from step to step
refusals.py     missing checks, and refusals of what torch accepts
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache

from conformance.divergences import (
    activations,
    adam,
    adam_kin,
    adaptive,
    averaged,
    cells,
    clipping,
    closures,
    gated,
    groups,
    initializers,
    layers,
    losses,
    matrices,
    notebook,
    optimizers,
    patching,
    recurrent,
    refusals,
    saving,
    schedules,
    sequences,
    sparse,
    training,
    wiring,
)
from conformance.divergences.divergence import Divergence

__all__ = ["Divergence", "applied", "by_id", "catalogue"]


@cache
def catalogue() -> tuple[Divergence, ...]:
    """Every known divergence."""
    modules = (
        recurrent,
        sequences,
        gated,
        wiring,
        cells,
        notebook,
        optimizers,
        averaged,
        adaptive,
        adam,
        adam_kin,
        sparse,
        matrices,
        closures,
        groups,
        saving,
        clipping,
        schedules,
        layers,
        activations,
        losses,
        initializers,
        training,
        refusals,
    )
    return tuple(divergence for module in modules for divergence in module.DIVERGENCES)


@cache
def by_id() -> dict[str, Divergence]:
    """The catalogue by id."""
    return {divergence.id: divergence for divergence in catalogue()}


@contextmanager
def applied(divergences: Iterable[Divergence]) -> Iterator[None]:
    """Run the reference with these divergences.

    Raises:
        patching.ConflictError: they change the same tokens differently and cannot be combined.
    """
    with patching.applied([patch for divergence in divergences for patch in divergence.patches]):
        yield

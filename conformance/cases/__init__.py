"""The suite's cases, one module per family: tables of configurations and the arrays that go with them.

Arrays discriminate only if nothing in them is symmetric: weights, biases, initial states and upstream gradients
are random, the sizes of batch, sequence, input and state all differ and are above 1, states are not saturated,
and gradients flow into ``output`` and ``h_n`` both. Special values come in addition, each with its own note.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cache

from conformance.case import Case, Level
from conformance.cases import (
    activation,
    cell,
    clip,
    documented,
    error,
    gated,
    initializer,
    linear,
    loss,
    notebook,
    optimizer,
    optimizer_closure,
    optimizer_groups,
    optimizer_sparse,
    optimizer_switched,
    packing,
    rnn,
    schedule,
    sequences,
    sweep,
    torch_suites,
    training,
)

MODULES = (
    *(documented, rnn, gated, sequences, cell, packing),
    *(linear, activation, loss, initializer),
    *(optimizer, optimizer_groups, optimizer_sparse, optimizer_closure, optimizer_switched, clip),
    *(schedule, training, notebook, error),
)

ALIASES = {"documented/three-step": "documented/*/three-step*"}


@cache
def all_cases() -> tuple[Case, ...]:
    """Every case of the suite, the documented example first."""
    return tuple(case for module in MODULES for case in module.cases())


def select(
    *,
    suites: Sequence[str] = (),
    families: Sequence[str] = (),
    globs: Sequence[str] = (),
    dtypes: Sequence[str] = (),
    level: Level = "standard",
) -> list[Case]:
    """The cases that every given filter lets through; a filter that is empty lets all through.

    torch's own inputs are among them only if their suite is named, by itself or at the start of an id.

    Raises:
        torch_suites.TorchSuiteMissingError: what such a suite needs is not installed.
    """
    patterns = [ALIASES.get(glob, glob) for glob in globs]
    return [
        case
        for case in available(suites, globs)
        if (level == "standard" or case.level == "quick")
        and (not suites or case.suite in suites)
        and (not families or case.family in families)
        and (not dtypes or str(case.dtype) in dtypes)
        and (not patterns or any(_matches(case, pattern) for pattern in patterns))
    ]


def available(suites: Iterable[str] = (), ids: Iterable[str] = ()) -> list[Case]:
    """Every case of the suite, and those that are built only when they are asked for, by a suite's name or an id.

    Raises:
        torch_suites.TorchSuiteMissingError: what such a suite needs is not installed.
    """
    ids = list(ids)
    asked = {*suites, *(name.partition("/")[0] for name in ids)}
    torchs = [case for name in torch_suites.SUITES if name in asked for case in torch_suites.cases_of_suite(name)]
    swept = [case for name in ids if (case := sweep.by_id(name))]
    return [*all_cases(), *torchs, *swept]


def _matches(case: Case, pattern: str) -> bool:
    without_dtype = case.id.rpartition("/")[0]
    return fnmatchcase(case.id, pattern) or fnmatchcase(without_dtype, pattern)

"""Several steps of a cell, the caller handing on its states, and the way back: what a loop over ``RNNCell`` computes.

    for x_t in x:
        h = cell(x_t, h)

Every step's state may have a gradient from above, which adds to what the step after it hands back. The parameters
are the same at every step, so their gradients are added up.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from reference.cells import Cell
from reference.checks import Array, Params


def forward(
    module: ModuleType, model: Cell, params: Params, x: Array, initial: Sequence[Array | None]
) -> tuple[list[list[Array]], list[Any]]:
    """The states after every step, and the caches for ``backward``.

    Args:
        module: where the cell's ``cell_forward`` is: ``rnn``, ``lstm`` or ``gru``.
        x: (T, B, I), or (T, I) for a single sample.
        initial: h, and c for an LSTM, as ``cell_forward`` takes them; zeros for None.

    Raises:
        TypeError, ValueError, IndexError, RuntimeError: as ``cell_forward`` does; TypeError also for more states in
            ``initial`` than the cell has.
    """
    states: list[Any] = [*initial]
    after: list[list[Array]] = []
    caches = []
    for x_t in x:
        *states, cache = module.cell_forward(model, params, x_t, *states)
        after.append(states)
        caches.append(cache)
    return after, caches


def backward(
    module: ModuleType, model: Cell, params: Params, caches: Sequence[Any], d_states: Sequence[Sequence[Array | None]]
) -> dict[str, Array]:
    """Gradients of the parameters, ``"input"`` (T, ...), ``"hx"``, and for an LSTM ``"cx"``.

    Args:
        caches: from ``forward`` with the same ``params``, of at least one step.
        d_states: for every step the gradients of its states from above, None for none.

    Raises:
        TypeError, RuntimeError: as ``cell_backward`` does.
        IndexError: no ``d_states``, or those of fewer steps than there are caches.
        ValueError: no caches, another number of gradients in one step than in the first, or shapes that cannot be
            added.
    """
    names = ("hx", "cx")[: len(d_states[0])]
    d_x: list[Array] = []
    added: dict[str, Array] = {}
    carried: list[Any] = [None] * len(names)
    for t in reversed(range(len(caches))):
        d_after = [_sum(from_above, back) for from_above, back in zip(d_states[t], carried, strict=True)]
        grads = module.cell_backward(model, params, caches[t], *d_after)
        d_x.append(grads.pop("input"))
        carried = [grads.pop(name) for name in names]
        added = {name: added[name] + grad if added else grad for name, grad in grads.items()}
    return added | {"input": np.stack(d_x[::-1])} | dict(zip(names, carried, strict=True))


def _sum(a: Array | None, b: Array | None) -> Array | None:
    if a is None or b is None:
        return b if a is None else a
    return a + b

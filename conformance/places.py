"""Where in a network or an optimizer an element of a trace's array belongs: layer, direction, step, unit, buffer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from conformance.case import Array, Case

RECURRENT = re.compile(r"grad\.(?P<parameter>(weight|bias)_(ih|hh))_l(?P<layer>\d+)(?P<reverse>_reverse)?$")
STEP = re.compile(r"step(?P<step>\d+)\.(?P<rest>.+)$")


def describe(case: Case, name: str, index: Sequence[int]) -> str:
    """The place of one element in words, steps and layers counted from 0 as arrays are, optimizer steps from 1."""
    if case.family == "rnn":
        return _recurrent(case.config, name, index)
    if match := STEP.match(name):
        return ", ".join([f"step {match['step']}", *_optimizer(match["rest"]), *_index(index)])
    return ", ".join(_index(index)) or "the number itself"


def first(case: Case, name: str, wrong: Array) -> tuple[int, ...]:
    """The element among the wrong ones that is computed first.

    Outputs are computed from the first step on (in the reverse direction from the last), gradients of the input
    the other way round. Other arrays have no order in time: their first element in memory.
    """
    indices = np.argwhere(wrong)
    if case.family == "rnn" and wrong.ndim >= 2 and name in ("output", "grad.input"):
        axis = 1 if case.config["batch_first"] and wrong.ndim == 3 else 0
        time = indices[:, axis]
        reverse = name == "output" and indices[:, -1] >= case.config["hidden_size"]
        last = wrong.shape[axis] - 1
        order = last - time if name == "grad.input" else np.where(reverse, last - time, time)
        indices = indices[np.argsort(order, kind="stable")]
    return tuple(int(i) for i in indices[0])


def _recurrent(config: Mapping[str, Any], name: str, index: Sequence[int]) -> str:
    directions = 2 if config["bidirectional"] else 1
    if match := RECURRENT.match(name):
        where = [f"layer {match['layer']}", "reverse" if match["reverse"] else "forward", f"unit {index[0]}"]
        if len(index) > 1:
            where.append(f"{'input' if match['parameter'] == 'weight_ih' else 'from unit'} {index[1]}")
        return ", ".join(where)
    batched = len(index) == 3
    batch = [f"batch {index[1]}"] if batched else []
    step = index[0]
    if name in ("h_n", "grad.h_0"):
        layer, direction = divmod(index[0], directions)
        return ", ".join([f"layer {layer}", _direction(direction), *batch, f"unit {index[-1]}"])
    if batched and config["batch_first"]:
        step = index[1]
        batch = [f"batch {index[0]}"]
    if name == "output":
        direction, unit = divmod(index[-1], config["hidden_size"])
        where = [f"layer {config['num_layers'] - 1}", _direction(direction)]
        return ", ".join([*where, f"step {step}", *batch, f"unit {unit}"])
    return ", ".join([f"step {step}", *batch, f"input {index[-1]}"])


def _direction(direction: int) -> str:
    return "reverse" if direction else "forward"


def _optimizer(rest: str) -> list[str]:
    kind, _, name = rest.partition(".")
    if kind == "state":
        name, _, key = name.rpartition(".")
        return [f"{key} of {name}"]
    return [f"{kind} {name}".strip()]


def _index(index: Sequence[int]) -> list[str]:
    return [f"at {tuple(index)}"] if index else []

"""Where in a network or an optimizer an element of a trace's array belongs: layer, direction, step, unit, buffer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from conformance.case import Array, Case, split_step

PARAMETER = r"grad\.(?P<parameter>(weight|bias)_(ih|hh|hr))"
RECURRENT = re.compile(PARAMETER + r"_l(?P<layer>\d+)(?P<reverse>_reverse)?$")
CELL = re.compile(PARAMETER + "$")

GATES = {"lstm": "ifgo", "gru": "rzn"}
"""torch's order of the blocks of rows in weights and biases"""


def describe(case: Case, name: str, index: Sequence[int]) -> str:
    """The place of one element in words, steps and layers counted from 0 as arrays are, optimizer steps from 1."""
    if is_network(case):
        return _recurrent(case, name, index)
    if is_cell(case) and (place := _cell(case, name, index)):
        return place
    step, rest = split_step(name)
    if step:
        return ", ".join([f"step {step}", *_optimizer(rest), *_index(index)])
    return ", ".join(_index(index)) or "the number itself"


def is_network(case: Case) -> bool:
    """Whether a case runs a recurrent network over sequences, with torch's options of layers and directions."""
    return "bidirectional" in case.config and "input" in case


def is_cell(case: Case) -> bool:
    """Whether a case runs a recurrent cell step by step."""
    return case.family.endswith("_cell")


def first(case: Case, name: str, wrong: Array) -> tuple[int, ...]:
    """The element among the wrong ones that is computed first.

    Outputs are computed from the first step on (in the reverse direction from the last), gradients of the input
    the other way round. Other arrays have no order in time: their first element in memory.
    """
    indices = np.argwhere(wrong)
    if is_network(case) and wrong.ndim >= 2 and name in ("output", "grad.input"):
        axis = 1 if case.config["batch_first"] and wrong.ndim == 3 else 0
        time = indices[:, axis]
        reverse = name == "output" and indices[:, -1] >= _output_size(case.config)
        last = wrong.shape[axis] - 1
        order = last - time if name == "grad.input" else np.where(reverse, last - time, time)
        indices = indices[np.argsort(order, kind="stable")]
    if is_cell(case) and name == "grad.input":
        indices = indices[np.argsort(-indices[:, 0], kind="stable")]
    return tuple(int(i) for i in indices[0])


def _recurrent(case: Case, name: str, index: Sequence[int]) -> str:
    config = case.config
    directions = 2 if config["bidirectional"] else 1
    if match := RECURRENT.match(name):
        direction = "reverse" if match["reverse"] else "forward"
        return ", ".join([f"layer {match['layer']}", direction, *_parameter(case, match["parameter"], index)])
    batched = len(index) == 3
    batch = [f"batch {index[1]}"] if batched else []
    step = index[0]
    if name in ("h_n", "c_n", "grad.h_0", "grad.c_0"):
        layer, side = divmod(index[0], directions)
        return ", ".join([f"layer {layer}", _direction(side), *batch, f"unit {index[-1]}"])
    if batched and config["batch_first"]:
        step = index[1]
        batch = [f"batch {index[0]}"]
    if name == "output":
        side, unit = divmod(index[-1], _output_size(config))
        where = [f"layer {config['num_layers'] - 1}", _direction(side)]
        return ", ".join([*where, f"step {step}", *batch, f"unit {unit}"])
    return ", ".join([f"step {step}", *batch, f"input {index[-1]}"])


def _cell(case: Case, name: str, index: Sequence[int]) -> str:
    """Steps as the names of the arrays count them, from 1."""
    if match := CELL.match(name):
        return ", ".join(_parameter(case, match["parameter"], index))
    if name == "grad.input":
        batch = [f"batch {index[1]}"] if len(index) == 3 else []
        return ", ".join([f"step {index[0] + 1}", *batch, f"input {index[-1]}"])
    number, _ = split_step(name)
    step = [f"step {number}"] if number else []
    batch = [f"batch {index[0]}"] if len(index) == 2 else []
    return ", ".join([*step, *batch, f"unit {index[-1]}"])


def _parameter(case: Case, parameter: str, index: Sequence[int]) -> list[str]:
    """The row's gate, where there are several, and unit; what the column multiplies."""
    if parameter == "weight_hr":
        return [f"projected unit {index[0]}", f"from unit {index[1]}"]
    gates = GATES.get(case.family.partition("_")[0], "")
    gate, unit = divmod(index[0], case.config["hidden_size"])
    where = [*([f"gate {gates[gate]}"] if gates else []), f"unit {unit}"]
    if len(index) > 1:
        where.append(f"{'input' if parameter == 'weight_ih' else 'from unit'} {index[1]}")
    return where


def _output_size(config: Mapping[str, Any]) -> int:
    """Features of one direction's output."""
    size: int = config.get("proj_size") or config["hidden_size"]
    return size


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

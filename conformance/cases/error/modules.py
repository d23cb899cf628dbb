"""Networks, cells and the linear layer, constructed and called."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Any

import numpy as np

from conformance.case import Array, Case
from conformance.cases import cell, networks
from conformance.cases.error.call import Change, call_of, with_changes


def cases() -> Iterator[Case]:
    for kind in ("rnn", "lstm", "gru"):
        yield from _networks(kind)
        yield from _cells(kind)
    yield from _linear()


SIZES: list[tuple[str, dict[str, Any], str]] = [
    ("input_size-0", {"input_size": 0}, "a network without features"),
    ("input_size-negative", {"input_size": -1}, "a negative size"),
    ("input_size-float", {"input_size": 3.0}, "a size that is no int, though it is whole"),
    ("hidden_size-0", {"hidden_size": 0}, "a network without units"),
    ("hidden_size-negative", {"hidden_size": -2}, "a negative size"),
    ("hidden_size-string", {"hidden_size": "4"}, "a size as text"),
    ("bias-int", {"bias": 1}, "1 for True"),
    ("bias-None", {"bias": None}, "None for False"),
]
NETWORK_ARGUMENTS: list[tuple[str, dict[str, Any], str]] = [
    *SIZES,
    ("num_layers-0", {"num_layers": 0}, "no layer"),
    ("num_layers-negative", {"num_layers": -1}, "a negative number of layers"),
    ("num_layers-float", {"num_layers": 2.0}, "a number of layers that is no int"),
    ("batch_first-int", {"batch_first": 1}, "1 for True"),
    ("bidirectional-int", {"bidirectional": 1}, "1 for True, where another class of torch's checks would show"),
    ("dropout-negative", {"dropout": -0.1}, "a negative probability"),
    ("dropout-above-1", {"dropout": 1.5}, "a probability above 1"),
    ("dropout-nan", {"dropout": nan}, "no probability at all"),
    ("dropout-bool", {"dropout": True}, "True is a number to Python and a mistake here"),
    ("dropout-string", {"dropout": "0.5"}, "a probability as text"),
    ("dropout-None", {"dropout": None}, "None for none"),
    ("dropout-0-int", {"dropout": 0}, "an int is a number"),
    ("dropout-1", {"dropout": 1.0}, "everything is dropped: the limit itself is accepted"),
    ("dropout-one-layer", {"dropout": 0.5, "num_layers": 1}, "dropout acts between layers: torch warns and accepts"),
    ("unknown-argument", {"hiden_size": 4}, "a misspelt argument"),
]
OWN_ARGUMENTS: dict[str, list[tuple[str, dict[str, Any], str]]] = {
    "rnn": [
        ("nonlinearity-unknown", {"nonlinearity": "sigmoid"}, "nn.RNN has tanh and relu only"),
        ("nonlinearity-upper-case", {"nonlinearity": "ReLU"}, "the name of the module, not of the function"),
        ("nonlinearity-None", {"nonlinearity": None}, "None for the default"),
        ("proj_size", {"proj_size": 2}, "an LSTM's argument"),
        ("proj_size-0", {"proj_size": 0}, "an LSTM's argument, refused whatever it is"),
    ],
    "lstm": [
        ("proj_size-negative", {"proj_size": -1}, "a negative size"),
        ("proj_size-equal", {"proj_size": 4}, "a projection has to be smaller than the state"),
        ("proj_size-above", {"proj_size": 6}, "larger than the state"),
        ("proj_size-largest", {"proj_size": 3}, "the largest that is accepted"),
        ("proj_size-float", {"proj_size": 2.0}, "a size that is no int"),
        ("nonlinearity", {"nonlinearity": "relu"}, "nn.RNN's argument"),
    ],
    "gru": [
        ("proj_size", {"proj_size": 2}, "an LSTM's argument"),
        ("nonlinearity", {"nonlinearity": "relu"}, "nn.RNN's argument"),
    ],
}
NETWORK_CALLS: list[tuple[str, Change, dict[str, Any], str]] = [
    ("input-0-d", {"input": (), "h_0": None, "c_0": None}, {}, "a number for a sequence"),
    ("input-1-d", {"input": (3,), "h_0": None, "c_0": None}, {}, "a single step without an axis for the steps"),
    ("input-4-d", {"input": (5, 2, 3, 1), "h_0": None, "c_0": None}, {}, "an axis too many"),
    ("input-2-d-for-a-batch-of-states", {"input": (5, 3)}, {}, "a single sequence beside a batch of states"),
    ("input-features", {"input": (5, 2, 4)}, {}, "other features than input_size"),
    ("input-features-first", {"input": (3, 5, 2)}, {}, "axes in another order"),
    ("input-no-steps", {"input": (0, 2, 3)}, {}, "a sequence of length 0"),
    ("input-no-steps-unbatched", {"input": (0, 3), "h_0": None, "c_0": None}, {}, "length 0, without a batch axis"),
    ("input-no-batch", {"input": (5, 0, 3), "h_0": None, "c_0": None}, {}, "a batch of 0 is accepted"),
    ("input-float32", {}, {"dtypes": {"input": "float32"}}, "another dtype than the parameters'"),
    ("input-int", {}, {"dtypes": {"input": "int64"}}, "whole numbers"),
    ("h_0-batch", {"h_0": (2, 3, 4)}, {}, "a state for another batch"),
    ("h_0-layers", {"h_0": (1, 2, 4)}, {}, "a state of one layer for a network of two"),
    ("h_0-hidden_size", {"h_0": (2, 2, 5)}, {}, "a state of another size"),
    (
        "h_0-batch_first",
        {"h_0": (2, 2, 4), "input": (2, 5, 3)},
        {},
        "a batch of 5 for the states of 2: batch_first forgotten",
    ),
    ("h_0-2-d", {"h_0": (2, 4)}, {}, "a state without a batch axis for a batch"),
    ("h_0-4-d", {"h_0": (2, 2, 4, 1)}, {}, "an axis too many"),
    (
        "h_0-3-d-unbatched",
        {"input": (5, 3), "h_0": (2, 1, 4), "c_0": (2, 1, 4)},
        {},
        "a batch of states for a single sequence",
    ),
    ("h_0-float32", {}, {"dtypes": {"h_0": "float32"}}, "another dtype than the input's, refused with another class"),
    ("parameter-missing", {"weight_hh_l1": None}, {}, "a parameter left out"),
    ("parameter-unknown", {"weight_hh_l2": (4, 4)}, {}, "a parameter of a third layer"),
    ("parameter-transposed", {"weight_ih_l0": (3, 4)}, {}, "a weight the other way round"),
    ("parameter-bias-2-d", {"bias_ih_l0": (1, 4)}, {}, "a bias with an axis too many"),
    ("lengths-unsorted", {"lengths": [3, 5]}, {}, "lengths that rise, without enforce_sorted=False"),
    (
        "lengths-unsorted-allowed",
        {"lengths": [3, 5]},
        {"enforce_sorted": False},
        "lengths that rise are accepted if said so",
    ),
    ("lengths-equal", {"lengths": [4, 4]}, {}, "equal lengths are sorted"),
    ("lengths-0", {"lengths": [5, 0]}, {}, "a sequence of length 0"),
    ("lengths-negative", {"lengths": [5, -1]}, {}, "a negative length"),
    ("lengths-too-many", {"lengths": [5, 4, 3]}, {}, "lengths of three sequences for two"),
    ("lengths-too-few", {"lengths": [5]}, {}, "one length for two sequences"),
    ("lengths-too-long", {"lengths": [6, 5]}, {}, "longer than the input"),
    ("lengths-shorter-than-the-input", {"lengths": [4, 3]}, {}, "the last step belongs to no sequence: accepted"),
    ("lengths-2-d", {"lengths": [[5], [4]]}, {}, "lengths with an axis too many"),
    ("lengths-0-d", {"lengths": 5}, {}, "one length for all"),
    ("lengths-float", {"lengths": [5.0, 4.0]}, {}, "lengths that are no integers"),
]
LSTM_CALLS: list[tuple[str, Change, dict[str, Any], str]] = [
    ("c_0-batch", {"c_0": (2, 3, 4)}, {}, "a cell state for another batch"),
    ("c_0-hidden_size", {"c_0": (2, 2, 5)}, {}, "a cell state of another size"),
    ("c_0-2-d", {"c_0": (2, 4)}, {}, "a cell state without a batch axis"),
    ("h_0-unprojected", {"h_0": (2, 2, 4)}, {"proj_size": 2}, "with a projection h_0 has its size"),
    ("c_0-projected", {"c_0": (2, 2, 2)}, {"proj_size": 2}, "with a projection c_0 keeps hidden_size"),
]


def _networks(kind: str) -> Iterator[Case]:
    call = f"nn.{kind.upper()}"
    config = networks.config_of(kind, 3, 4, num_layers=2)
    for name, changed, note in [*NETWORK_ARGUMENTS, *OWN_ARGUMENTS[kind]]:
        yield from call_of(call, name, config | changed, lambda rng: {}, note)
    for name, change, extra, note in [*NETWORK_CALLS, *(LSTM_CALLS if kind == "lstm" else [])]:
        options = {key: value for key, value in extra.items() if key not in ("dtypes", "enforce_sorted")}
        others = {key: value for key, value in extra.items() if key not in options}
        if kind != "lstm":
            change = {key: value for key, value in change.items() if key != "c_0"}

        def build(rng: np.random.Generator, change: Change = change, full: Any = config | options) -> dict[str, Array]:
            drawn = networks.arrays_of(rng, kind, full, batch=2, steps=5, upstream=())
            return with_changes(drawn, change, rng)

        yield from call_of(call, name, config | options, build, note, **others)


CELL_CALLS: list[tuple[str, Change, dict[str, Any], str]] = [
    ("input-0-d", {"input": (), "hx": None, "cx": None}, {}, "a number for a sample"),
    ("input-3-d", {"input": (1, 2, 3), "hx": None, "cx": None}, {}, "a sequence for a step"),
    ("input-features", {"input": (2, 4)}, {}, "other features than input_size"),
    ("input-no-batch", {"input": (0, 3), "hx": None, "cx": None}, {}, "a batch of 0 is accepted"),
    ("input-unbatched", {"input": (3,), "hx": None, "cx": None}, {}, "a single sample is accepted"),
    (
        "input-float32",
        {},
        {"dtypes": {"input": "float32"}},
        "another dtype: a cell refuses it with another class than a network",
    ),
    ("input-int", {}, {"dtypes": {"input": "int64"}}, "whole numbers"),
    ("hx-batch", {"hx": (3, 4), "cx": (3, 4)}, {}, "a state for another batch"),
    ("hx-hidden_size", {"hx": (2, 5)}, {}, "a state of another size"),
    ("hx-1-d", {"hx": (4,), "cx": (4,)}, {}, "a single state for a batch"),
    (
        "hx-per-sample",
        {"hx": (2,), "cx": (2,)},
        {},
        "a number per sample, which torch takes for a wrong number of axes",
    ),
    ("hx-3-d", {"hx": (1, 2, 4), "cx": (1, 2, 4)}, {}, "a network's state for a cell"),
    ("hx-2-d-unbatched", {"input": (3,), "hx": (1, 4), "cx": (1, 4)}, {}, "a batch of states for a single sample"),
    ("hx-float32", {}, {"dtypes": {"hx": "float32"}}, "a state of another dtype"),
    ("parameter-missing", {"bias_hh": None}, {}, "a parameter left out"),
    ("parameter-transposed", {"weight_ih": (3, 4)}, {}, "a weight the other way round"),
]
LSTM_CELL_CALLS: list[tuple[str, Change, dict[str, Any], str]] = [
    ("cx-batch", {"cx": (3, 4)}, {}, "a cell state for another batch"),
    ("cx-hidden_size", {"cx": (2, 5)}, {}, "a cell state of another size"),
    ("cx-3-d", {"cx": (1, 2, 4)}, {}, "a network's cell state for a cell"),
]


def _cells(kind: str) -> Iterator[Case]:
    call, family = f"nn.{kind.upper()}Cell", f"{kind}_cell"
    config = {"input_size": 3, "hidden_size": 4} | cell.DEFAULTS[family]
    arguments = [*SIZES, ("unknown-argument", {"num_layers": 2}, "a network's argument")]
    if kind == "rnn":
        arguments.append(("nonlinearity-unknown", {"nonlinearity": "gelu"}, "accepted, until the cell is called"))
    for name, changed, note in arguments:
        yield from call_of(call, name, config | changed, lambda rng: {}, note)
    calls = [*CELL_CALLS, *(LSTM_CELL_CALLS if kind == "lstm" else [])]
    if kind == "rnn":
        calls.append(("nonlinearity-unknown-called", {}, {"nonlinearity": "gelu"}, "refused when the cell is called"))
    for name, change, extra, note in calls:
        options = {key: value for key, value in extra.items() if key != "dtypes"}
        others = {key: value for key, value in extra.items() if key == "dtypes"}

        def build(rng: np.random.Generator, change: Change = change) -> dict[str, Array]:
            rows = {"rnn": 4, "lstm": 16, "gru": 12}[kind]
            shapes: dict[str, Any] = {"input": (2, 3), "hx": (2, 4)} | ({"cx": (2, 4)} if kind == "lstm" else {})
            shapes |= {"weight_ih": (rows, 3), "weight_hh": (rows, 4), "bias_ih": (rows,), "bias_hh": (rows,)}
            kept = {key: value for key, value in change.items() if key != "cx" or kind == "lstm"}
            return with_changes(shapes, shapes | kept, rng)

        yield from call_of(call, name, config | options, build, note, **others)


def _linear() -> Iterator[Case]:
    arguments: list[tuple[str, dict[str, Any], str]] = [
        ("in_features-0", {"in_features": 0}, "a layer without inputs is accepted, where nn.RNN refuses it"),
        ("in_features-negative", {"in_features": -1}, "a negative size"),
        ("in_features-float", {"in_features": 3.0}, "a size that is no int, though it is whole"),
        ("out_features-0", {"out_features": 0}, "a layer without outputs is accepted"),
        ("out_features-negative", {"out_features": -4}, "a negative size"),
        ("bias-int", {"bias": 1}, "1 for True"),
        ("bias-None", {"bias": None}, "None for False"),
        ("unknown-argument", {"features": 3}, "a misspelt argument"),
    ]
    calls: list[tuple[str, Change, dict[str, Any], str]] = [
        ("input-0-d", {"input": ()}, {}, "a number for a sample"),
        ("input-1-d", {"input": (3,)}, {}, "a single sample is accepted"),
        ("input-4-d", {"input": (2, 1, 5, 3)}, {}, "any number of leading axes is accepted"),
        ("input-features", {"input": (2, 4)}, {}, "other features than in_features"),
        ("input-no-batch", {"input": (0, 3)}, {}, "a batch of 0 is accepted"),
        ("input-float32", {}, {"dtypes": {"input": "float32"}}, "another dtype than the parameters'"),
        ("input-int", {}, {"dtypes": {"input": "int64"}}, "whole numbers"),
        ("parameter-missing", {"bias": None}, {}, "a parameter left out"),
        ("parameter-unknown", {"gain": (4,)}, {}, "a parameter that the layer has not"),
        ("parameter-transposed", {"weight": (3, 4)}, {}, "a weight the other way round"),
    ]
    config = {"in_features": 3, "out_features": 4, "bias": True}
    for name, changed, note in arguments:
        yield from call_of("nn.Linear", name, config | changed, lambda rng: {}, note)
    for name, change, others, note in calls:

        def build(rng: np.random.Generator, change: Change = change) -> dict[str, Array]:
            shapes: dict[str, Any] = {"input": (2, 3), "weight": (4, 3), "bias": (4,)}
            return with_changes(shapes, shapes | dict(change), rng)

        yield from call_of("nn.Linear", name, config, build, note, **others)

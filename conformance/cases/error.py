"""Wrong calls, and calls that look wrong and that torch accepts: a call is refused with torch's exception class.

``config["call"]`` is torch's name for what is called, without the package; ``arguments`` are what it is constructed or
called with by keyword; the arrays are a module's input, states and parameters, a function's arguments, or an
optimizer's ``param.<name>`` and ``grad.<name>``. ``dtypes`` are those of arrays that are not float64.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from math import inf, nan
from typing import Any

import numpy as np

from conformance.case import Array, Build, Case, Level, cases_of
from conformance.cases import cell, networks, optimizer, optimizer_closure, optimizer_sparse, schedule

Change = Mapping[str, Any]
"""arrays in place of the right ones: a shape to draw, an array, or None to leave one out"""
QUICK = frozenset(
    (
        *("RNN-input-no-steps", "RNN-input-no-batch", "RNN-h_0-batch", "RNN-lengths-unsorted", "RNN-lengths-0"),
        *("RNN-dropout-1", "LSTM-proj_size-equal", "RNNCell-input_size-0", "Linear-in_features-0"),
        *("cross_entropy-target-negative", "cross_entropy-probabilities-ignore_index", "calculate_gain-unknown"),
        *("Adam-lr-nan", "Adam-betas-0.9-1.0", "Adam-no-parameters", "SGD-nesterov", "SGD-nesterov-dampening-0.1"),
        "clip_grad_norm-inf",
    )
)
"""the cases that known divergences show in"""


def _case(call: str, description: str, arguments: Any, build: Build, note: str, **config: Any) -> Iterator[Case]:
    name = f"{call.rpartition('.')[2].strip('_')}-{description}"
    level: Level = "quick" if name in QUICK else "standard"
    full = {"call": call, "arguments": dict(arguments), **config}
    return cases_of("error", name, full, build, note, level=level, dtypes=("float64",))


def _changed(arrays: Mapping[str, Any], change: Change, rng: np.random.Generator) -> dict[str, Array]:
    """Some arrays replaced, or added."""
    drawn = {
        name: rng.uniform(0.1, 0.9, value) if isinstance(value, tuple) else value for name, value in change.items()
    }
    return {name: np.asarray(value) for name, value in ({**arrays, **drawn}).items() if value is not None}


def cases() -> Iterator[Case]:
    for kind in ("rnn", "lstm", "gru"):
        yield from _networks(kind)
        yield from _cells(kind)
    yield from _linear()
    yield from _activations()
    yield from _losses()
    yield from _initializers()
    for algorithm in (*optimizer.DEFAULTS, "SparseAdam", "LBFGS"):
        yield from _optimizers(algorithm)
    yield from _clipping()
    yield from _schedules()


# ------------------------------------------------------------------------------------------------------ modules

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
        yield from _case(call, name, config | changed, lambda rng: {}, note)
    for name, change, extra, note in [*NETWORK_CALLS, *(LSTM_CALLS if kind == "lstm" else [])]:
        options = {key: value for key, value in extra.items() if key not in ("dtypes", "enforce_sorted")}
        others = {key: value for key, value in extra.items() if key not in options}
        if kind != "lstm":
            change = {key: value for key, value in change.items() if key != "c_0"}

        def build(rng: np.random.Generator, change: Change = change, full: Any = config | options) -> dict[str, Array]:
            drawn = networks.arrays_of(rng, kind, full, batch=2, steps=5, upstream=())
            return _changed(drawn, change, rng)

        yield from _case(call, name, config | options, build, note, **others)


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
        yield from _case(call, name, config | changed, lambda rng: {}, note)
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
            return _changed(shapes, shapes | kept, rng)

        yield from _case(call, name, config | options, build, note, **others)


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
        yield from _case("nn.Linear", name, config | changed, lambda rng: {}, note)
    for name, change, others, note in calls:

        def build(rng: np.random.Generator, change: Change = change) -> dict[str, Array]:
            shapes: dict[str, Any] = {"input": (2, 3), "weight": (4, 3), "bias": (4,)}
            return _changed(shapes, shapes | dict(change), rng)

        yield from _case("nn.Linear", name, config, build, note, **others)


# ---------------------------------------------------------------------------------------------------- functions


def _activations() -> Iterator[Case]:
    for name in ("tanh", "relu", "sigmoid"):
        yield from _case(
            f"nn.functional.{name}", "0-d", {}, partial(_changed, {}, {"input": ()}), "a number is accepted"
        )
        yield from _case(f"nn.functional.{name}", "empty", {}, partial(_changed, {}, {"input": (0,)}), "so is nothing")
    rows: list[tuple[str, Any, tuple[int, ...], str]] = [
        ("dim-too-large", 2, (2, 3), "an axis behind the last"),
        ("dim-too-small", -3, (2, 3), "an axis before the first"),
        ("dim-first-from-behind", -2, (2, 3), "the first axis, counted from behind"),
        ("dim-0-d", 0, (), "a number has an axis 0 here"),
        ("dim-0-d-last", -1, (), "and so it has an axis -1"),
        ("dim-0-d-too-large", 1, (), "but no axis 1"),
        ("dim-float", 1.0, (2, 3), "an axis that is no int"),
        ("dim-string", "1", (2, 3), "an axis as text"),
        ("dim-bool", True, (2, 3), "an axis that is a bool, which counts as an int elsewhere"),
        ("empty", 0, (0, 3), "an empty axis is accepted"),
    ]
    for name in ("softmax", "log_softmax"):
        for description, dim, shape, note in rows:
            yield from _case(
                f"nn.functional.{name}",
                description,
                {"dim": dim},
                partial(_changed, {}, {"input": shape}),
                note,
            )
        yield from _case(
            f"nn.functional.{name}",
            "int",
            {"dim": 1},
            lambda rng: {"input": rng.standard_normal((2, 3))},
            "whole numbers: torch has no kernel for them",
            dtypes={"input": "int64"},
        )


def _losses() -> Iterator[Case]:
    classes: list[tuple[str, dict[str, Any], Change, dict[str, str], str]] = [
        ("reduction-unknown", {"reduction": "average"}, {}, {}, "no such reduction"),
        ("reduction-None", {"reduction": None}, {}, {}, "None for none"),
        ("target-batch", {}, {"target": [0, 1, 2]}, {}, "targets of three samples for two"),
        ("target-column", {}, {"target": [[0], [1]]}, {}, "targets with an axis too many"),
        ("target-0-d", {}, {"target": 1}, {}, "one target for a batch"),
        ("target-too-large", {}, {"target": [0, 3]}, {}, "a class behind the last"),
        ("target-negative", {}, {"target": [0, -1]}, {}, "a negative class that is not ignore_index"),
        ("target-ignored", {}, {"target": [0, -100]}, {}, "ignore_index's default is no class, and accepted"),
        (
            "target-ignore_index",
            {"ignore_index": 7},
            {"target": [0, 7]},
            {},
            "an ignore_index behind the last class is accepted",
        ),
        ("target-float", {}, {"target": [0.0, 1.0]}, {}, "classes as floats"),
        ("target-int32", {}, {}, {"target": "int32"}, "classes as int32"),
        ("target-uint8", {}, {}, {"target": "uint8"}, "classes as bytes are accepted"),
        ("target-bool", {}, {}, {"target": "bool"}, "classes as truth values"),
        (
            "target-spatial",
            {},
            {"input": (2, 3, 5), "target": [[0, 1, 2, 0]] * 2},
            {},
            "targets of four places for five",
        ),
        ("weight-too-short", {}, {"weight": (2,)}, {}, "weights of two classes for three"),
        ("weight-2-d", {}, {"weight": (1, 3)}, {}, "weights with an axis too many"),
        ("weight-float32", {}, {"weight": (3,)}, {"weight": "float32"}, "weights of another dtype"),
        ("weight-negative", {}, {"weight": [-1.0, 1.0, 1.0]}, {}, "negative weights are accepted"),
        ("input-0-d", {}, {"input": (), "target": 0}, {}, "a number for scores"),
        ("input-1-d", {}, {"input": (3,), "target": 1}, {}, "a single sample is accepted"),
        (
            "input-1-d-target-1-d",
            {},
            {"input": (3,), "target": [1]},
            {},
            "a single sample with a batch of one target is accepted",
        ),
        ("input-1-d-targets", {}, {"input": (3,), "target": [1, 2]}, {}, "a single sample with two targets"),
        (
            "input-one-class",
            {},
            {"input": (1,), "target": [0]},
            {},
            "a target in the shape of the scores: probabilities to cross_entropy alone",
        ),
        (
            "target-behind-one-class",
            {},
            {"input": (1,), "target": [1]},
            {},
            "a class behind the only one, which is the last too",
        ),
        (
            "reduction-unknown-target-too-large",
            {"reduction": "average"},
            {"target": [0, 3]},
            {},
            "of several mistakes the reduction is the first that torch sees",
        ),
        ("input-int", {}, {}, {"input": "int64"}, "whole numbers for scores"),
        ("no-samples", {}, {"input": (0, 3), "target": np.zeros(0, np.int64)}, {}, "a batch of 0 is accepted"),
    ]
    probabilities: list[tuple[str, dict[str, Any], Change, dict[str, str], str]] = [
        ("label_smoothing-negative", {"label_smoothing": -0.1}, {}, {}, "below the range: taken for none"),
        (
            "label_smoothing-1-d",
            {"label_smoothing": 0.1},
            {"input": (3,), "target": [1]},
            {},
            "what is accepted without smoothing",
        ),
        (
            "target-uint8-smoothed-weighted",
            {"label_smoothing": 0.1},
            {"weight": (3,)},
            {"target": "uint8"},
            "the mean's weights are gathered by the classes, and bytes do not index",
        ),
        (
            "target-uint8-smoothed-weighted-sum",
            {"label_smoothing": 0.1, "reduction": "sum"},
            {"weight": (3,)},
            {"target": "uint8"},
            "a sum gathers no weights: accepted",
        ),
        ("target-uint8-smoothed", {"label_smoothing": 0.1}, {}, {"target": "uint8"}, "accepted without weights"),
        ("probabilities-0-d", {}, {"input": (), "target": ()}, {}, "two numbers"),
        ("label_smoothing-above-1", {"label_smoothing": 1.5}, {}, {}, "above the range"),
        ("label_smoothing-nan", {"label_smoothing": nan}, {}, {}, "in no range: taken for none"),
        ("label_smoothing-1", {"label_smoothing": 1.0}, {}, {}, "the limit itself is accepted"),
        (
            "probabilities-int",
            {},
            {"target": (2, 3)},
            {"target": "int64"},
            "whole numbers in the shape of probabilities",
        ),
        (
            "probabilities-ignore_index",
            {"ignore_index": 1},
            {"target": (2, 3)},
            {},
            "a distribution has no class to ignore",
        ),
        (
            "probabilities-ignore_index-negative",
            {"ignore_index": -1},
            {"target": (2, 3)},
            {},
            "a negative one is accepted",
        ),
        (
            "probabilities-above-1",
            {},
            {"target": [[2.0, -1.0, 0.0]] * 2},
            {},
            "what adds up to 1 and is no distribution is accepted",
        ),
    ]
    for name in ("cross_entropy", "nll_loss"):
        defaults: dict[str, Any] = {"ignore_index": -100, "reduction": "mean"}
        if name == "cross_entropy":
            defaults["label_smoothing"] = 0.0
        for description, changed, change, dtypes, note in [
            *classes,
            *(probabilities if name == "cross_entropy" else []),
        ]:

            def build(rng: np.random.Generator, change: Change = change) -> dict[str, Array]:
                right: dict[str, Any] = {"input": (2, 3), "target": [0, 1]}
                return _changed(right, right | dict(change), rng)

            others = {"dtypes": dtypes} if dtypes else {}
            yield from _case(f"nn.functional.{name}", description, defaults | changed, build, note, **others)
    squares: list[tuple[str, dict[str, Any], Change, dict[str, str], str]] = [
        ("reduction-unknown", {"reduction": "average"}, {}, {}, "no such reduction"),
        ("target-shape", {}, {"target": (2, 4)}, {}, "shapes that do not fit"),
        ("target-axis-in-front", {}, {"target": (3, 2)}, {}, "axes in another order"),
        ("target-row", {}, {"target": (3,)}, {}, "one row for two: torch warns and accepts"),
        ("target-column", {}, {"input": (3, 1), "target": (3,)}, {}, "a column and a vector: torch warns and accepts"),
        ("input-row", {}, {"input": (3,)}, {}, "the input is broadcast too"),
        ("weight", {}, {"weight": (2, 3)}, {}, "weights of the input's shape are accepted"),
        ("weight-row", {}, {"weight": (3,)}, {}, "weights are not broadcast to the input"),
        ("weight-of-the-target", {}, {"input": (3,), "weight": (2, 3)}, {}, "weights of what is broadcast to"),
        ("reduction-unknown-weight", {"reduction": "average"}, {"weight": (2, 3)}, {}, "no such reduction"),
        ("reduction-unknown-int", {"reduction": "average"}, {}, {"input": "int64"}, "seen before the dtype"),
        ("target-shape-reduction-unknown", {"reduction": "average"}, {"target": (2, 4)}, {}, "seen after the shapes"),
        ("weight-negative", {}, {"weight": [[-1.0, 1.0, 1.0]] * 2}, {}, "negative weights are accepted"),
        ("empty", {}, {"input": (0, 3), "target": (0, 3)}, {}, "nothing to compare is accepted"),
        ("0-d", {}, {"input": (), "target": ()}, {}, "two numbers are accepted"),
    ]
    for description, changed, change, dtypes, note in squares:

        def pair(rng: np.random.Generator, change: Change = change) -> dict[str, Array]:
            right: dict[str, Any] = {"input": (2, 3), "target": (2, 3)}
            return _changed(right, right | dict(change), rng)

        others = {"dtypes": dtypes} if dtypes else {}
        yield from _case("nn.functional.mse_loss", description, {"reduction": "mean"} | changed, pair, note, **others)


def _initializers() -> Iterator[Case]:
    rows: list[tuple[str, str, dict[str, Any], str]] = [
        ("calculate_gain", "unknown", {"nonlinearity": "gelu"}, "no entry of the table"),
        ("calculate_gain", "upper-case", {"nonlinearity": "ReLU"}, "the name of the module, not of the function"),
        ("calculate_gain", "slope-string", {"nonlinearity": "leaky_relu", "param": "0.2"}, "a slope as text"),
        ("calculate_gain", "slope-bool", {"nonlinearity": "leaky_relu", "param": True}, "True is no slope"),
        ("calculate_gain", "slope-int", {"nonlinearity": "leaky_relu", "param": 1}, "an int is a number"),
        (
            "calculate_gain",
            "param-unused",
            {"nonlinearity": "tanh", "param": "x"},
            "what a function does not use is accepted",
        ),
        ("xavier_uniform_", "0-d", {"shape": []}, "no axis: no fan"),
        ("xavier_uniform_", "1-d", {"shape": [5]}, "one axis: a bias has no fan"),
        ("xavier_normal_", "1-d", {"shape": [5]}, "one axis: a bias has no fan"),
        ("kaiming_uniform_", "1-d", {"shape": [5]}, "one axis: a bias has no fan"),
        ("kaiming_normal_", "1-d", {"shape": [5]}, "one axis: a bias has no fan"),
        ("kaiming_uniform_", "no-inputs", {"shape": [3, 0]}, "nothing to draw, and no fan to divide by: torch accepts"),
        ("kaiming_normal_", "no-inputs", {"shape": [3, 0]}, "nothing to draw, and no fan to divide by: torch accepts"),
        ("kaiming_uniform_", "mode-unknown", {"shape": [4, 3], "mode": "fan_avg"}, "Keras' mode, not torch's"),
        ("kaiming_normal_", "mode-upper-case", {"shape": [4, 3], "mode": "FAN_OUT"}, "torch ignores the case"),
        ("kaiming_normal_", "nonlinearity-unknown", {"shape": [4, 3], "nonlinearity": "gelu"}, "no entry of the table"),
        (
            "kaiming_uniform_",
            "nonlinearity-unknown",
            {"shape": [4, 3], "nonlinearity": "gelu"},
            "no entry of the table",
        ),
        ("uniform_", "bounds-swapped", {"shape": [4, 3], "a": 1.0, "b": -1.0}, "the lower bound above the upper"),
        ("uniform_", "bounds-equal", {"shape": [4, 3], "a": 1.0, "b": 1.0}, "an interval of one point is accepted"),
        ("normal_", "std-negative", {"shape": [4, 3], "std": -1.0}, "a negative deviation"),
        ("normal_", "std-0", {"shape": [4, 3], "std": 0.0}, "no deviation is accepted"),
        (
            "xavier_normal_",
            "gain-negative",
            {"shape": [4, 3], "gain": -1.0},
            "a negative gain makes a negative deviation",
        ),
        ("xavier_uniform_", "gain-negative", {"shape": [4, 3], "gain": -1.0}, "a negative gain swaps the bounds"),
        ("xavier_uniform_", "gain-0", {"shape": [4, 3], "gain": 0.0}, "an interval of one point is accepted"),
    ]
    for name, description, arguments, note in rows:
        yield from _case(f"nn.init.{name}", description, arguments, lambda rng: {}, note)


# --------------------------------------------------------------------------------------------------- optimizers

WRONG: dict[str, list[Any]] = {
    "lr": [-0.1, nan],
    "momentum": [-0.1],
    "weight_decay": [-0.1],
    "dampening": [-0.1],
    "eps": [-1e-8, 0.0, nan],
    "betas": [[-0.1, 0.999], [1.0, 0.999], [0.9, -0.1], [0.9, 1.0], [0.9, 1.5], [0.0, 0.0], [0.9, nan]],
    "alpha": [-0.1, 1.5],
    "rho": [-0.1, 1.0, 1.5],
    "lr_decay": [-0.1],
    "initial_accumulator_value": [-0.1],
    "lambd": [-0.1],
    "t0": [-1.0],
    "etas": [[0.0, 1.2], [1.0, 1.2], [0.5, 1.0], [1.2, 0.5]],
    "step_sizes": [[50.0, 1e-6], [-1.0, 1.0]],
    "momentum_decay": [-0.1],
    "beta2_decay": [0.1],
    "d": [0.5],
    "ns_steps": [0, 100],
    "ns_coefficients": [[1.0, 2.0]],
    "adjust_lr_fn": ["original", "none"],
    "max_iter": [0, -1],
    "history_size": [0],
    "line_search_fn": ["wolfe"],
}
"""for each argument values at and beyond its limits; which of them torch refuses is for torch to say"""


def _optimizers(algorithm: str) -> Iterator[Case]:
    call = f"optim.{algorithm}"
    defaults = {"SparseAdam": optimizer_sparse.DEFAULTS, "LBFGS": optimizer_closure.DEFAULTS}.get(algorithm)
    config = optimizer.DEFAULTS[algorithm] if defaults is None else defaults

    def params(rng: np.random.Generator) -> dict[str, Array]:
        return {"param.weight": rng.standard_normal((3, 4))}

    for name, values in WRONG.items():
        for value in values if name in config and (algorithm, name) != ("Adafactor", "eps") else []:
            yield from _case(
                call, f"{name}-{_said(value)}", config | {name: value}, params, f"{name} at or beyond its limits"
            )
    if algorithm == "Adafactor":
        for pair in ([-1.0, 1e-3], [None, -1.0], [0.0, 0.0]):
            yield from _case(call, f"eps-{_said(pair)}", config | {"eps": pair}, params, "one of two at its limit")
    if algorithm == "AdamW":
        coupled = config | {"decoupled_weight_decay": False}
        note = "AdamW's decay is always decoupled"
        yield from _case(call, "decoupled_weight_decay-unknown-argument", coupled, params, note)
    if algorithm == "SGD":
        nesterov = config | {"nesterov": True}
        yield from _case(call, "nesterov", nesterov, params, "there is nothing to look ahead along")
        for dampening in (0.1, 0):
            description = f"nesterov-dampening-{_said(dampening)}"
            wrong = nesterov | {"momentum": 0.9, "dampening": dampening}
            yield from _case(call, description, wrong, params, "Nesterov's form is without dampening")
    yield from _case(call, "unknown-argument", config | {"learning_rate": 0.1}, params, "Keras' name for lr")
    yield from _case(call, "no-parameters", config, lambda rng: {}, "nothing to optimize")
    if algorithm == "LBFGS":
        unknown = "an unknown line search is refused when it is needed"
        wolfe = {"line_search_fn": "strong_wolfe"}
        closures: list[tuple[str, dict[str, Any], Build, str]] = [
            ("line_search_fn-wolfe", {"line_search_fn": "wolfe"}, params, unknown),
            ("line_search_fn-strong_wolfe", wolfe, params, unknown),
            ("history_size-0", {"history_size": 0}, params, "no room for the first pair"),
            ("history_size-minus_1", {"history_size": -1}, params, "less than no room"),
            ("no-elements", {}, lambda rng: {"param.weight": np.zeros((0, 4))}, "no gradient is the largest"),
        ]
        for description, changed, arrays, note in closures:
            yield from _case(call, f"{description}-step", config | changed, arrays, note, steps=1)
        return
    steps: list[tuple[str, Change, dict[str, Any], str]] = [
        ("grad-shape", {"grad.weight": (3, 5)}, {}, "a gradient of another shape"),
        ("grad-transposed", {"grad.weight": (4, 3)}, {}, "a gradient the other way round"),
        ("grad-row", {"grad.weight": (4,)}, {}, "a gradient that would broadcast"),
        (
            "grad-float32",
            {"grad.weight": (3, 4)},
            {"dtypes": {"grad.weight": "float32"}},
            "a gradient of another dtype",
        ),
    ]
    rows = {"grad.weight.rows": [2, 0], "grad.weight.values": (2, 4)}
    steps.append(("grad-sparse", rows, {}, "a gradient of some rows"))
    if algorithm in ("SGD", "Adagrad"):
        decaying = {"options": {"weight_decay": 0.1}}
        steps.append(("grad-sparse-weight_decay", rows, decaying, "the decay is of all rows"))
    steps.append(("grad-dense", {"grad.weight": (3, 4)}, {}, "a gradient of every row"))
    if algorithm in ("Muon", "Adafactor"):
        vector = {"param.weight": (4,), "grad.weight": (4,)}
        steps.append(("vector", vector, {}, "a parameter that is no matrix"))
    if algorithm == "Muon":
        for name, value in (("ns_steps", 100), ("ns_coefficients", [1.0, 2.0])):
            dense = {"grad.weight": (3, 4)}
            steps.append((f"{name}-{_said(value)}-step", dense, {"options": {name: value}}, "refused when it is used"))
    for description, change, others, note in steps:

        def build(rng: np.random.Generator, change: Change = change) -> dict[str, Array]:
            return _changed(params(rng), change, rng)

        options = others.get("options", {})
        dtypes = {key: value for key, value in others.items() if key == "dtypes"}
        yield from _case(call, description, config | options, build, note, **dtypes)


def _said(value: Any) -> str:
    """A value as part of an id."""
    if isinstance(value, list):
        return "-".join(map(_said, value))
    return str(value).replace("-", "minus_").replace("+", "")


def _clipping() -> Iterator[Case]:
    rows: list[tuple[str, str, dict[str, Any], Any, str]] = [
        (
            "clip_grad_norm_",
            "nan",
            {"max_norm": 1.0, "error_if_nonfinite": True},
            [1.0, nan],
            "a norm that is NaN, refused if so asked",
        ),
        (
            "clip_grad_norm_",
            "inf",
            {"max_norm": 1.0, "error_if_nonfinite": True},
            [1.0, inf],
            "an infinite norm, refused if so asked",
        ),
        (
            "clip_grad_norm_",
            "inf-of-norm-0",
            {"max_norm": 1.0, "norm_type": 0.0, "error_if_nonfinite": True},
            [1.0, inf],
            "what the norm counts is finite",
        ),
        ("clip_grad_norm_", "nan-accepted", {"max_norm": 1.0}, [1.0, nan], "by default it is accepted"),
        (
            "clip_grad_norm_",
            "finite",
            {"max_norm": 1.0, "error_if_nonfinite": True},
            [1.0, 2.0],
            "a finite norm is accepted",
        ),
        (
            "clip_grad_norm_",
            "max_norm-negative",
            {"max_norm": -1.0},
            [1.0, 2.0],
            "a negative limit turns gradients round, and is accepted",
        ),
        ("clip_grad_norm_", "max_norm-string", {"max_norm": "a"}, [1.0, 2.0], "a limit as text"),
        ("clip_grad_norm_", "norm_type-string", {"max_norm": 1.0, "norm_type": "two"}, [1.0, 2.0], "a norm as text"),
        (
            "clip_grad_norm_",
            "norm_type-text-of-a-number",
            {"max_norm": 1.0, "norm_type": "inf"},
            [1.0, 2.0],
            "text that float() reads is accepted",
        ),
        ("clip_grad_value_", "negative", {"clip_value": -1.0}, [1.0, 2.0], "a negative limit is accepted"),
        ("clip_grad_value_", "string", {"clip_value": "a"}, [1.0, 2.0], "a limit as text"),
    ]
    for name, description, arguments, grad, note in rows:
        yield from _case(f"nn.utils.{name}", description, arguments, partial(_changed, {}, {"weight": grad}), note)


def _schedules() -> Iterator[Case]:
    one_cycle, cyclic, plateau = (
        {key: value for key, value in config.items() if key != "schedule"}
        for config in (schedule.ONE_CYCLE, schedule.CYCLIC, schedule.PLATEAU)
    )
    parts: list[Any] = [["ExponentialLR", {"gamma": 0.9}], ["ConstantLR", {"factor": 0.5, "total_iters": 2}]]
    plateau_too, chain = [*parts, ["ReduceLROnPlateau", plateau]], ["ChainedScheduler", {"schedulers": parts}]
    sequence = ["SequentialLR", {"schedulers": parts, "milestones": [2]}]
    rows: list[tuple[str, str, dict[str, Any], int, str]] = [
        ("StepLR", "step_size-0", {"step_size": 0}, 1, "an interval of no steps"),
        ("LambdaLR", "lr_lambda-number", {"lr_lambda": 0.5}, 1, "a factor that is no function"),
        ("MultiplicativeLR", "lr_lambda-number", {"lr_lambda": 0.5}, 0, "a factor that is no function"),
        ("ConstantLR", "factor-negative", {"factor": -0.1}, 0, "a negative factor"),
        ("ConstantLR", "factor-above-1", {"factor": 1.5}, 0, "a factor above 1"),
        ("ConstantLR", "factor-0", {"factor": 0, "total_iters": 2}, 2, "no rate to come back from"),
        ("ConstantLR", "factor-0-until-then", {"factor": 0, "total_iters": 2}, 1, "accepted before its last step"),
        ("ConstantLR", "factor-0-total_iters-0", {"factor": 0, "total_iters": 0}, 2, "which never comes"),
        ("ConstantLR", "factor-1", {"factor": 1.0}, 2, "a factor of 1 is accepted"),
        ("LinearLR", "start_factor-0", {"start_factor": 0.0}, 0, "no rate to start with"),
        ("LinearLR", "start_factor-above-1", {"start_factor": 1.1}, 0, "a factor above 1"),
        ("LinearLR", "end_factor-negative", {"end_factor": -0.1}, 0, "a negative factor"),
        ("LinearLR", "end_factor-above-1", {"end_factor": 1.1}, 0, "a factor above 1"),
        ("LinearLR", "end_factor-0", {"end_factor": 0.0}, 2, "down to nothing is accepted"),
        ("CosineAnnealingLR", "T_max-0", {"T_max": 0}, 1, "a course of no steps"),
        ("CosineAnnealingWarmRestarts", "T_0-0", {"T_0": 0}, 0, "a course of no steps"),
        ("CosineAnnealingWarmRestarts", "T_0-float", {"T_0": 4.0}, 0, "steps that are no int"),
        ("CosineAnnealingWarmRestarts", "T_mult-0", {"T_0": 4, "T_mult": 0}, 0, "each restart of no steps"),
        ("CosineAnnealingWarmRestarts", "T_mult-float", {"T_0": 4, "T_mult": 1.5}, 0, "half a step"),
        ("CosineAnnealingWarmRestarts", "eta_min-string", {"T_0": 4, "eta_min": "0"}, 0, "a rate as text"),
        ("CyclicLR", "mode-unknown", cyclic | {"mode": "square"}, 0, "no such mode"),
        ("CyclicLR", "step_size_up-0", cyclic | {"step_size_up": 0}, 0, "a rise of no steps"),
        ("CyclicLR", "step_size_down-0", cyclic | {"step_size_down": 0}, 2, "a fall of no steps is accepted"),
        ("OneCycleLR", "total_steps-0", one_cycle | {"total_steps": 0}, 0, "a course of no steps"),
        ("OneCycleLR", "total_steps-float", one_cycle | {"total_steps": 20.0}, 0, "steps that are no int"),
        ("OneCycleLR", "no-steps", one_cycle | {"total_steps": None}, 0, "neither steps nor epochs"),
        ("OneCycleLR", "epochs-alone", one_cycle | {"total_steps": None, "epochs": 5}, 0, "epochs of unknown length"),
        ("OneCycleLR", "epochs-0", one_cycle | {"total_steps": None, "epochs": 0, "steps_per_epoch": 4}, 0, "no epoch"),
        (
            "OneCycleLR",
            "steps_per_epoch-negative",
            one_cycle | {"total_steps": None, "epochs": 5, "steps_per_epoch": -1},
            0,
            "epochs of less than no steps",
        ),
        ("OneCycleLR", "pct_start-negative", one_cycle | {"pct_start": -0.1}, 0, "a negative share"),
        ("OneCycleLR", "pct_start-above-1", one_cycle | {"pct_start": 1.1}, 0, "a share above 1"),
        ("OneCycleLR", "pct_start-int", one_cycle | {"pct_start": 1}, 0, "a share has to be a float"),
        ("OneCycleLR", "pct_start-one-step", one_cycle | {"total_steps": 10, "pct_start": 0.1}, 0, "it ends at step 0"),
        ("OneCycleLR", "div_factor-0", one_cycle | {"div_factor": 0}, 0, "a start that cannot be divided for"),
        ("OneCycleLR", "final_div_factor-0", one_cycle | {"final_div_factor": 0}, 0, "an end that cannot, either"),
        ("OneCycleLR", "anneal_strategy-unknown", one_cycle | {"anneal_strategy": "cosine"}, 0, "its name is cos"),
        ("OneCycleLR", "all-steps", one_cycle | {"total_steps": 5}, 4, "to the end is accepted"),
        ("OneCycleLR", "too-many-steps", one_cycle | {"total_steps": 5}, 6, "beyond the end"),
        ("ReduceLROnPlateau", "factor-1", plateau | {"factor": 1.0}, 0, "a reduction that reduces nothing"),
        ("ReduceLROnPlateau", "mode-unknown", plateau | {"mode": "auto"}, 0, "Keras' mode, not torch's"),
        ("ReduceLROnPlateau", "threshold_mode-unknown", plateau | {"threshold_mode": "relative"}, 0, "its name is rel"),
        ("SequentialLR", "no-schedulers", {"schedulers": [], "milestones": []}, 0, "nothing in sequence"),
        (
            "SequentialLR",
            "milestones-too-many",
            {"schedulers": parts, "milestones": [2, 4]},
            0,
            "as many milestones as schedules",
        ),
        ("SequentialLR", "milestones", {"schedulers": parts, "milestones": [2]}, 3, "one fewer is right"),
        (
            "SequentialLR",
            "schedulers-LinearLR-total_iters-0",
            {"schedulers": [parts[0], ["LinearLR", {"total_iters": 0}]], "milestones": [2]},
            2,
            "begun at a milestone it divides by its steps",
        ),
        (
            "SequentialLR",
            "schedulers-LinearLR-total_iters-0-first",
            {"schedulers": [["LinearLR", {"total_iters": 0}], parts[0]], "milestones": [2]},
            3,
            "at step 0 it does not",
        ),
        (
            "SequentialLR",
            "schedulers-PolynomialLR-total_iters-0",
            {"schedulers": [parts[0], ["PolynomialLR", {"total_iters": 0}]], "milestones": [2]},
            2,
            "begun at a milestone it divides by its steps",
        ),
        (
            "SequentialLR",
            "schedulers-chain-of-PolynomialLR-total_iters-0",
            {
                "schedulers": [["ChainedScheduler", {"schedulers": [["PolynomialLR", {"total_iters": 0}]]}], parts[0]],
                "milestones": [2],
            },
            1,
            "stepped once too often it divides by its steps",
        ),
        (
            "SequentialLR",
            "schedulers-plateau",
            {"schedulers": plateau_too, "milestones": [2, 4]},
            0,
            "a step without a metric",
        ),
        (
            "SequentialLR",
            "schedulers-CyclicLR",
            {"schedulers": [["CyclicLR", cyclic], *parts], "milestones": [2, 4]},
            5,
            "triangles in sequence are accepted",
        ),
        (
            "SequentialLR",
            "schedulers-chain-at-first",
            {"schedulers": [chain, *parts], "milestones": [2, 4]},
            5,
            "a chain to begin with is accepted",
        ),
        (
            "SequentialLR",
            "schedulers-chain-later",
            {"schedulers": [parts[0], chain], "milestones": [2]},
            2,
            "a chain that would begin at a milestone",
        ),
        (
            "SequentialLR",
            "schedulers-chain-later-not-reached",
            {"schedulers": [parts[0], chain], "milestones": [2]},
            1,
            "accepted as long as the milestone is not reached",
        ),
        (
            "SequentialLR",
            "schedulers-sequence-later",
            {"schedulers": [parts[0], sequence], "milestones": [2]},
            2,
            "a sequence that would begin at a milestone",
        ),
        ("ChainedScheduler", "schedulers-plateau", {"schedulers": plateau_too}, 0, "a step without a metric"),
        (
            "ChainedScheduler",
            "schedulers-sequence-with-chain-later",
            {"schedulers": [["SequentialLR", {"schedulers": [parts[0], chain], "milestones": [2]}], parts[1]]},
            2,
            "a chain that would begin at a milestone, within a chain",
        ),
        (
            "ChainedScheduler",
            "schedulers-of-all-kinds",
            {"schedulers": [*parts, chain, sequence, ["CyclicLR", cyclic]]},
            5,
            "anything else is accepted",
        ),
        ("ChainedScheduler", "no-schedulers", {"schedulers": []}, 0, "nothing to chain"),
    ]
    for name, description, arguments, steps, note in rows:
        yield from _case(
            f"optim.lr_scheduler.{name}",
            description,
            arguments,
            lambda rng: {},
            note,
            **({"steps": steps} if steps else {}),
        )

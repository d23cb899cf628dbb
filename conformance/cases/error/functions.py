"""Activations, losses, initializers and clipping."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import inf, nan
from typing import Any

import numpy as np

from conformance.case import Array, Case
from conformance.cases.error.call import Change, call_of, with_changes


def cases() -> Iterator[Case]:
    yield from _activations()
    yield from _losses()
    yield from _initializers()
    yield from _clipping()


def _activations() -> Iterator[Case]:
    for name in ("tanh", "relu", "sigmoid"):
        yield from call_of(
            f"nn.functional.{name}", "0-d", {}, partial(with_changes, {}, {"input": ()}), "a number is accepted"
        )
        yield from call_of(
            f"nn.functional.{name}", "empty", {}, partial(with_changes, {}, {"input": (0,)}), "so is nothing"
        )
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
            yield from call_of(
                f"nn.functional.{name}",
                description,
                {"dim": dim},
                partial(with_changes, {}, {"input": shape}),
                note,
            )
        yield from call_of(
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
                return with_changes(right, right | dict(change), rng)

            others = {"dtypes": dtypes} if dtypes else {}
            yield from call_of(f"nn.functional.{name}", description, defaults | changed, build, note, **others)
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
            return with_changes(right, right | dict(change), rng)

        others = {"dtypes": dtypes} if dtypes else {}
        yield from call_of("nn.functional.mse_loss", description, {"reduction": "mean"} | changed, pair, note, **others)


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
        yield from call_of(f"nn.init.{name}", description, arguments, lambda rng: {}, note)


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
        yield from call_of(
            f"nn.utils.{name}", description, arguments, partial(with_changes, {}, {"weight": grad}), note
        )

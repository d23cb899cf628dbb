"""Cross-entropy with class indices and with probabilities, and mean squared error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from conformance.case import Array, Build, Case, cases_of

REDUCTIONS = ("mean", "sum", "none")


def _upstream(rng: np.random.Generator, reduction: str, samples: tuple[int, ...]) -> Array:
    return np.asarray(rng.standard_normal(samples if reduction == "none" else ()))


def scores(
    shape: tuple[int, ...], reduction: str, *, probabilities: bool, weight: bool = False, scale: float = 2.0
) -> Build:
    """Gaussian scores, and targets of either kind."""
    samples = () if len(shape) == 1 else (shape[0], *shape[2:])
    classes = shape[0] if len(shape) == 1 else shape[1]

    def build(rng: np.random.Generator) -> dict[str, Array]:
        arrays: dict[str, Array] = {"input": scale * rng.standard_normal(shape)}
        if probabilities:
            positive = rng.uniform(0.1, 1.0, shape)
            arrays["target"] = positive / positive.sum(axis=0 if len(shape) == 1 else 1, keepdims=True)
        else:
            arrays["target"] = rng.integers(0, classes, samples)
        if weight:
            arrays["weight"] = rng.uniform(0.5, 2.0, classes)
        return arrays | {"d_output": _upstream(rng, reduction, samples)}

    return build


def _ignoring(index: int, reduction: str) -> Build:
    def build(rng: np.random.Generator) -> dict[str, Array]:
        arrays = scores((5, 4), reduction, probabilities=False)(rng)
        arrays["target"][[1, 3]] = index
        return dict(arrays)

    return build


def _far_apart(rng: np.random.Generator) -> dict[str, Array]:
    scores = rng.standard_normal((3, 4))
    scores[1] += 800
    return {"input": scores, "target": np.array([0, 2, 3]), "d_output": np.asarray(rng.standard_normal())}


def _underflowing(rng: np.random.Generator) -> dict[str, Array]:
    scores = rng.standard_normal((3, 4)) + np.array([0.0, 800.0, 20.0, 0.0])
    return {"input": scores, "target": np.array([0, 1, 2]), "d_output": rng.standard_normal(3)}


def pair(shape: tuple[int, ...], reduction: str) -> Build:
    """Two arrays of one shape."""
    return lambda rng: {
        "input": rng.standard_normal(shape),
        "target": rng.standard_normal(shape),
        "d_output": _upstream(rng, reduction, shape),
    }


def cross_entropy(**options: Any) -> dict[str, Any]:
    """All of cross_entropy's arguments, torch's defaults where nothing is said."""
    return {"function": "cross_entropy", "ignore_index": -100, "reduction": "mean", "label_smoothing": 0.0} | options


def cases() -> Iterator[Case]:
    for reduction in REDUCTIONS:
        plain = cross_entropy(reduction=reduction)
        smooth = cross_entropy(reduction=reduction, label_smoothing=0.1)
        rows: list[tuple[str, dict[str, Any], Build, str]] = [
            ("indices", plain, scores((5, 4), reduction, probabilities=False), "class indices"),
            ("probabilities", plain, scores((5, 4), reduction, probabilities=True), "probabilities as targets"),
            ("indices-weight", plain, scores((5, 4), reduction, probabilities=False, weight=True),
             "class weights: the mean divides by their sum"),
            ("probabilities-weight", plain, scores((5, 4), reduction, probabilities=True, weight=True),
             "class weights with probabilities: the mean divides by the number of samples"),
            ("indices-smoothing", smooth, scores((5, 4), reduction, probabilities=False, weight=True),
             "smoothed and weighted class indices"),
            ("probabilities-smoothing", smooth, scores((5, 4), reduction, probabilities=True), "smoothed"),
            ("ignored", plain, _ignoring(-100, reduction), "two of five samples ignored, in sum and mean"),
            ("images", plain, scores((2, 3, 4), reduction, probabilities=False), "a further axis: classes are axis 1"),
        ]  # fmt: skip
        for name, config, build, note in rows:
            if name in ("indices", "indices-weight", "ignored", "images"):
                yield from cases_of(
                    "loss",
                    f"nll_loss-{name}-{reduction}",
                    {"function": "nll_loss", "ignore_index": -100, "reduction": reduction},
                    build,
                    f"without the softmax: {note}",
                    level="quick",
                )
            yield from cases_of("loss", f"cross_entropy-{name}-{reduction}", config, build, note, level="quick")
        yield from cases_of(
            "loss",
            f"mse_loss-{reduction}",
            {"function": "mse_loss", "reduction": reduction},
            pair((3, 4), reduction),
            "squared differences",
            level="quick",
        )
    special: list[tuple[str, dict[str, Any], Build, str]] = [
        ("cross_entropy-one-sample", cross_entropy(), scores((4,), "mean", probabilities=False),
         "a single sample without a batch axis"),
        ("cross_entropy-rows-far-apart", cross_entropy(), _far_apart,
         "a row 800 above the others: log softmax must be stable in each"),
        ("cross_entropy-large", cross_entropy(), scores((5, 4), "mean", probabilities=False, scale=300.0),
         "scores in the hundreds"),
        ("cross_entropy-underflow", cross_entropy(reduction="none"), _underflowing,
         "probabilities below 1e-308 have a logarithm: log softmax must not be the logarithm of softmax"),
        ("cross_entropy-ignore-class", cross_entropy(ignore_index=2), _ignoring(2, "mean"),
         "the class to ignore is one that exists"),
        ("cross_entropy-two-classes", cross_entropy(), scores((6, 2), "mean", probabilities=False), "binary"),
        ("cross_entropy-many-classes", cross_entropy(), scores((3, 50), "mean", probabilities=False), "fifty"),
        ("mse_loss-vector", {"function": "mse_loss", "reduction": "mean"}, pair((7,), "mean"), "one axis"),
        ("mse_loss-three-axes", {"function": "mse_loss", "reduction": "mean"}, pair((2, 3, 4), "mean"), "three axes"),
    ]  # fmt: skip
    for name, config, build, note in special:
        yield from cases_of("loss", name, config, build, note, level="quick")

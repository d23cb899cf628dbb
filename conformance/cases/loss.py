"""Cross-entropy with class indices and with probabilities, and mean squared error, weighted and broadcast."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from conformance.case import Array, Build, Case, Level, cases_of

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


def _all_ignored(shape: tuple[int, ...], reduction: str) -> Build:
    def build(rng: np.random.Generator) -> dict[str, Array]:
        arrays = scores(shape, reduction, probabilities=False)(rng)
        return {**arrays, "target": np.full_like(arrays["target"], -100)}

    return build


def _zero_weights(reduction: str, *, some: bool = False, infinite: bool = False) -> Build:
    """Targets whose classes weigh nothing, all of them or some; their score may be -inf."""

    def build(rng: np.random.Generator) -> dict[str, Array]:
        arrays = dict(scores((5, 4), reduction, probabilities=False, weight=True, scale=1.0)(rng))
        arrays["target"] = np.array([1, 3, 3, 1, 0 if some else 1])
        arrays["weight"][[1, 3]] = 0
        if infinite:
            arrays["input"][1, 3] = -np.inf
        return arrays

    return build


def _weighing(weight: list[float], target: list[int], reduction: str) -> Build:
    """Class weights that are given, a sample for each class index."""

    def build(rng: np.random.Generator) -> dict[str, Array]:
        arrays = scores((len(target), len(weight)), reduction, probabilities=False)(rng)
        return {**arrays, "target": np.array(target), "weight": np.array(weight)}

    return build


def _infinite_weight(rng: np.random.Generator) -> dict[str, Array]:
    """Probabilities, one of them 0, and weights of which one is infinite."""
    arrays = dict(scores((5, 3), "none", probabilities=True, weight=True)(rng))
    arrays["weight"][1], arrays["target"][2] = np.inf, [0.4, 0.0, 0.6]
    return arrays


def _masked(reduction: str) -> Build:
    def build(rng: np.random.Generator) -> dict[str, Array]:
        arrays = dict(scores((4, 5), reduction, probabilities=False)(rng))
        arrays["target"] = np.array([0, 3, 2, 4])
        arrays["input"][[1, 1, 3], [0, 4, 2]] = -np.inf
        return arrays

    return build


def _not_finite(rng: np.random.Generator) -> dict[str, Array]:
    """Scores of -inf at the sample's class and at another one, of inf, and NaN; one sample is ordinary."""
    arrays = dict(scores((5, 3), "none", probabilities=False)(rng))
    arrays["target"] = np.array([0, 1, 2, 0, 1])
    arrays["input"][1, 0] = arrays["input"][2, 2] = -np.inf
    arrays["input"][3, 1], arrays["input"][4, 0] = np.inf, np.nan
    return arrays


def _infinite_upstream(rng: np.random.Generator) -> dict[str, Array]:
    arrays = scores((4, 3), "none", probabilities=False)(rng)
    return {**arrays, "d_output": np.array([np.inf, 1.5, np.nan, -np.inf])}


def _special_pair(rng: np.random.Generator) -> dict[str, Array]:
    input = np.array([np.inf, np.inf, -np.inf, np.nan, 1e15, 1e-200, -0.0, 1.5, 3e-320])
    target = np.array([1.0, np.inf, 2.0, 0.5, -1e15, 0.0, 0.0, 1.5, 0.0])
    return {"input": input, "target": target, "d_output": rng.standard_normal(9)}


def _bytes(rng: np.random.Generator) -> dict[str, Array]:
    arrays = scores((5, 4), "mean", probabilities=False)(rng)
    return {**arrays, "target": arrays["target"].astype(np.uint8)}


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


def _squares(input: tuple[int, ...], target: tuple[int, ...], reduction: str, *, weight: bool = False) -> Build:
    """Two arrays whose shapes broadcast, perhaps with weights of the first one's shape."""

    def build(rng: np.random.Generator) -> dict[str, Array]:
        arrays: dict[str, Array] = {"input": rng.standard_normal(input), "target": rng.standard_normal(target)}
        if weight:
            arrays["weight"] = rng.uniform(0.5, 2.0, input)
        return arrays | {"d_output": _upstream(rng, reduction, np.broadcast_shapes(input, target))}

    return build


def _special_weights(rng: np.random.Generator) -> dict[str, Array]:
    """Weights of 0 at differences that are ordinary, infinite and NaN, weights that are not finite, and one below 0."""
    input = np.array([1.0, np.inf, np.nan, 1.5, 1.5, 2.0, 0.5])
    target = np.array([0.0, 1.0, 0.0, 0.0, 1.5, 0.5, 1.0])
    weight = np.array([0.0, 0.0, 0.0, np.inf, np.inf, np.nan, -2.0])
    return {"input": input, "target": target, "weight": weight, "d_output": rng.standard_normal(7)}


def _cancelling_weights(rng: np.random.Generator) -> dict[str, Array]:
    arrays = _squares((2, 3), (2, 3), "mean", weight=True)(rng)
    return {**arrays, "weight": np.array([[1.0, -1.0, 2.0], [-2.0, 0.5, -0.5]])}


def cross_entropy(**options: Any) -> dict[str, Any]:
    """All of cross_entropy's arguments, torch's defaults where nothing is said."""
    return {"function": "cross_entropy", "ignore_index": -100, "reduction": "mean", "label_smoothing": 0.0} | options


def _level(name: str) -> Level:
    return (
        "standard"
        if name.startswith(("volumes", "unbatched", "all-ignored", "zero-weight-", "weight-cancelling"))
        else "quick"
    )


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
            ("volumes", plain, scores((2, 3, 4, 5), reduction, probabilities=False), "targets (N, d1, d2)"),
            ("volumes-weight", plain, scores((2, 3, 4, 5), reduction, probabilities=False, weight=True),
             "targets (N, d1, d2), weighted: the weights belong to axis 1"),
            ("volumes-probabilities-smoothing", smooth, scores((2, 3, 4, 2), reduction, probabilities=True),
             "probabilities in the shape of the scores, four axes"),
            ("unbatched", plain, scores((4,), reduction, probabilities=False, weight=True), "scores (C), one class"),
            ("all-ignored", plain, _all_ignored((3, 4), reduction), "no sample counts: the mean is 0/0, the sum 0"),
            ("zero-weight-all", plain, _zero_weights(reduction), "nothing weighs anything: the mean is 0/0"),
            ("zero-weight-some", plain, _zero_weights(reduction, some=True), "one sample of five weighs something"),
            ("weight-infinite", plain, _weighing([1.2, np.inf, 0.7], [0, 1, 2, 0], reduction),
             "an infinite weight: the mean is inf/inf"),
            ("weight-infinite-elsewhere", plain, _weighing([1.2, np.inf, np.nan, 0.7], [0, 3, 3, 0, 0], reduction),
             "infinite and NaN, but no sample is of these classes: weights are selected, not multiplied by 0"),
            ("weight-cancelling", plain, _weighing([1.5, -1.5, 0.75, -0.75], [0, 1, 2, 1, 0, 3], reduction),
             "weights that add up to 0: the mean is infinite"),
            ("masked", plain, _masked(reduction), "-inf at classes that are not the sample's: they harm no sample"),
        ]  # fmt: skip
        for name, config, build, note in rows:
            if "probabilities" not in name and "smoothing" not in name:
                yield from cases_of(
                    "loss",
                    f"nll_loss-{name}-{reduction}",
                    {"function": "nll_loss", "ignore_index": -100, "reduction": reduction},
                    build,
                    f"without the softmax: {note}",
                    level=_level(name),
                )
            yield from cases_of("loss", f"cross_entropy-{name}-{reduction}", config, build, note, level=_level(name))
        yield from cases_of(
            "loss",
            f"mse_loss-{reduction}",
            {"function": "mse_loss", "reduction": reduction},
            pair((3, 4), reduction),
            "squared differences",
            level="quick",
        )
        broadcast: list[tuple[str, Build, str]] = [
            ("column-and-vector", _squares((4, 1), (4,), reduction),
             "scores (N, 1) for targets (N,): torch warns, and compares all with all"),
            ("row", _squares((3,), (2, 3), reduction), "one row for several: its gradients add up"),
            ("target-column", _squares((2, 3), (2, 1), reduction), "a target that is used three times"),
            ("middle-axes", _squares((3, 1, 1), (5, 3, 2, 4), reduction), "an axis in front, and two of size 1"),
            ("weight", _squares((2, 3), (2, 3), reduction, weight=True), "the mean divides by the sum of the weights"),
            ("column-weight", _squares((4, 1), (3,), reduction, weight=True),
             "weights of the input's shape, for differences of another: the mean divides by their own sum"),
        ]  # fmt: skip
        for name, build, note in broadcast:
            yield from cases_of(
                "loss",
                f"mse_loss-{name}-{reduction}",
                {"function": "mse_loss", "reduction": reduction},
                build,
                note,
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
        ("cross_entropy-smoothing-full", cross_entropy(label_smoothing=1.0),
         scores((5, 4), "mean", probabilities=False, weight=True), "smoothed to the uniform distribution"),
        ("cross_entropy-smoothing-ignored", cross_entropy(label_smoothing=0.3), _ignoring(-100, "mean"),
         "ignored samples have no part in the smoothing either"),
        ("cross_entropy-unbatched-probabilities-none", cross_entropy(reduction="none"),
         scores((4,), "none", probabilities=True), "scores (C) and their probabilities: a batch of one"),
        ("cross_entropy-not-finite-none", cross_entropy(reduction="none"), _not_finite,
         "scores of inf and NaN, and -inf at the sample's own class: every sample by itself"),
        ("nll_loss-not-finite-none", {"function": "nll_loss", "ignore_index": -100, "reduction": "none"}, _not_finite,
         "without the softmax: only the score of the sample's class counts"),
        ("cross_entropy-zero-weight-infinite", cross_entropy(reduction="none"),
         _zero_weights("none", some=True, infinite=True), "a weight of 0 at a probability of 0: the loss is NaN"),
        ("cross_entropy-zero-weight-smoothed", cross_entropy(label_smoothing=0.1),
         _weighing([0.0, 0.0, 1.1, 0.6], [0, 1, 1], "mean"),
         "the targets weigh nothing, other classes do: the mean is 0/0, as without smoothing"),
        ("cross_entropy-full-smoothing-masked", cross_entropy(reduction="none", label_smoothing=1.0),
         _not_finite, "smoothed to the uniform distribution, the target's part is multiplied by 0: NaN if infinite"),
        ("cross_entropy-weight-infinite-smoothing", cross_entropy(label_smoothing=0.1),
         _weighing([1.2, np.inf, 0.7], [0, 2, 2, -100], "mean"),
         "all classes' weights count when smoothed; the gradient of the ignored sample becomes NaN too"),
        ("cross_entropy-weight-infinite-smoothing-none", cross_entropy(reduction="none", label_smoothing=0.1),
         _weighing([1.2, np.inf, 0.7], [0, 2, 2, -100], "none"), "an ignored sample's loss is 0 all the same"),
        ("cross_entropy-weight-infinite-probabilities-none", cross_entropy(reduction="none"), _infinite_weight,
         "0 times infinity where p is 0: only this sample is NaN"),
        ("cross_entropy-one-class", cross_entropy(reduction="sum"), scores((3, 1), "sum", probabilities=False),
         "one class: its probability is 1, the loss 0"),
        ("cross_entropy-bytes", cross_entropy(), _bytes, "class indices as uint8"),
        ("cross_entropy-not-finite-upstream", cross_entropy(reduction="none"), _infinite_upstream,
         "an infinite gradient meets the softmax's: the sample's own class becomes NaN"),
        ("nll_loss-zero-weight-infinite", {"function": "nll_loss", "ignore_index": -100, "reduction": "none"},
         _zero_weights("none", some=True, infinite=True), "0 times a score of -inf is NaN: no sample is skipped"),
        ("nll_loss-ignore-class", {"function": "nll_loss", "ignore_index": 2, "reduction": "mean"},
         _ignoring(2, "mean"), "the class to ignore is one that exists"),
        ("mse_loss-special", {"function": "mse_loss", "reduction": "none"}, _special_pair,
         "infinities, NaN, squares that underflow"),
        ("mse_loss-weight-special", {"function": "mse_loss", "reduction": "none"}, _special_weights,
         "multiplied, not selected: 0 times an infinite square is NaN"),
        ("mse_loss-weights-cancel", {"function": "mse_loss", "reduction": "mean"}, _cancelling_weights,
         "weights that add up to 0: the mean is infinite"),
        ("mse_loss-empty-broadcast", {"function": "mse_loss", "reduction": "sum"}, _squares((1,), (0, 3), "sum"),
         "broadcast to nothing: the gradient is 0"),
        ("mse_loss-number", {"function": "mse_loss", "reduction": "mean"}, pair((), "mean"), "no axes"),
        ("mse_loss-empty", {"function": "mse_loss", "reduction": "mean"}, pair((0, 3), "mean"),
         "the mean over nothing is NaN"),
        ("mse_loss-vector", {"function": "mse_loss", "reduction": "mean"}, pair((7,), "mean"), "one axis"),
        ("mse_loss-three-axes", {"function": "mse_loss", "reduction": "mean"}, pair((2, 3, 4), "mean"), "three axes"),
    ]  # fmt: skip
    for name, config, build, note in special:
        yield from cases_of("loss", name, config, build, note, level="quick")

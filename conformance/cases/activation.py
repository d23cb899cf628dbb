"""tanh, relu, sigmoid and softmax with their derivatives, where they curve, saturate and break."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from conformance.case import Array, Build, Case, Level, cases_of

TINY = [0.0, 1e-30, -1e-30, 1e-20, -1e-20, 1e-10, -1e-10, 1e-5, -1e-5]
LARGE = [5.0, -5.0, 20.0, -20.0, 80.0, -80.0, 300.0, -300.0, 1e4, -1e4, 1e30, -1e30]
SUBNORMAL = [1e-310, -1e-310, 1e-323, -1e-323, 1e-40, -1e-40, 1e-45, -1e-45, 1.0]
"""below the smallest normal number of float64, then of float32"""
SATURATED = [36.0, -36.0, 17.5, -17.5, 9.5, -9.5, -87.0, -700.0, -104.0, -746.0, 0.3]
SIGNED_ZEROS = [-0.0, 0.0, -0.0, 0.0, -1.0, 1.0, -1.0, 1.0]
NOT_FINITE = [np.inf, -np.inf, np.nan, 1.0, -1.0]


def random(shape: tuple[int, ...], scale: float) -> Build:
    """Gaussian input of a standard deviation, and upstream gradients."""
    return lambda rng: {"input": scale * rng.standard_normal(shape), "d_output": rng.standard_normal(shape)}


def _listed(values: list[float]) -> Build:
    return lambda rng: {"input": np.array(values), "d_output": rng.standard_normal(len(values))}


QUICK = ("ordinary", "near-zero", "large", "not-finite")


def _listed_rows(rng: np.random.Generator) -> dict[str, Array]:
    scores = rng.standard_normal((6, 4))
    scores[1, 2], scores[2, :], scores[3, 0], scores[4, 3] = -np.inf, -np.inf, np.inf, np.nan
    scores[5, :2] = -np.inf
    return {"input": scores, "d_output": rng.standard_normal((6, 4))}


def _infinite_upstream(rng: np.random.Generator) -> dict[str, Array]:
    upstream = rng.standard_normal((4, 3))
    upstream[1, 0], upstream[2, 1], upstream[3, 2] = np.inf, np.nan, -np.inf
    return {"input": rng.standard_normal((4, 3)), "d_output": upstream}


def cases() -> Iterator[Case]:
    for name in ("tanh", "relu", "sigmoid"):
        rows: list[tuple[str, Build, str]] = [
            ("ordinary", random((3, 4), 1.5), "where the function curves"),
            ("three-axes", random((2, 3, 4), 1.5), "element-wise whatever the shape"),
            (
                "near-zero",
                _listed(TINY),
                "results must keep their relative accuracy near 0; at 0, relu's derivative is 0",
            ),
            ("large", _listed(LARGE), "saturation without overflow on the way"),
            ("not-finite", _listed(NOT_FINITE), "infinities and NaN go the way torch sends them"),
            ("subnormal", _listed(SUBNORMAL), "numbers below the normal range: the results may be flushed to 0"),
            ("saturated", _listed(SATURATED), "where the last digits of a result of 1 or 0 go, dtype by dtype"),
            ("many", random((40, 25), 3.0), "a thousand values"),
        ]
        for description, build, note in rows:
            level: Level = "quick" if description in QUICK else "standard"
            yield from cases_of("activation", f"{name}-{description}", {"function": name}, build, note, level=level)

    for name in ("tanh", "relu"):
        yield from cases_of(
            "activation",
            f"{name}-signed-zeros",
            {"function": name},
            lambda _: {"input": np.array(SIGNED_ZEROS), "d_output": np.array([-0.0, -0.0, 0.0, 0.0] * 2)},
            "the sign of zero, in and out: -0 stays -0",
            level="quick" if name == "relu" else "standard",
            signed_zeros=True,
        )

    for name in ("tanh", "sigmoid"):
        yield from cases_of(
            "activation",
            f"{name}-not-finite-upstream",
            {"function": name},
            lambda _: {"input": np.array([0.5, 0.5, -0.5, 1e4, -1e4, 0.3]),
                       "d_output": np.array([np.inf, np.nan, -np.inf, np.inf, -np.inf, 1.0])},
            "an infinite gradient is multiplied by the slope: where that is 0 the product is NaN",
        )  # fmt: skip

    def infinite(rng: np.random.Generator) -> dict[str, Array]:
        upstream = np.array([np.inf, -np.inf, np.nan, np.inf, np.nan, np.inf, -np.inf, np.nan])
        return {"input": np.array([-2.0, -0.5, -1.0, 0.0, 0.0, 1.0, 0.5, 2.0]), "d_output": upstream}

    yield from cases_of(
        "activation",
        "relu-not-finite-upstream",
        {"function": "relu"},
        infinite,
        "where relu is 0 its gradient is exactly 0, even of an infinity: it selects, it does not multiply",
        level="quick",
    )

    def shifted(rng: np.random.Generator) -> dict[str, Array]:
        scores = rng.standard_normal((3, 4))
        scores[1] += 800
        return {"input": scores, "d_output": rng.standard_normal((3, 4))}

    def large(rng: np.random.Generator) -> dict[str, Array]:
        scores = 300 * rng.standard_normal((3, 5))
        scores[1] /= 300  # at probabilities of 0 and 1 the gradient is rounding alone: an ordinary row gives it a size
        return {"input": scores, "d_output": rng.standard_normal((3, 5))}

    softmax_rows: list[tuple[str, dict[str, Any], Build, str]] = [
        ("rows", {"dim": 1}, random((3, 5), 2.0), "probabilities of each row"),
        ("columns", {"dim": 0}, random((3, 5), 2.0), "along the first axis"),
        ("last-axis", {"dim": -1}, random((2, 3, 4), 2.0), "along the last of three axes"),
        ("middle-axis", {"dim": 1}, random((2, 3, 4), 2.0), "along the middle of three axes"),
        ("vector", {"dim": 0}, random((6,), 2.0), "one vector"),
        ("one-class", {"dim": 1}, random((4, 1), 2.0), "one class: probability 1, gradient 0"),
        ("rows-far-apart", {"dim": 1}, shifted, "a row 800 above the others: the maximum has to be each row's own"),
        ("large", {"dim": 1}, large, "scores in the hundreds: no overflow, probabilities of 0 and 1"),
        ("equal", {"dim": 1}, random((3, 5), 0.0), "equal scores: uniform probabilities"),
        ("first-axis", {"dim": 0}, random((2, 3, 4), 2.0), "along the first of three axes"),
        ("third-axis", {"dim": 2}, random((2, 3, 4), 2.0), "along the third axis by its number"),
        ("last-but-one", {"dim": -2}, random((2, 3, 4), 2.0), "axes counted from the end"),
        ("last-but-two", {"dim": -3}, random((2, 3, 4), 2.0), "axes counted from the end"),
        ("four-axes", {"dim": -3}, random((2, 3, 4, 2), 2.0), "axes counted from the end"),
        ("not-finite", {"dim": 1}, _listed_rows, "-inf has probability 0; a row with inf, with NaN or of -inf is NaN"),
        ("not-finite-upstream", {"dim": 1}, _infinite_upstream, "each row is spoilt by its own gradient alone"),
    ]  # fmt: skip
    for description, config, build, note in softmax_rows:
        yield from cases_of(
            "activation", f"softmax-{description}", {"function": "softmax"} | config, build, note, level="quick"
        )
    yield from cases_of(
        "activation",
        "log_softmax-underflow",
        {"function": "log_softmax", "dim": 1},
        lambda rng: {
            "input": rng.standard_normal((3, 4)) + np.array([0.0, 800.0, 20.0, 0.0]),
            "d_output": rng.standard_normal((3, 4)),
        },
        "probabilities below 1e-308 have a logarithm: it must not be taken of softmax",
        level="quick",
    )
    for description, config, build, note in softmax_rows:
        if description not in ("large", "one-class"):  # a gradient that is rounding alone says nothing
            yield from cases_of(
                "activation",
                f"log_softmax-{description}",
                {"function": "log_softmax"} | config,
                build,
                note.replace("probabilities", "logarithms of probabilities"),
                level="quick",
            )

"""tanh, relu, sigmoid and softmax with their derivatives, where they curve, saturate and break."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from conformance.case import Array, Build, Case, Level, cases_of

TINY = [0.0, 1e-30, -1e-30, 1e-20, -1e-20, 1e-10, -1e-10, 1e-5, -1e-5]
LARGE = [5.0, -5.0, 20.0, -20.0, 80.0, -80.0, 300.0, -300.0, 1e4, -1e4, 1e30, -1e30]
NOT_FINITE = [np.inf, -np.inf, np.nan, 1.0, -1.0]


def random(shape: tuple[int, ...], scale: float) -> Build:
    """Gaussian input of a standard deviation, and upstream gradients."""
    return lambda rng: {"input": scale * rng.standard_normal(shape), "d_output": rng.standard_normal(shape)}


def _listed(values: list[float]) -> Build:
    return lambda rng: {"input": np.array(values), "d_output": rng.standard_normal(len(values))}


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
            ("many", random((40, 25), 3.0), "a thousand values"),
        ]
        for description, build, note in rows:
            level: Level = "standard" if description in ("many", "three-axes") else "quick"
            yield from cases_of("activation", f"{name}-{description}", {"function": name}, build, note, level=level)

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
        if description in ("rows", "columns", "middle-axis", "vector", "rows-far-apart"):
            yield from cases_of(
                "activation",
                f"log_softmax-{description}",
                {"function": "log_softmax"} | config,
                build,
                note.replace("probabilities", "logarithms of probabilities"),
                level="quick",
            )

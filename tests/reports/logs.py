"""A log made by hand, with every kind of verdict, whose numbers the reports' tests know."""

from __future__ import annotations

from typing import Any

from conformance import log
from conformance.compare import Check
from conformance.log import Log

DOCUMENTED = "documented/rnn/three-step/float64"
RNN = "core/rnn/tanh-1-layer/float64"
RELU = "core/rnn/relu-2-layer/float32"
ADAM = "core/optimizer/Adam-eps/float64"
SGD = "core/optimizer/SGD-lr/float64"
LINEAR = "core/linear/batch/float64"

PRINTED = [[[0.79494228, 0.81839002]]]
ACTUAL = [[[0.794942279042, 0.818390023938]]]
EXPECTED = [[[0.794942279043, 0.818390023939]]]


def check(case: str, array: str | None, verdict: Any, **details: Any) -> Check:
    suite, family, _, dtype = case.split("/")
    return Check(case, family, suite, dtype, array, verdict, **details)


def _measured(case: str, array: str, verdict: Any, ratio: float, actual: float, expected: float, **more: Any) -> Check:
    return check(
        case,
        array,
        verdict,
        **{"tolerance": 1e-15, "error": ratio * 1e-15, "ratio": ratio, "unit": "sigma", "place": f"at {ratio}"} | more,
        actual_expected=ratio,
        actual_arbiter=actual,
        expected_arbiter=expected,
    )


CHECKS: list[Check] = [
    _measured(DOCUMENTED, "h_n", "agrees", 0.125, 1.0, 2.0, values={"actual": ACTUAL, "expected": EXPECTED}),
    check(
        DOCUMENTED,
        "h_n (printed)",
        "diverges",
        tolerance=5e-9,
        error=6e-9,
        ratio=1.2,
        place="unit 1",
        reason="differs from the printed figures",
        values={"actual": ACTUAL, "printed": PRINTED},
    ),
    _measured(RNN, "output", "agrees", 0.5, 1.0, 3.0),
    _measured(RNN, "grad.weight_hh_l0", "diverges", 1234.5678, 5.0, 2.0, place="layer 0, forward, unit 1, from unit 0"),
    check(RNN, "grad.h_0", "skipped", reason="not given by the implementation"),
    _measured(RELU, "output", "agrees", 0.25, 2.0, 2.0),
    _measured(RELU, "h_n", "skipped", 0.75, 4.0, 1.0, reason="inadmissible: chaotic"),
    check(RELU, "grad.input", "diverges", reason="shape (2, 3), expected (3, 2)"),
    _measured(ADAM, "step1.param.weight", "agrees", 0.375, 1.0, 1.5),
    check(SGD, None, "errored", reason="ZeroDivisionError: division by zero (my_rnn.py, line 7) | not a column"),
    check(LINEAR, None, "skipped", reason="not implemented: no function named linear"),
]

_RNN_OPTIONS = {"num_layers": 1, "nonlinearity": "tanh", "bias": True, "batch_first": False, "bidirectional": False}

CONFIGS: dict[str, dict[str, Any]] = {
    DOCUMENTED: _RNN_OPTIONS | {"batch_first": True},
    RNN: _RNN_OPTIONS,
    RELU: _RNN_OPTIONS | {"nonlinearity": "relu", "num_layers": 2},
    ADAM: {"algorithm": "Adam"},
    SGD: {"algorithm": "SGD"},
    LINEAR: {"in_features": 4},
}


def made_log(checks: list[Check] | None = None, **header: Any) -> Log:
    checks = CHECKS if checks is None else checks
    made: dict[str, Any] = {
        "type": "header",
        "schema": 1,
        "started": "2024-02-29T12:00:00+00:00",
        "command": ["conformance", "run", "my_rnn.py"],
        "implementation": {"name": "my_rnn.py", "precision": None},
        "versions": {"python": "3.11.7", "numpy": "2.1.0", "torch": "2.13.0+cpu", "suite": "0.1.0"},
        "torch_pinned": "2.13.0",
        "torch_is_pinned": True,
        "platform": "Linux",
        "processor": {"machine": "x86_64", "features": ["AVX2", "FMA3"]},
        "blas": [{"internal_api": "openblas", "version": "0.3", "architecture": "Haswell", "num_threads": 1}],
        "threads_per_process": 1,
        "longdouble_bits": 64,
        "cases": {case: {"config": config, "note": "a note", "level": "quick"} for case, config in CONFIGS.items()},
    }
    return Log(made | header, checks, log.footer(checks, seconds=12.345, torch_seconds=2.5))

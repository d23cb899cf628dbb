"""The documented 3-step example: small arrays whose last state is known in print to eight digits.

The printed value belongs to the weights below; the layer is loaded with them on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from conformance.case import Array, Build, Case, cases_of
from conformance.cases.networks import config_of

X = np.array([[[1, 2], [2, 3], [3, 4]]]) / 100
W_X = np.array([[1, 3, 5, 7], [3, 5, 7, 8]]) / 100
W_H = np.array([[1, 3, 5, 7], [2, 4, 6, 8], [3, 5, 7, 8], [4, 6, 8, 10]]) / 100
BIAS = np.ones(4)

LAST_STATE = np.array([[0.79494228, 0.81839002, 0.83939649, 0.85584174]])
"""as printed, (batch 1, units 4)"""

LEARNING_RATE = 0.01
STEPS = 3


def cases() -> Iterator[Case]:
    config = config_of("rnn", 2, 4, batch_first=True)
    parameters = {
        "weight_ih_l0": W_X.T,
        "weight_hh_l0": W_H.T,
        "bias_ih_l0": BIAS,
        "bias_hh_l0": np.zeros(4),
    }
    every_step = {"d_output": np.ones((1, 3, 4))}
    last_step = {"d_h_n": np.ones((1, 1, 4))}
    rows = [
        ("three-step", every_step, "the documented example; upstream gradient of ones on every step"),
        ("three-step-last", last_step, "the documented example; upstream gradient of ones on the last step only"),
    ]
    for name, upstream, note in rows:
        yield from cases_of(
            "rnn",
            name,
            config,
            _given({"input": X, "h_0": np.zeros((1, 1, 4)), **parameters, **upstream}),
            note,
            suite="documented",
            level="quick",
            printed={"h_n": LAST_STATE[None]},
        )
    layers = [
        ("three-step", "SimpleRNN", np.ones((1, 3, 4)), {}),
        ("three-step-last", "SimpleRNN2", np.ones((1, 4)), {"step1.output": LAST_STATE}),
    ]
    for name, layer, upstream_ones, printed in layers:
        yield from cases_of(
            "notebook",
            name,
            {
                "layers": [{"class": layer, "arguments": {"n_features": 2, "n_nodes": 4, "activation": "Tanh"}}],
                "optimizer": {"class": "SGDrnn", "arguments": {"lr": LEARNING_RATE}},
            },
            _given(_training(upstream_ones)),
            f"the documented example as a {layer} layer: three SGD steps with an upstream gradient of ones",
            suite="documented",
            level="quick",
            printed=printed,
        )


def _given(arrays: dict[str, Array]) -> Build:
    return lambda _: arrays


def _training(d_output: Array) -> dict[str, Array]:
    arrays = {"param.0.weight_ih_l0": W_X.T, "param.0.weight_hh_l0": W_H.T, "param.0.bias_ih_l0": BIAS}
    for k in range(1, STEPS + 1):
        arrays |= {f"step{k}.input": X, f"step{k}.d_output": d_output}
    return arrays

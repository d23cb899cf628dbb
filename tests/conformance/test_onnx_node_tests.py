"""The comparison with the ONNX node tests: how they run on the reference, and what they let pass."""

from __future__ import annotations

import sys
from collections import Counter
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance import onnx_node_tests
from conformance.case import Array
from conformance.divergences import applied, by_id, catalogue
from conformance.kill import Kill
from conformance.onnx_node_tests import BIAS_CORRECTED, Measured, NodeTest, NotApplicableError, OnnxMissingError
from reports.kill_matrix import comparison

needs_onnx = pytest.mark.skipif(find_spec("onnx") is None, reason="onnx is not installed: pip install -e '.[onnx]'")


@cache
def measured() -> Measured:
    return onnx_node_tests.measure()


def failures() -> list[str]:
    return [test.name for test in measured().applicable if not test.passes()]


def test_without_onnx_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_node_tests, "_node_tests", onnx_node_tests._node_tests.__wrapped__)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(OnnxMissingError, match=r"pip install -e '\.\[onnx\]'"):
        onnx_node_tests.node_tests()


# ------------------------------------------------------------------------------------------------- the node tests


@needs_onnx
def test_every_node_test_of_an_operator_that_the_reference_has_is_applicable_and_passes() -> None:
    applicable = Counter(test.op for test in measured().applicable)
    assert {op: applicable[op] for op in ("RNN", "Momentum", "Adagrad", "Adam")} == {
        op: sum(test.op == op for test in measured().tests) for op in ("RNN", "Momentum", "Adagrad", "Adam")
    }
    assert min(applicable.values()) >= 2
    assert failures() == []


@needs_onnx
def test_tests_of_what_torch_does_not_compute_are_listed_with_the_reason() -> None:
    reasons = {test.name: test.not_applicable for test in measured().tests if test.not_applicable}
    assert reasons.pop("test_lstm_with_peepholes") == "torch has no LSTM with peepholes"
    assert {test.op for test in measured().tests if test.name in reasons} == {"GRU"}
    assert set(reasons.values()) == {"ONNX multiplies by the reset gate before the product, torch after it"}


@needs_onnx
def test_the_tolerance_is_onnx_own_default() -> None:
    assert {(test.rtol, test.atol) for test in measured().tests} == {(1e-3, 1e-7)}


def node_test(
    op: str, inputs: tuple[Array | None, ...], expected: tuple[Array, ...] = (), **attributes: Any
) -> NodeTest:
    return NodeTest("random", op, attributes, inputs, expected, rtol=1e-6, atol=1e-6)


@needs_onnx
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("layout", [0, 1])
def test_an_rnn_node_means_what_it_means_to_onnx(direction: str, layout: int) -> None:
    # ONNX' own tests hold weights of one value: with those a wrong order of axes would not show
    from onnx.backend.test.case.node.rnn import RNNHelper

    rng = np.random.default_rng(5)
    directions, steps, batch, inputs, hidden = (2 if direction == "bidirectional" else 1), 4, 3, 2, 5
    shapes = {
        "X": (steps, batch, inputs),
        "W": (directions, hidden, inputs),
        "R": (directions, hidden, hidden),
        "B": (directions, 2 * hidden),
        "initial_h": (directions, batch, hidden),
    }
    arrays = {name: rng.standard_normal(shape) / 2 for name, shape in shapes.items()}
    if layout:
        arrays |= {name: arrays[name].swapaxes(0, 1) for name in ("X", "initial_h")}
    expected = RNNHelper(**arrays, direction=direction, layout=layout).step()
    x, w, r, b, initial_h = arrays.values()
    test = node_test(
        "RNN", (x, w, r, b, None, initial_h), expected, direction=direction, layout=layout, activations=["Tanh", "Tanh"]
    )
    assert test.passes()
    for name in ("initial-state-ignored", "weight-hh-transposed", "recurrent-bias-ignored"):
        with applied([by_id()[name]]):
            assert not test.passes()


@needs_onnx
@pytest.mark.parametrize(("op", "gates"), [("LSTM", 4), ("GRU", 3)])
@pytest.mark.parametrize("layout", [0, 1])
def test_an_lstm_and_a_gru_node_mean_what_they_mean_to_onnx(op: str, gates: int, layout: int) -> None:
    from onnx.backend.test.case.node.gru import GRUHelper
    from onnx.backend.test.case.node.lstm import LSTMHelper

    rng = np.random.default_rng(5)
    steps, batch, inputs, hidden = 4, 3, 2, 5
    shapes = {
        "X": (steps, batch, inputs),
        "W": (1, gates * hidden, inputs),
        "R": (1, gates * hidden, hidden),
        "B": (1, 2 * gates * hidden),
        "initial_h": (1, batch, hidden),
    }
    arrays = {name: rng.standard_normal(shape) / 2 for name, shape in shapes.items()}
    if layout:
        arrays |= {name: arrays[name].swapaxes(0, 1) for name in ("X", "initial_h")}
    options: dict[str, Any] = {"direction": "forward", "layout": layout}
    if op == "GRU":
        options["linear_before_reset"] = 1
    helper: Any = {"LSTM": LSTMHelper, "GRU": GRUHelper}[op]
    expected = helper(**arrays, **options).step()
    x, w, r, b, initial_h = arrays.values()
    activations = ["Sigmoid", "Tanh", "Tanh"][: gates - 1]
    test = node_test(op, (x, w, r, b, None, initial_h), tuple(expected[:2]), activations=activations, **options)
    assert test.passes()
    wrong = {"LSTM": "lstm-gates-in-order-ifog", "GRU": "gru-gates-in-order-zrn"}[op]
    with applied([by_id()[wrong]]):
        assert not test.passes()


ONE = np.ones(1)


@pytest.mark.parametrize(
    ("test", "reason"),
    [
        (node_test("Conv", ()), "no Conv"),
        (node_test("RNN", (ONE, ONE, ONE), clip=1.0), "no clip"),
        (node_test("RNN", (ONE, ONE, ONE, None, ONE)), "ignores sequence_lens"),
        (node_test("LSTM", (ONE, ONE, ONE), input_forget=1), "coupled"),
        (
            node_test("LSTM", (ONE, ONE, ONE), direction="forward", activations=["Sigmoid", "Tanh", "Relu"]),
            "no LSTM with relu",
        ),
        (node_test("RNN", (ONE, ONE, ONE), layout=0, direction="forward", activations=["Softsign"]), "softsign"),
        (node_test("Momentum", (ONE[0], ONE[0]), mode="nesterov", beta=0.9), "Nesterov"),
        (node_test("Adam", (ONE[0], ONE[0])), "before bias correction"),
        (node_test("Adam", (ONE[0], 0 * ONE[0]), norm_coefficient_post=0.1), "decays the new parameter"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_torch_does_not_compute_is_not_applicable(test: NodeTest, reason: str) -> None:
    with pytest.raises(NotApplicableError, match=reason):
        test.run()


def test_after_that_many_steps_adam_corrects_no_bias() -> None:
    assert np.float32(BIAS_CORRECTED) == BIAS_CORRECTED
    assert 1 - 0.9999**BIAS_CORRECTED == 1


def test_the_later_steps_of_momentum_are_dampened() -> None:
    rate, count = np.array(0.5), np.array(1)
    x, g, v = np.array([1.0]), np.array([2.0]), np.array([4.0])
    test = node_test("Momentum", (rate, count, x, g, v), mode="standard", alpha=0.5, beta=0.25, norm_coefficient=1.0)
    assert [array.tolist() for array in test.run()] == [[1 - 0.5 * 2.75], [2.75]]


@pytest.mark.parametrize(
    ("wanted", "verdict"),
    [
        (np.array([1.0, np.nan]), True),
        (np.array([1.0 + 1e-5, np.nan]), False),
        (np.array([1.0, 1.0]), False),
        (np.array([[1.0, np.nan]]), False),
        (np.array([1.0, np.nan], np.float32), False),
        (None, True),
    ],
)
def test_shape_dtype_and_values_have_to_agree(
    monkeypatch: pytest.MonkeyPatch, wanted: Array | None, verdict: bool
) -> None:
    monkeypatch.setitem(onnx_node_tests.OPERATORS, "Any", lambda _: (np.array([1.0, np.nan]), np.zeros(1)))
    test = NodeTest("any", "Any", {}, (), (wanted,), rtol=1e-6, atol=0)
    assert test.passes() is verdict


# ----------------------------------------------------------------------------------------------- what they catch


@needs_onnx
@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("bias-left-out", "test_simple_rnn_with_initial_bias"),
        ("directions-swapped", "test_simple_rnn_bidirectional"),
        ("reverse-is-forward", "test_simple_rnn_reverse"),
        ("sgd-momentum-ignored", "test_momentum"),
        ("sgd-nesterov-ignored", "test_nesterov_momentum"),
        ("adagrad-root-missing", "test_adagrad"),
        ("adam-betas-swapped", "test_adam"),
    ],
)
def test_a_gross_divergence_is_caught(name: str, by: str) -> None:
    assert by in measured().caught[name]


@needs_onnx
@pytest.mark.parametrize(
    "name",
    [
        "weight-hh-transposed",
        "recurrent-bias-ignored",
        "recurrent-bias-doubled",
        "initial-state-ignored",
        "reverse-output-not-flipped-back",
        "directions-concatenated-in-reverse-order",
        "nonlinearity-always-tanh",
        "adagrad-rate-decay-ignored",
        "adagrad-epsilon-inside-root",
        "adam-epsilon-hat",
        "adam-without-bias-correction",
    ],
)
def test_wrong_and_yet_every_onnx_test_passes(name: str) -> None:
    assert name in set(measured().reached) - set(measured().caught)
    with applied([by_id()[name]]):
        assert failures() == []


@needs_onnx
def test_nothing_of_the_backward_pass_is_reached() -> None:
    assert not {"hh-gradient-uses-current-state", "derivative-missing", "truncated-after-1"} & set(measured().reached)


@needs_onnx
def test_the_counts_fit_together() -> None:
    found = measured()
    assert set(found.divergences) == {known.id for known in catalogue() if not known.equivalent}
    assert set(found.caught) <= set(found.reached) < set(found.divergences)
    assert {name for names in found.caught.values() for name in names} <= {test.name for test in found.applicable}


@needs_onnx
def test_onnx_tests_cannot_tell_an_equivalent_divergence_either() -> None:
    for known in catalogue():
        if known.equivalent:
            with applied([known]):
                assert failures() == []


@needs_onnx
def test_a_reference_that_fails_by_itself_is_not_measured() -> None:
    with applied([by_id()["sgd-momentum-ignored"]]), pytest.raises(RuntimeError, match="test_momentum"):
        onnx_node_tests.measure([])


@needs_onnx
def test_the_readme_has_these_figures() -> None:
    """With every divergence caught by a case, as its line above says."""
    readme = Path(__file__).parents[2].joinpath("README.md").read_text(encoding="utf-8")
    everything = [Kill(name, "", "value") for name in measured().divergences]
    assert comparison(measured(), everything) in readme

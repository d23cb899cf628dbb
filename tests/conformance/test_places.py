from __future__ import annotations

import numpy as np
import pytest

from conformance import places
from tests.conformance.fakes import NOTEBOOK, OPTIMIZER, TRAINING, case_of, committed_judge, one_wrong, run_torch

BIDIRECTIONAL = "core/rnn/tanh-2-layer-bidirectional/float64"
BATCH_FIRST = "core/rnn/tanh-2-layer-bidirectional-batch_first/float64"
FORWARD = "core/rnn/tanh-2-layer/float64"

Index = tuple[int, ...]


def _sizes(case_id: str) -> tuple[int, int, int]:
    """Steps, batch, hidden size: they differ from case to case."""
    case = case_of(case_id)
    lead = case["input"].shape[:2]
    steps, batch = lead[::-1] if case.config["batch_first"] else lead
    return steps, batch, case.config["hidden_size"]


def _place(case_id: str, name: str, wrong: list[Index]) -> str | None:
    """Where the judge sees the first of several wrong elements."""
    judge = committed_judge(case_id)
    array = judge.expected[name].copy()
    for index in wrong:
        array[index] += 1 + abs(array[index])
    check = one_wrong(judge, name, array)
    assert check.verdict == "diverges"
    return check.place


T, B, H = _sizes(BIDIRECTIONAL)
BATCH_FIRST_T, BATCH_FIRST_B, BATCH_FIRST_H = _sizes(BATCH_FIRST)
FORWARD_T, FORWARD_B, FORWARD_H = _sizes(FORWARD)
LAST = BATCH_FIRST_T - 1


@pytest.mark.parametrize(
    ("case_id", "name", "wrong", "place"),
    [
        # forward: the earliest step first, whatever comes first in memory
        (FORWARD, "output", [(1, 1, 0), (FORWARD_T - 1, 0, 0)], "layer 1, forward, step 1, batch 1, unit 0"),
        (BATCH_FIRST, "output", [(0, 1, 1), (1, 0, 0)], "layer 1, forward, step 0, batch 1, unit 0"),
        # reverse: the last step is computed first
        (BIDIRECTIONAL, "output", [(0, 0, H), (1, 1, H + 1)], "layer 1, reverse, step 1, batch 1, unit 1"),
        (BATCH_FIRST, "output", [(0, 0, BATCH_FIRST_H), (1, LAST, BATCH_FIRST_H)],
         f"layer 1, reverse, step {LAST}, batch 1, unit 0"),
        # both directions: the one that is nearer to its own start
        (BIDIRECTIONAL, "output", [(1, 0, 0), (T - 1, 0, H)], f"layer 1, reverse, step {T - 1}, batch 0, unit 0"),
        (BIDIRECTIONAL, "output", [(0, 1, 1), (T - 2, 0, H)], "layer 1, forward, step 0, batch 1, unit 1"),
        # backward: the last step first
        (FORWARD, "grad.input", [(0, 0, 0), (2, 1, 1)], "step 2, batch 1, input 1"),
        (BATCH_FIRST, "grad.input", [(0, 0, 0), (1, LAST, 1)], f"step {LAST}, batch 1, input 1"),
        # states and parameters have no order in time; layer and direction follow from the index or the name
        (BIDIRECTIONAL, "h_n", [(3, 1, 1)], "layer 1, reverse, batch 1, unit 1"),
        (BIDIRECTIONAL, "h_n", [(1, 0, 0), (2, 0, 0)], "layer 0, reverse, batch 0, unit 0"),
        (FORWARD, "h_n", [(1, 0, 1)], "layer 1, forward, batch 0, unit 1"),
        (BIDIRECTIONAL, "grad.h_0", [(2, 1, 0)], "layer 1, forward, batch 1, unit 0"),
        (BIDIRECTIONAL, "grad.weight_ih_l1_reverse", [(1, 2)], "layer 1, reverse, unit 1, input 2"),
        (BIDIRECTIONAL, "grad.weight_hh_l0", [(0, 1)], "layer 0, forward, unit 0, from unit 1"),
        (BIDIRECTIONAL, "grad.bias_hh_l1", [(1,)], "layer 1, forward, unit 1"),
        (OPTIMIZER, "step3.state.weight.exp_avg_sq", [(1, 2)], "step 3, exp_avg_sq of weight, at (1, 2)"),
        (OPTIMIZER, "step10.param.bias", [(3,)], "step 10, param bias, at (3,)"),
        (TRAINING, "step2.grad.rnn.weight_hh_l0", [(2, 1)], "step 2, grad rnn.weight_hh_l0, at (2, 1)"),
        (TRAINING, "step2.state.rnn.weight_hh_l0.exp_avg", [(2, 1)], "step 2, exp_avg of rnn.weight_hh_l0, at (2, 1)"),
        (TRAINING, "step2.loss", [()], "step 2, loss"),
        (NOTEBOOK, "step1.param.0.weight_hh_l0", [(2, 1)], "step 1, param 0.weight_hh_l0, at (2, 1)"),
        ("core/loss/cross_entropy-indices-mean/float64", "output", [()], "the number itself"),
        ("core/linear/batch/float64", "grad.weight", [(1, 2)], "at (1, 2)"),
    ],
)  # fmt: skip
def test_the_place_is_the_first_wrong_one_in_the_order_of_computation(
    case_id: str, name: str, wrong: list[Index], place: str
) -> None:
    assert _place(case_id, name, wrong) == place


@pytest.mark.parametrize(
    ("name", "index", "place"),
    [
        ("output", (2, 1), "layer 1, forward, step 2, unit 1"),
        ("grad.input", (2, 1), "step 2, input 1"),
        ("h_n", (1, 2), "layer 1, forward, unit 2"),
    ],
)
def test_a_single_sequence_has_no_batch(name: str, index: Index, place: str) -> None:
    assert places.describe(case_of(FORWARD), name, index) == place


def test_without_a_batch_axis_batch_first_changes_nothing() -> None:
    case = case_of(BATCH_FIRST)
    assert places.describe(case, "grad.input", (2, 1)) == "step 2, input 1"
    wrong = np.zeros((4, 3), bool)
    wrong[0, 0] = wrong[2, 1] = True
    assert places.first(case, "grad.input", wrong) == (2, 1)


LSTM = "core/lstm/2-layer-proj_size-bidirectional/float64"
LSTM_CELL = "core/lstm_cell/plain/float64"
PACKED = "core/gru_packed/2-layer-bidirectional-batch_first/float64"


@pytest.mark.parametrize(
    ("case_id", "name", "index", "place"),
    [
        (LSTM, "c_n", (3, 1, 1), "layer 1, reverse, batch 1, unit 1"),
        (LSTM, "grad.c_0", (2, 0, 1), "layer 1, forward, batch 0, unit 1"),
        # two projected units in each direction
        (LSTM, "output", (1, 0, 1), "layer 1, forward, step 1, batch 0, unit 1"),
        (LSTM, "output", (1, 0, 2), "layer 1, reverse, step 1, batch 0, unit 0"),
        (LSTM, "grad.weight_hr_l1", (1, 2), "layer 1, forward, projected unit 1, from unit 2"),
        ("core/lstm/small/float64", "grad.weight_ih_l0", (2, 1), "layer 0, forward, gate f, unit 0, input 1"),
        ("core/lstm/small/float64", "grad.bias_hh_l0", (7,), "layer 0, forward, gate o, unit 1"),
        ("core/gru/small/float64", "grad.weight_hh_l0", (5, 0), "layer 0, forward, gate n, unit 1, from unit 0"),
        (PACKED, "output", (2, 1, 0), "layer 1, forward, step 1, batch 2, unit 0"),
        (PACKED, "grad.input", (2, 1, 0), "step 1, batch 2, input 0"),
        # a cell's steps are counted as the names of its arrays are
        ("core/rnn_cell/tanh/float64", "step2.h", (1, 0), "step 2, batch 1, unit 0"),
        ("core/rnn_cell/tanh-unbatched/float64", "step2.h", (1,), "step 2, unit 1"),
        ("core/rnn_cell/tanh/float64", "grad.input", (0, 1, 1), "step 1, batch 1, input 1"),
        ("core/rnn_cell/tanh-unbatched/float64", "grad.input", (1, 1), "step 2, input 1"),
        ("core/rnn_cell/tanh/float64", "grad.hx", (1, 1), "batch 1, unit 1"),
        ("core/rnn_cell/tanh/float64", "grad.weight_hh", (1, 0), "unit 1, from unit 0"),
        (LSTM_CELL, "step1.c", (0, 1), "step 1, batch 0, unit 1"),
    ],
)
def test_places_in_gated_networks_and_cells(case_id: str, name: str, index: Index, place: str) -> None:
    assert places.describe(case_of(case_id), name, index) == place


def test_a_gate_is_named_by_its_block_of_rows() -> None:
    case = case_of(LSTM_CELL)
    hidden = case.config["hidden_size"]
    for gate, letter in enumerate("ifgo"):
        assert places.describe(case, "grad.bias_ih", (gate * hidden + 1,)) == f"gate {letter}, unit 1"


def test_gradients_of_a_cells_inputs_begin_at_the_last_step() -> None:
    wrong = np.zeros(run_torch(case_of(LSTM_CELL))["grad.input"].shape, bool)
    wrong[0, 0, 0] = wrong[1, 1, 1] = True
    assert places.first(case_of(LSTM_CELL), "grad.input", wrong) == (1, 1, 1)

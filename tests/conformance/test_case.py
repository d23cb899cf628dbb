from __future__ import annotations

import pickle

import numpy as np
import pytest

from conformance.case import DTYPES, Case, cases_of
from tests.conformance.fakes import RNN, case_of


def _cases(description: str = "some") -> list[Case]:
    def build(rng: np.random.Generator) -> dict[str, np.ndarray]:
        return {
            "param.weight": rng.standard_normal((2, 3)),
            "target": rng.integers(0, 5, 4),
            "step2.lr": np.asarray(0.1),
            "step10.grad.weight": rng.standard_normal((2, 3)),
        }

    config = {"function": "f"}
    return list(cases_of("optimizer", description, config, build, "a note", printed={"output": np.ones(1)}))


def test_there_is_one_case_per_dtype_with_the_same_numbers_up_to_rounding() -> None:
    wide, narrow = _cases()
    assert [case.id for case in (wide, narrow)] == [f"core/optimizer/some/{dtype}" for dtype in DTYPES]
    assert narrow["param.weight"].dtype == np.float32
    np.testing.assert_array_equal(narrow["param.weight"], wide["param.weight"].astype(np.float32))
    assert np.any(narrow["param.weight"] != wide["param.weight"])


def test_integers_and_learning_rates_keep_their_dtype() -> None:
    narrow = _cases()[1]
    assert narrow["target"].dtype == np.int64
    # torch takes a rate as a Python float: rounded to float32 it would be another rate
    assert narrow["step2.lr"] == 0.1


def test_printed_figures_go_with_float64_only() -> None:
    assert [list(case.printed) for case in _cases()] == [["output"], []]


def test_arrays_follow_from_the_id_alone() -> None:
    again, other = _cases()[0], _cases("other")[0]
    np.testing.assert_array_equal(_cases()[0]["param.weight"], again["param.weight"])
    assert np.all(other["param.weight"] != again["param.weight"])


def test_what_a_case_hands_out_is_a_copy() -> None:
    case = case_of(RNN)
    before = case["input"].copy()
    case["input"][...] = 0
    case.get("input")[...] = 0  # type: ignore[index]
    dict(case.items())["input"][...] = 0
    case.params("in")["put"][...] = 0
    np.testing.assert_array_equal(case["input"], before)


def test_it_is_a_read_only_mapping() -> None:
    case = case_of(RNN)
    assert len(case) == len(list(case)) == len(case.arrays)
    assert "input" in case
    assert "target" not in case
    assert case.get("target") is None
    with pytest.raises(TypeError):
        case["input"] = np.zeros(1)  # type: ignore[index]
    with pytest.raises(AttributeError):
        case.note = "another"  # type: ignore[misc]


def test_an_array_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(KeyError, match=r"some/float64 has no array 'inputs'; it has param\.weight, target, "):
        _cases()[0]["inputs"]


def test_steps_are_counted_as_numbers() -> None:
    assert _cases()[0].steps == 10
    assert case_of(RNN).steps == 0


def test_params_are_named_without_their_prefix() -> None:
    case = _cases()[0]
    assert list(case.params()) == ["weight"]
    np.testing.assert_array_equal(case.params("step10.grad.")["weight"], case["step10.grad.weight"])
    assert case.params("step1.grad.") == {}  # step1. is no prefix of step10.


def test_widening_changes_no_value_and_leaves_the_original_alone() -> None:
    narrow = _cases()[1]
    wide = narrow.astype(np.dtype(np.float64))
    assert [str(wide.dtype), str(wide["param.weight"].dtype), str(wide["target"].dtype)] == [
        "float64",
        "float64",
        "int64",
    ]
    np.testing.assert_array_equal(wide["param.weight"], narrow["param.weight"])
    assert narrow.dtype == narrow["param.weight"].dtype == np.float32


def test_with_arrays_changes_floats_only() -> None:
    case = _cases()[0]
    changed = case.with_arrays(lambda array: array + 1)
    np.testing.assert_array_equal(changed["param.weight"], case["param.weight"] + 1)
    np.testing.assert_array_equal(changed["target"], case["target"])


def test_a_case_reaches_another_process_unchanged() -> None:
    case = case_of(RNN)
    there = pickle.loads(pickle.dumps(case))
    assert (there.id, there.config, list(there)) == (case.id, case.config, list(case))
    assert all(np.array_equal(there[name], case[name]) for name in case)

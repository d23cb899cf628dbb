from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from conformance import cache
from conformance.case import Case
from conformance.tolerance import Precision, Simulation
from tests.conformance.fakes import RNN, case_of, changed

FLOAT64, FLOAT32 = (Precision.of(np.dtype(name)) for name in ("float64", "float32"))
RESULT = Simulation({"output": np.array([1e-17, 2.5]), "step1.loss": np.array(3.0)}, "a reason")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(cache.ENVIRONMENT_VARIABLE, str(tmp_path / "cache"))
    where = cache.folder()
    assert where is not None
    return where


class Counting:
    """Something to compute, and how often it was."""

    def __init__(self, result: Simulation = RESULT) -> None:
        self.result, self.calls = result, 0

    def __call__(self) -> Simulation:
        self.calls += 1
        return self.result


def _same(one: Simulation, other: Simulation) -> bool:
    arrays = all(np.array_equal(one.sigma[name], other.sigma[name]) for name in other.sigma)
    return list(one.sigma) == list(other.sigma) and one.inadmissible == other.inadmissible and arrays


@pytest.mark.parametrize("inadmissible", ["a reason", None])
def test_what_was_computed_once_is_read_the_second_time(inadmissible: str | None) -> None:
    compute = Counting(dataclasses.replace(RESULT, inadmissible=inadmissible))
    first, second = (cache.simulation(case_of(RNN), FLOAT64, compute) for _ in range(2))
    assert compute.calls == 1
    assert _same(first, compute.result)
    assert _same(second, compute.result)


def _other_array(case: Case) -> Case:
    return changed(case, {"input": case["input"] + 1e-15})


@pytest.mark.parametrize(
    "change",
    [
        _other_array,
        lambda case: dataclasses.replace(case, config=case.config | {"nonlinearity": "relu"}),
        lambda case: dataclasses.replace(case, description="another"),
        lambda case: case.astype(np.dtype(np.float32)),
        lambda case: dataclasses.replace(case, arrays={f"{name}x": case[name] for name in case}),
    ],
)
def test_another_case_is_another_entry(change: Callable[[Case], Case]) -> None:
    compute = Counting()
    case = case_of(RNN)
    cache.simulation(case, FLOAT64, compute)
    cache.simulation(change(case), FLOAT64, compute)
    assert compute.calls == 2


def test_another_precision_is_another_entry() -> None:
    compute = Counting()
    for precision in (FLOAT64, FLOAT32):
        cache.simulation(case_of(RNN), precision, compute)
    assert compute.calls == 2


def test_other_sources_use_another_folder(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(cache, "_sources", lambda: "f" * 64)
    assert cache.folder() == folder.parent / ("f" * 16)
    assert folder.name != "f" * 16


def test_the_hash_of_the_sources_is_over_all_that_a_simulation_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    read: set[str] = set()
    original = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        read.add("/".join(path.parts[-2:]))
        return original(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    cache._sources.__wrapped__()
    assert {
        *(
            "reference/rnn.py",
            "optim/adam.py",
            "reference/notebook.py",
            "adapters/reference.py",
            "adapters/reference_optimizers.py",
        ),
        *("conformance/noise.py", "conformance/tolerance.py", "conformance/case.py"),
    } <= read
    assert not [name for name in read if "pytorch" in name or "compare" in name]  # verdicts are not cached


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"not an archive",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-10],
        lambda data: data.replace(b"NUMPY", b"XXXXX"),
        lambda data: data.replace(b"inadmissible", b"inadmissibly"),
        lambda data: data.replace(b"'<f8'", b"'<f7'"),
    ],
)
def test_a_damaged_file_is_computed_again_and_replaced(damage: Callable[[bytes], bytes], folder: Path) -> None:
    compute = Counting()
    cache.simulation(case_of(RNN), FLOAT64, compute)
    (path,) = folder.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert _same(cache.simulation(case_of(RNN), FLOAT64, compute), RESULT)
    assert _same(cache.simulation(case_of(RNN), FLOAT64, compute), RESULT)
    assert compute.calls == 2


def test_set_to_nothing_there_is_no_cache(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv(cache.ENVIRONMENT_VARIABLE, "")
    compute = Counting()
    for _ in range(2):
        cache.simulation(case_of(RNN), FLOAT64, compute)
    assert (cache.folder(), compute.calls) == (None, 2)
    assert not folder.exists()


def test_a_disk_that_cannot_be_written_costs_time_only(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    for target, name in ((np, "savez"), (os, "replace")):
        with monkeypatch.context() as patch:
            patch.setattr(target, name, full)
            assert _same(cache.simulation(case_of(RNN), FLOAT64, Counting()), RESULT)
        assert list(folder.iterdir()) == []


def test_a_folder_that_is_a_file_costs_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(cache.ENVIRONMENT_VARIABLE, str(tmp_path / "file"))
    assert _same(cache.simulation(case_of(RNN), FLOAT64, Counting()), RESULT)
    assert (tmp_path / "file").read_text() == "in the way"

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reference
from conformance.case import FAMILIES
from conformance.implementation import Implementation, ImplementationError, load
from conformance.trace import NotATraceError
from tests.conformance.fakes import LINEAR, RNN, case_of
from tests.conformance.files import write

pytestmark = pytest.mark.usefixtures("clean_imports")

SMALL = "core/rnn/small/float64"


def test_the_reference_has_a_function_per_family_and_claims_to_be_complete() -> None:
    numpy = load("numpy")
    assert (numpy.name, numpy.complete, numpy.precision, numpy.path) == ("numpy", True, None, None)
    assert set(numpy.functions) == set(FAMILIES)


def test_a_file_gives_the_functions_named_after_families_and_nothing_else(tmp_path: Path) -> None:
    text = "def rnn(case):\n    return {}\ndef helper(case):\n    return {}\nloss = 3\n"
    loaded = load(write(tmp_path / "mine.py", text))
    assert (loaded.name, set(loaded.functions), loaded.complete, loaded.precision) == ("mine.py", {"rnn"}, False, None)


def test_what_a_function_does_to_its_case_reaches_nobody(tmp_path: Path) -> None:
    text = """
    def rnn(case):
        case["input"][...] = 0
        case.arrays["input"][...] = 0
        case.arrays.pop("h_0")
        case.config["nonlinearity"] = "relu"
        case.config.pop("bias")
        return {}
    """
    loaded = load(write(tmp_path / "greedy.py", text))
    case = case_of(SMALL)
    before = {name: case[name] for name in case}
    config = dict(case.config)
    assert loaded.run(case) == {}
    assert case.config == config
    assert list(case) == list(before)
    assert all(np.array_equal(case[name], before[name]) for name in case)


def test_a_family_without_a_function_is_not_implemented() -> None:
    with pytest.raises(NotImplementedError, match="no function named linear"):
        Implementation("mine.py", {"rnn": dict}).run(case_of(LINEAR))


def test_a_result_that_is_no_trace_is_refused() -> None:
    with pytest.raises(NotATraceError, match="expected a dict of arrays by name, got list"):
        Implementation("mine.py", {"rnn": lambda _: [1, 2]}).run(case_of(RNN))


def test_what_it_prints_goes_to_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = 'print("importing")\ndef rnn(case):\n    print("running")\n    return {}\n'
    load(write(tmp_path / "chatty.py", text)).run(case_of(SMALL))
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "importing\nrunning\n")


# ----------------------------------------------------------------------------------- names that are taken


@pytest.mark.parametrize("name", ["reference.py", "reports.py", "conformance.py", "case.py", "numpy.py"])
def test_a_file_of_any_name_shadows_nothing_and_finds_its_neighbours(tmp_path: Path, name: str) -> None:
    write(tmp_path / "neighbour_of_mine.py", "ANSWER = 42\n")
    text = """
    import neighbour_of_mine
    import numpy
    import reference.rnn
    from conformance.case import Case

    def rnn(case):
        assert isinstance(case, Case)
        return {"output": numpy.full(1, neighbour_of_mine.ANSWER), "h_n": reference.rnn.RNN(1, 2).hidden_size}
    """
    before = list(sys.path)
    trace = load(write(tmp_path / name, text)).run(case_of(SMALL))
    assert (trace["output"].tolist(), trace["h_n"].tolist()) == ([42], 2)
    assert sys.modules["reference"] is reference
    assert sys.path == [*before, str(tmp_path)]


def test_two_files_of_one_name_are_two_implementations(tmp_path: Path) -> None:
    loaded = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        loaded.append(load(write(tmp_path / folder / "mine.py", f"def rnn(case): return {{'{folder}': 1.0}}")))
    assert [list(one.run(case_of(SMALL))) for one in loaded] == [["a"], ["b"]]


def test_dataclasses_and_pickles_work_in_a_users_file(tmp_path: Path) -> None:
    text = """
    from __future__ import annotations
    import dataclasses, pickle

    @dataclasses.dataclass
    class Net:
        size: int = 3

    def rnn(case):
        return {"size": pickle.loads(pickle.dumps(Net())).size}
    """
    assert load(write(tmp_path / "mine.py", text)).run(case_of(SMALL))["size"] == 3


# -------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def rnn(case)\n    return {}\n", r"mine\.py cannot be imported: SyntaxError: [^(]* \(mine\.py, line 1\)$"),
        ("x = 1\n\ny = 1 / 0\n", r"mine\.py cannot be imported: ZeroDivisionError: .*\(mine\.py, line 3\)"),
        ("import sys\nsys.exit(0)\n", r"mine\.py cannot be imported: SystemExit: 0 \(mine\.py, line 2\)"),
        ("import no_such_module_here\n", r"mine\.py cannot be imported: ModuleNotFoundError: .*\(mine\.py, line 1\)"),
        ("x = 1\x00\n", r"mine\.py cannot be imported: (SyntaxError|ValueError): (?!.*None)"),
        ("raise GeneratorExit('closed')\n", r"mine\.py cannot be imported: GeneratorExit: closed \(mine\.py, line 1\)"),
        ("raise ValueError('a\\nb')\n", r"mine\.py cannot be imported: ValueError: a b \(mine\.py, line 1\)"),
        ("def my_rnn(case):\n    return {}\n", r"defines no function named after a family: rnn, rnn_packed, "),
        ("", r"defines no function named after a family"),
        ("rnn = 3\n", r"defines no function named after a family"),
        ("precision = 'float16'\ndef rnn(case): pass\n", r"precision must be one of float64, float32, got 'float16'"),
        (
            "import numpy\nprecision = numpy.array(['float32'])\ndef rnn(case): pass\n",
            r"precision must be one of float64, float32, got array",
        ),
        (
            "def __getattr__(name): raise ValueError(name)\ndef rnn(case): pass\n",
            r"mine\.py cannot be asked what it has: ValueError: rnn_packed \(mine\.py, line 1\)",
        ),
        ("precision = 32\ndef rnn(case): pass\n", r"precision must be one of float64, float32, got 32"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    modules = set(sys.modules)
    with pytest.raises(ImplementationError, match=message) as refusal:
        load(write(tmp_path / "mine.py", text))
    assert "\n" not in str(refusal.value)
    assert {name for name in set(sys.modules) - modules if "cannot be imported" in str(refusal.value)} == set()


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_bytes(b"name = '\xff\xfe'\n")
    with pytest.raises(ImplementationError, match=r"mine\.py cannot be imported: SyntaxError"):
        load(str(tmp_path / "mine.py"))


@pytest.mark.parametrize("name", ["no_such_file.py", "", "torch", ".", "loop.py"])
def test_what_is_no_file_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop.py").symlink_to("loop.py")
    with pytest.raises(ImplementationError, match=r"no such implementation: .* \(expected 'numpy' or a Python file\)"):
        load(name)


# ------------------------------------------------------------------------------------------- where it failed


def _failing(case: Any) -> Any:
    raise ValueError("outside\nof the file")


def test_an_exception_is_told_in_one_line_with_the_line_of_the_users_file(tmp_path: Path) -> None:
    text = """
    import numpy as np

    def inner(case):
        return case["inptu"]

    def rnn(case):
        return inner(case)

    def linear(case):
        return np.linalg.inv(np.zeros((2, 2)))
    """
    loaded = load(write(tmp_path / "mine.py", text))
    with pytest.raises(KeyError) as own:
        loaded.run(case_of(SMALL))
    assert loaded.where(own.value).startswith("KeyError: ")
    assert "has no array 'inptu'; it has input, h_0," in loaded.where(own.value)
    assert loaded.where(own.value).endswith("(mine.py, line 5)")
    with pytest.raises(np.linalg.LinAlgError) as inside:
        loaded.run(case_of(LINEAR))
    assert loaded.where(inside.value) == "LinAlgError: Singular matrix (mine.py, line 11)"
    with pytest.raises(ValueError, match="outside") as outside:
        _failing(None)
    assert loaded.where(outside.value) == "ValueError: outside of the file"

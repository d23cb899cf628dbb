from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conformance import isolated, judging
from conformance.implementation import Failure, Implementation, ImplementationError, load
from conformance.isolated import Isolated, opened
from conformance.refusals import Outcome
from tests.conformance.fakes import LINEAR, RNN, case_of, run_reference
from tests.conformance.files import write

SMALL = "core/rnn/small/float64"
REFUSED = "core/error/RNN-input-no-steps/float64"

Open = Callable[[str], Isolated]


@pytest.fixture
def isolate(tmp_path: Path) -> Iterator[Open]:
    """Put a text in a file, open it, and end its process after the test."""
    made: list[Isolated] = []

    def isolate(text: str) -> Isolated:
        made.append(Isolated(write(tmp_path / "mine.py", text)))
        return made[-1]

    yield isolate
    for one in made:
        one.close()


def test_the_reference_stays_in_this_process(tmp_path: Path) -> None:
    assert isinstance(opened("numpy"), Implementation)
    mine = opened(write(tmp_path / "mine.py", "def rnn(case): return {}\n"))
    assert isinstance(mine, Isolated)
    mine.close()


def test_it_gives_what_the_file_gives_in_this_process(tmp_path: Path, isolate: Open) -> None:
    text = """
    from conformance.adapters.reference import rnn
    precision = "float32"

    def linear(case):
        raise ValueError("not\\nnow")

    def error(case):
        raise ZeroDivisionError("of mine")
    """
    mine, here = isolate(text), load(str(tmp_path / "mine.py"))
    assert (mine.name, mine.precision, mine.complete, mine.source) == ("mine.py", "float32", False, here.source)
    ours, theirs = mine.attempt(case_of(RNN)), run_reference(case_of(RNN))
    assert isinstance(ours, dict)
    assert list(ours) == list(theirs)
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
    assert mine.attempt(case_of(LINEAR)) == here.attempt(case_of(LINEAR))
    assert mine.attempt(case_of(LINEAR)) == Failure("errored", "ValueError: not now (mine.py, line 6)")
    assert mine.attempt(case_of("core/activation/softmax-rows/float64")) == Failure(
        "skipped", "not implemented: no function named activation"
    )
    call = mine.attempt_call(case_of(REFUSED))
    assert call == here.attempt_call(case_of(REFUSED))
    assert call == Outcome((ZeroDivisionError, Exception), "of mine", "ZeroDivisionError: of mine (mine.py, line 9)")


def test_exceptions_of_a_class_that_only_the_file_knows_are_results(isolate: Open) -> None:
    text = """
    class Own(BaseException):
        def __init__(self, one, two):
            super().__init__(one, two)

    class Refusal(KeyError, ValueError):
        pass

    def rnn(case):
        raise Own(1, 2)

    def error(case):
        raise Refusal("both")
    """
    mine = isolate(text)
    assert mine.attempt(case_of(SMALL)) == Failure("errored", "Own: (1, 2) (mine.py, line 10)")
    call = mine.attempt_call(case_of(REFUSED))
    assert isinstance(call, Outcome)
    assert call.kinds == (ValueError, KeyError, Exception)
    assert mine.attempt(case_of(SMALL)) == Failure("errored", "Own: (1, 2) (mine.py, line 10)")


# -------------------------------------------------------------------- what it does to its process stays there

SETTINGS = {
    "torch's default dtype": "import torch; torch.set_default_dtype(torch.float64)",
    "torch's gradients": "import torch; torch.set_grad_enabled(False)",
    "torch's modes": "import torch; torch.use_deterministic_algorithms(True); torch.set_flush_denormal(True)",
    "torch's optimizers": "import torch; torch.optim.NAdam.step = None",
    "NumPy's errors": "import numpy; numpy.seterr(all='raise')",
    "the working folder": "import os; os.chdir('/')",
    "the variables": "import os; os.environ.clear()",
    "the reference": "import reference.optim; reference.optim.NAdam.step = None",
    "the judge": "import conformance.tolerance as t; t.ELEMENT_LIMIT = t.NORM_LIMIT = 1e300",
    "the streams": "import sys; sys.stderr = sys.stdout = None",
}
NADAM = "core/optimizer/NAdam-momentum_decay/float64"


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("when", ["imported", "called"])
def test_what_a_file_sets_changes_no_verdict(isolate: Open, tmp_path: Path, setting: str, when: str) -> None:
    case, cwd = case_of(NADAM), os.getcwd()
    right = judging.expectation(case)[0]
    wrong = next(name for name in right if ".param." in name)
    given: dict[str, Any] = right | {wrong: right[wrong] * (1 + 1e-9)}
    np.savez(tmp_path / "given.npz", **given)
    before, inside = (setting, "pass") if when == "imported" else ("", setting)
    mine = isolate(
        f"import numpy\n"
        f"given = dict(numpy.load({str(tmp_path / 'given.npz')!r}))\n"
        f"{before}\n"
        f"def optimizer(case):\n"
        f"    {inside}\n"
        f"    return given\n"
    )
    for _ in range(2):  # the second time the setting has been made either way
        verdicts = {check.array: check.verdict for check in judging.judge(case, mine).checks}
        assert verdicts == dict.fromkeys(right, "agrees") | {wrong: "diverges"}
    assert (os.getcwd(), torch.get_default_dtype()) == (cwd, torch.float32)


def test_a_file_computes_on_one_thread(isolate: Open) -> None:
    mine = isolate("import torch\ndef rnn(case): return {'threads': torch.get_num_threads()}\n")
    answer = mine.attempt(case_of(SMALL))
    assert isinstance(answer, dict)
    assert answer["threads"] == 1


# ------------------------------------------------------------------------------------------ how a process ends


@pytest.mark.parametrize(
    ("ends", "how"),
    [
        ("os._exit(0)", "exit code 0"),
        ("os._exit(3)", "exit code 3"),
        ("os.kill(os.getpid(), 9)", "exit code -9, perhaps because memory ran out"),
    ],
)
def test_a_file_that_ends_its_process_gives_no_result(isolate: Open, ends: str, how: str) -> None:
    mine = isolate(f"import os\ndef rnn(case):\n    {ends}\n")
    expected = f"mine.py ended its process in {SMALL} ({how}); nothing was written"
    for _ in range(2):
        with pytest.raises(ImplementationError) as refusal:
            mine.attempt(case_of(SMALL))
        assert str(refusal.value) == expected
    with pytest.raises(ImplementationError) as refusal:
        isolate(f"import os\n{ends}\n")
    assert str(refusal.value) == f"mine.py ended its process while it was imported ({how}); nothing was written"


@pytest.mark.parametrize("text", ["raise KeyboardInterrupt", "def rnn(case): raise KeyboardInterrupt"])
def test_an_interruption_passes_through(isolate: Open, text: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        isolate(text + "\n").attempt(case_of(SMALL))


def test_it_may_start_processes_of_its_own(isolate: Open) -> None:
    text = """
    import math
    import multiprocessing

    def rnn(case):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return {"root": pool.map(math.sqrt, [4.0])}
    """
    answer = isolate(text).attempt(case_of(SMALL))
    assert isinstance(answer, dict)
    assert answer["root"].tolist() == [2.0]


def test_it_may_start_them_as_it_does_without_us(isolate: Open) -> None:
    """By default without a copy of the interpreter, where the platform does: a child could not import the file."""
    text = """
    import multiprocessing

    def double(x):
        return 2 * x

    def rnn(case):
        with multiprocessing.Pool(1) as pool:
            return {"double": pool.map(double, [4.0])}
    """
    if multiprocessing.get_all_start_methods()[0] != "fork":
        pytest.skip("this platform starts an interpreter")
    answer = isolate(text).attempt(case_of(SMALL))
    assert isinstance(answer, dict)
    assert answer["double"].tolist() == [8.0]


def test_nothing_that_it_writes_is_output_of_the_command(isolate: Open, capfd: pytest.CaptureFixture[str]) -> None:
    text = """
    import os

    def rnn(case):
        os.write(1, b"one\\n")
        os.system("echo two")
        return {}
    """
    isolate(text).attempt(case_of(SMALL))
    out, err = capfd.readouterr()
    assert out == ""
    assert err.split() == ["one", "two"]


def test_a_result_without_end_is_an_error_of_its_case(isolate: Open) -> None:
    text = """
    import numpy as np

    def rnn(case):
        return {"output": np.broadcast_to(np.zeros(1), (10**7, 10**7))}
    """
    mine = isolate(text)
    assert mine.attempt(case_of(SMALL)) == Failure("errored", "its result is too large to be handed over")
    assert isinstance(mine.attempt(case_of(SMALL)), Failure)


def test_a_name_and_a_precision_of_a_class_of_its_own_are_texts(isolate: Open) -> None:
    text = """
    class Text(str):
        pass

    precision = Text("float32")

    def rnn(case):
        return {Text("output"): 1.0}
    """
    mine = isolate(text)
    assert (mine.precision, type(mine.precision)) == ("float32", str)
    answer = mine.attempt(case_of(SMALL))
    assert isinstance(answer, dict)
    assert [(name, type(name)) for name in answer] == [("output", str)]


def test_a_file_that_is_called_like_the_reference_is_not_taken_for_it(tmp_path: Path) -> None:
    mine = Isolated(write(tmp_path / "numpy", "def rnn(case): return {}\n"))
    assert mine.name == "./numpy"
    mine.close()


def test_it_ends_when_it_is_closed_with_its_exit_handlers_or_by_force(
    isolate: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = tmp_path / "ended"
    handler = (
        f"from multiprocessing.util import Finalize\nFinalize(None, open, ({str(ended)!r}, 'w'), exitpriority=0)\n"
    )
    mine = isolate(handler + "def rnn(case): return {}\n")
    mine.close()
    assert (mine._process.exitcode, ended.exists()) == (0, True)
    monkeypatch.setattr(isolated, "SECONDS_TO_END", 0.2)
    mine = isolate(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n"
        + "def rnn(case): return {}\n"
    )
    mine.close()
    assert mine._process.exitcode == -9

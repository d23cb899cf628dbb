"""torch's own inputs as suites: built when asked for, and refused in one line where they cannot be."""

from __future__ import annotations

import re
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from conformance import cases, cli, judging, run
from conformance.adapters import reference
from conformance.case import Case
from conformance.cases import torch_suites
from conformance.cases.torch_suites import TorchSuiteMissingError
from conformance.implementation import Implementation, load
from conformance.refusals import outcome
from conformance.trace import Trace
from tests.conformance.fakes import changed

needs_expecttest = pytest.mark.skipif(
    find_spec("expecttest") is None,
    reason="expecttest is not installed: pip install -e '.[torch-suites]'",
)


@pytest.fixture
def without_expecttest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_suites, "cases_of_suite", torch_suites.cases_of_suite.__wrapped__)
    monkeypatch.setitem(sys.modules, "expecttest", None)


@pytest.mark.usefixtures("without_expecttest")
@pytest.mark.parametrize("name", torch_suites.SUITES)
def test_without_expecttest_the_error_says_how_to_install_it(name: str) -> None:
    with pytest.raises(TorchSuiteMissingError, match=r"pip install -e '\.\[torch-suites\]'"):
        torch_suites.cases_of_suite(name)


@pytest.mark.usefixtures("without_expecttest")
@pytest.mark.parametrize("command", ["run", "list", "kill-matrix"])
def test_the_command_is_then_refused_in_one_line(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["conformance", command, "--suite", "torch-modules"])
    with pytest.raises(SystemExit) as exit:
        cli.main()
    out, err = capsys.readouterr()
    assert (exit.value.code, out, err.count("\n")) == (2, "", 1)
    assert "pip install -e '.[torch-suites]'" in err


@pytest.mark.usefixtures("without_expecttest")
def test_without_being_asked_for_no_suite_is_built() -> None:
    assert cases.select() == list(cases.all_cases())


@needs_expecttest
@pytest.mark.parametrize("name", torch_suites.SUITES)
def test_a_suite_is_selected_by_its_name_and_by_its_ids(name: str) -> None:
    built = list(torch_suites.cases_of_suite(name))
    assert built
    assert {case.suite for case in built} == {name}
    assert len({case.id for case in built}) == len(built)
    assert cases.select(suites=[name]) == built
    assert cases.select(globs=[f"{name}/*"]) == built
    assert cases.select(globs=[built[-1].id]) == built[-1:]


# ------------------------------------------------------------------------------------------------- torch-modules

COVERED = {
    *("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell", "Linear"),
    *("Tanh", "ReLU", "Sigmoid", "Softmax", "LogSoftmax", "CrossEntropyLoss", "NLLLoss", "MSELoss"),
}


def _sample(info: Any, function: Any, dtype: Any) -> list[Any]:
    return [] if function is None else list(function(info, "cpu", dtype, False, False))


@needs_expecttest
def test_every_input_and_every_wrong_call_of_the_modules_is_a_case() -> None:
    from torch.testing._internal.common_modules import module_db

    counts = Counter(tuple(case.description.split("-")[:2]) for case in torch_suites.cases_of_suite("torch-modules"))
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for (name, number), count in counts.items():
        (wrong if number == "error" else right)[name] += count
    found = {info.module_cls.__name__: info for info in module_db if info.module_cls.__name__ in COVERED}
    assert set(found) == COVERED
    for name, info in found.items():
        samples = [_sample(info, info.module_inputs_func, dtype) for dtype in info.dtypes]
        errors = [_sample(info, info.module_error_inputs_func, dtype) for dtype in info.dtypes]
        packed = 2 if name in ("RNN", "GRU") else 1  # as many inputs again are packed, which are left out by default
        assert right[name] == packed * sum(map(len, samples)), name
        assert wrong[name] == sum(map(len, errors)), name


@needs_expecttest
def test_torch_refuses_its_wrong_calls_as_its_own_tests_expect() -> None:
    from torch.testing._internal.common_modules import module_db

    from conformance.adapters import pytorch_calls, pytorch_module_tests

    by_id = {case.id: case for case in torch_suites.cases_of_suite("torch-modules")}
    compared = 0
    for info in module_db:
        name = info.module_cls.__name__
        for dtype in info.dtypes if name in COVERED else ():
            for number, expected in enumerate(pytorch_module_tests.error_samples(info, dtype)):
                kind = str(dtype).removeprefix("torch.")
                case = by_id[f"torch-modules/error/{name}-error-{number:02d}/{kind}"]
                if not case.left_out:
                    seen = outcome(pytorch_calls.call, case)
                    assert seen.words.partition(":")[0] == expected.error_type.__name__, case.id
                    assert re.search(expected.error_regex, seen.message), case.id
                    compared += 1
    assert compared > 100


@needs_expecttest
def test_nothing_of_torchs_modules_diverges_and_what_is_skipped_has_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONFORMANCE_CACHE", str(tmp_path))
    built = torch_suites.cases_of_suite("torch-modules")
    checks = [check for judged in run.judge_all(built, load("numpy")) for check in judged.checks]
    assert {check.case for check in checks} == {case.id for case in built}
    assert [check for check in checks if check.verdict in ("diverges", "errored")] == []
    for check in checks:
        if check.verdict == "skipped":
            assert re.match("torch.float16 is not covered$|inadmissible: ", check.reason or ""), check
    skipped = sum(check.verdict == "skipped" for check in checks)
    assert skipped < 0.05 * len(checks)


@needs_expecttest
def test_a_wrong_network_is_found_by_torchs_inputs() -> None:
    def transposed(case: Case) -> Trace:
        weights = {name: value.T for name, value in case.arrays.items() if "weight_hh" in name}
        return reference.rnn_packed(changed(case, weights))

    # a ReLU network that starts in its flat part does not show it
    packed = [case for case in torch_suites.cases_of_suite("torch-modules") if case.family == "rnn_packed"]
    built = [case for case in packed if case.config["nonlinearity"] == "tanh"]
    verdicts = {
        check.verdict
        for case in built[:4]
        for check in judging.judge(case, Implementation("mine.py", {"rnn_packed": transposed})).checks
        if check.array == "output"
    }
    assert verdicts == {"diverges"}

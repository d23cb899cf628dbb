"""torch's own inputs as suites: built when asked for, and refused in one line where they cannot be."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest

from conformance import cases, cli
from conformance.cases import torch_suites
from conformance.cases.torch_suites import TorchSuiteMissingError

needs_expecttest = pytest.mark.skipif(
    find_spec("expecttest") is None,
    reason="expecttest is not installed: pip install 'recurrent-conformance[torch-suites]'",
)


@pytest.fixture
def without_expecttest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_suites, "cases_of_suite", torch_suites.cases_of_suite.__wrapped__)
    monkeypatch.setitem(sys.modules, "expecttest", None)


@pytest.mark.usefixtures("without_expecttest")
@pytest.mark.parametrize("name", torch_suites.SUITES)
def test_without_expecttest_the_error_says_how_to_install_it(name: str) -> None:
    with pytest.raises(TorchSuiteMissingError, match=r"pip install 'recurrent-conformance\[torch-suites\]'"):
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
    assert "pip install 'recurrent-conformance[torch-suites]'" in err


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

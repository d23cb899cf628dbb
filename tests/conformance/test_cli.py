from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from conformance import cases, cli, files, kill, log, run
from tests.conformance.files import REFERENCE, RIGHT, WRONG, write
from tests.reports.logs import made_log

pytestmark = pytest.mark.usefixtures("clean_imports")

torch_suite = pytest.mark.skipif(find_spec("expecttest") is None, reason="expecttest is not installed")
SMALL = ("--case", "core/rnn/small", "--dtype", "float64")


class Result(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Result]


@pytest.fixture
def conformance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """The command as the console script runs it, in an empty folder; what a user's file prints is captured too."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    def command(*arguments: str | Path) -> Result:
        monkeypatch.setattr(sys, "argv", ["conformance", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            cli.main()
        assert isinstance(exit.value.code, int | None)
        captured = capfd.readouterr()
        return Result(exit.value.code or 0, captured.out, captured.err)

    return command


def _counts(folder: Path | str = "conformance-results") -> dict[str, int]:
    counts: dict[str, int] = log.read(Path(folder) / "results.jsonl").footer["counts"]
    return {verdict: count for verdict, count in counts.items() if count}


# ------------------------------------------------------------------------------------------------ run, right


def test_a_run_prints_a_summary_and_writes_log_and_report(conformance: Command) -> None:
    result = conformance("run", *SMALL)
    assert result.code == 0
    assert result.out.startswith("NumPy reference against torch 2.13")
    assert result.out.splitlines()[0].endswith(": 1 cases, 8 checks: 8 agree")
    assert result.out.endswith("conformance-results/REPORT.md\nconformance-results/results.jsonl\n")
    assert result.err == ""  # no progress bar where nobody looks
    assert sorted(os.listdir("conformance-results")) == ["REPORT.md", "results.jsonl"]
    assert Path("conformance-results/REPORT.md").read_text().startswith("# Conformance of NumPy reference with torch")
    assert _counts() == {"agrees": 8}
    header = log.read(Path("conformance-results/results.jsonl")).header
    assert header["command"] == ["conformance", "run", *SMALL]


def test_the_report_can_be_made_again_from_the_log_alone(conformance: Command) -> None:
    conformance("run", *SMALL, "--out", "results")
    page = Path("results/REPORT.md").read_text()
    for where in ("results", "results/results.jsonl"):
        assert conformance("report", where) == (0, page, "")
    assert conformance("report", "results", "--out", "page.md") == (0, "", "")
    assert Path("page.md").read_text() == page


def test_later_results_replace_earlier_ones(conformance: Command) -> None:
    for name in ("small", "length-1"):
        assert conformance("run", "--case", f"core/rnn/{name}/float64", "--out", "a/b").code == 0
    assert {check.case for check in log.read(Path("a/b/results.jsonl")).checks} == {"core/rnn/length-1/float64"}
    assert sorted(os.listdir("a/b")) == ["REPORT.md", "results.jsonl"]


def test_the_documented_example_has_a_short_name_and_its_printed_digits_agree(conformance: Command) -> None:
    result = conformance("run", "--case", "documented/three-step")
    assert result.code == 0
    assert "0       0.79494228  0.794942279042" in result.out
    checks = log.read(Path("conformance-results/results.jsonl")).checks
    assert {check.case for check in checks} == {case.id for case in cases.select(suites=["documented"])}
    printed = [check for check in checks if check.array and check.array.endswith(" (printed)")]
    assert [check.verdict for check in printed] == ["agrees"] * 3


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        (("--suite", "documented", "--family", "rnn", "--dtype", "float32"), 2),
        (("--case", "core/rnn/small", "--case", "core/linear/batch"), 4),
        (("--family", "linear", "--family", "loss", "--level", "quick", "--dtype", "float64"), None),
    ],
)
def test_list_shows_what_run_would_run(conformance: Command, filters: tuple[str, ...], ids: int | None) -> None:
    result = conformance("list", *filters)
    rows = result.out.splitlines()[1:]
    assert (result.code, result.err) == (0, "")
    if ids is None:
        ids = len(cases.select(families=["linear", "loss"], level="quick", dtypes=["float64"]))
    assert len(rows) == ids
    assert all(len(re.split(r" {2,}", row)) == 3 for row in rows)


@pytest.mark.parametrize("arguments", [("--help",), ("run", "-h"), ("--version",)])
def test_help_is_no_error(conformance: Command, arguments: tuple[str, ...]) -> None:
    result = conformance(*arguments)
    assert (result.code, result.err) == (0, "")
    assert result.out


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("core/linear/batch/float64", "linear-weight-gradient-reshaped"),
        ("core/linear/batch", "linear-weight-gradient-reshaped"),
        ("core/clip/norm-2/float32", "| total_norm             | a number | float32 |"),
        ("sweep/linear/0-3/float64", "linear-weight-gradient-reshaped"),
        pytest.param("torch-modules/linear/Linear-00/float32", "linear-weight-gradient-reshaped", marks=torch_suite),
        pytest.param(
            "torch-modules/loss/CrossEntropyLoss-00-4d__mean/float16",
            "It is left out: torch.float16 is not covered.",
            marks=torch_suite,
        ),
    ],
)
def test_a_case_that_can_be_run_can_be_explained(conformance: Command, name: str, shown: str) -> None:
    result = conformance("explain", name)
    assert (result.code, result.err) == (0, "")
    assert name in result.out
    assert shown in result.out


def test_the_kill_matrix_of_some_cases_judges_what_they_reach(conformance: Command) -> None:
    everything = conformance("kill-matrix", "--family", "activation", "--level", "quick")
    assert everything.code == 0
    assert re.match(r"(\d+) of \1 divergences are caught by \d+ cases; .* \d+ are left out", everything.out)
    assert "not caught" not in everything.out
    # in one case without a bias, what is wrong with biases is in reach and goes unnoticed
    one = conformance("kill-matrix", "--case", "core/linear/batch-no-bias/float64")
    assert one.code == 1
    assert "not caught: linear-bias-gradient-batch-mean" in one.out
    assert "not caught: relu" not in one.out


def test_a_divergence_is_explained_with_a_place_that_reads_as_a_sentence(conformance: Command) -> None:
    result = conformance("explain", "linear-weight-gradient-reshaped")
    assert re.search(r"`grad\.weight` at \(\d+, \d+\): right ", result.out)


# ----------------------------------------------------------------------------------- a user's file is judged


def test_a_right_file_agrees_and_what_it_leaves_out_is_counted(conformance: Command, tmp_path: Path) -> None:
    name = write(tmp_path / "my_rnn.py", RIGHT)
    result = conformance("run", name, "--case", "core/rnn/tanh-[12]-layer", "--case", "core/linear/batch")
    assert result.code == 0
    assert ": 6 cases, 20 checks: 4 agree, 16 skipped" in result.out
    for line in (
        r"rnn +not given by the implementation +0 +12",
        r"rnn +not implemented: only one tanh layer +2 +0",
        r"linear +not implemented: no function named linear +2 +0",
    ):
        assert re.search(line, result.out)


def test_a_wrong_file_is_found_out_with_the_first_wrong_place(conformance: Command, tmp_path: Path) -> None:
    result = conformance("run", write(tmp_path / "my_rnn.py", WRONG), *SMALL)
    assert result.code == 1
    assert re.search(
        r"diverges +core/rnn/small/float64 +output +[\d.e+]+ +layer 0, forward, step 0, batch 0, unit 0", result.out
    )
    assert _counts() == {"diverges": 2, "skipped": 6}


def test_when_all_is_skipped_the_summary_says_that_nothing_was_compared(conformance: Command, tmp_path: Path) -> None:
    name = write(tmp_path / "later.py", 'def rnn(case):\n    raise NotImplementedError("next week")\n')
    result = conformance("run", name, "--case", "core/rnn/small*")
    assert result.code == 0
    assert result.out.splitlines()[0].endswith(": 4 cases, 4 checks: nothing was compared")
    assert re.search(r"rnn +not implemented: next week +4 +0", result.out)


@pytest.mark.parametrize(
    ("required", "code"), [((), 0), (("linear",), 1), (("rnn", "linear"), 1), (("rnn",), 1), (("optimizer",), 1)]
)
def test_what_is_required_may_not_be_skipped(
    conformance: Command, tmp_path: Path, required: tuple[str, ...], code: int
) -> None:
    name = write(tmp_path / "my_rnn.py", RIGHT)
    options = [argument for family in required for argument in ("--require", family)]
    result = conformance("run", name, "--case", "core/rnn/small", "--case", "core/linear/batch", *options)
    assert result.code == code
    assert ("Required, but not everything was compared: " + ", ".join(sorted(required)) in result.out) == bool(required)


def test_the_reference_meets_every_requirement_that_was_run(conformance: Command) -> None:
    assert conformance("run", *SMALL, "--require", "rnn").code == 0
    assert conformance("run", *SMALL, "--require", "loss").code == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def rnn(case):\n    return case['inputs']\n", r"KeyError: .*has no array 'inputs'.* \(mine\.py, line 2\)"),
        ("def rnn(case):\n    import sys\n    sys.exit(0)\n", r"SystemExit: 0 \(mine\.py, line 3\)"),
        ("def rnn(case):\n    return [1, 2]\n", r"expected a dict of arrays by name, got list"),
        ("def rnn(case):\n    return {'output': 'x'}\n", r"output: expected an array of numbers, got str"),
        ("def rnn(case):\n    return {'output': [[1.0], [1.0, 2.0]]}\n", r"output: expected an array of numbers: "),
        (
            "def rnn(case):\n    return {'ouptut': 1.0}\n",
            r"unknown array ouptut: this case has output, h_n, grad\.input",
        ),
        ("def rnn(case, key):\n    return {}\n", r"TypeError: rnn\(\) missing 1 required positional argument: 'key'"),
    ],
)
def test_a_file_that_fails_on_a_case_has_errored_there(
    conformance: Command, tmp_path: Path, text: str, reason: str
) -> None:
    result = conformance("run", write(tmp_path / "mine.py", text), *SMALL)
    assert result.code == 1
    assert result.err == ""
    assert "1 errored" in result.out
    errored = [
        check for check in log.read(Path("conformance-results/results.jsonl")).checks if check.verdict == "errored"
    ]
    assert re.fullmatch(f"{reason}.*", errored[0].reason or "")


def test_a_failure_in_one_case_does_not_stop_the_others(conformance: Command, tmp_path: Path) -> None:
    fails = REFERENCE.format(then='1 / (case.config["nonlinearity"] == "tanh")')
    result = conformance("run", write(tmp_path / "mine.py", fails), "--case", "core/rnn/small*", "--dtype", "float64")
    assert result.code == 1
    assert _counts() == {"agrees": 8, "errored": 1}


@pytest.mark.parametrize(
    ("then", "code", "counts"),
    [
        ("pass", 0, {"agrees": 8}),
        ('trace["output"] = trace["output"].T.copy()', 1, {"agrees": 7, "diverges": 1}),
        ('trace["h_n"] = trace["h_n"].astype("float32")', 1, {"agrees": 7, "diverges": 1}),
        ('trace["h_n"] = trace["h_n"] * float("nan")', 1, {"agrees": 7, "diverges": 1}),
        ('del trace["h_n"]', 0, {"agrees": 7, "skipped": 1}),
        ('trace["h"] = trace["h_n"]', 1, {"agrees": 8, "errored": 1}),
        ("trace = {name: value.tolist() for name, value in trace.items()}", 0, {"agrees": 8}),
        ('case["input"][...] = 0; case.arrays["input"][...] = 0; case.config.clear()', 0, {"agrees": 8}),
    ],
)
def test_exit_code_and_counts_follow_from_the_verdicts(
    conformance: Command, tmp_path: Path, then: str, code: int, counts: dict[str, int]
) -> None:
    assert conformance("run", write(tmp_path / "mine.py", REFERENCE.format(then=then)), *SMALL).code == code
    assert _counts() == counts


def test_a_declared_precision_is_used_and_said(conformance: Command, tmp_path: Path) -> None:
    narrow = "trace = {name: value.astype('float32') for name, value in trace.items()}"
    text = 'precision = "float32"\n' + REFERENCE.format(then=narrow)
    result = conformance("run", write(tmp_path / "mine.py", text), *SMALL)
    assert result.code == 0
    assert "The implementation declares float32: tolerances are that precision's." in result.out
    undeclared = conformance("run", write(tmp_path / "mine.py", REFERENCE.format(then=narrow)), *SMALL)
    assert undeclared.code == 1
    assert "declares" not in undeclared.out


def test_what_a_file_prints_does_not_reach_standard_output(conformance: Command, tmp_path: Path) -> None:
    text = 'print("importing")\n' + REFERENCE.format(then='print("running")')
    result = conformance("run", write(tmp_path / "mine.py", text), *SMALL)
    assert result.code == 0
    assert "importing" not in result.out
    assert "running" not in result.out
    assert "running" in result.err


@pytest.mark.parametrize("name", ["reference.py", "reports.py", "case.py", "conformance.py"])
def test_a_file_with_one_of_our_names_is_judged_like_any_other(conformance: Command, tmp_path: Path, name: str) -> None:
    write(tmp_path / "its_neighbour.py", "WRONG = 1.5\n")
    text = "import its_neighbour\n" + REFERENCE.format(then='trace["output"] = trace["output"] * its_neighbour.WRONG')
    assert conformance("run", write(tmp_path / name, text), *SMALL).code == 1
    assert _counts() == {"agrees": 7, "diverges": 1}


# ------------------------------------------------------------------------------------------------- refusals


def _refused(result: Result, message: str) -> None:
    assert result.code == 2
    assert result.out == ""
    assert re.fullmatch(f"conformance: [^\n]*{message}[^\n]*\n", result.err), result.err


@pytest.fixture
def earlier() -> dict[Path, bytes]:
    """Results of an earlier run."""
    folder = Path("conformance-results")
    folder.mkdir()
    files.write({folder / "results.jsonl": log.text(made_log())})
    (folder / "REPORT.md").write_text("an earlier report\n")
    return {path: path.read_bytes() for path in folder.iterdir()}


def _untouched(earlier: dict[Path, bytes]) -> None:
    assert {path: path.read_bytes() for path in Path("conformance-results").iterdir()} == earlier


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing command"),
        (("rnu",), "No such command 'rnu'"),
        (
            ("run", "--suite", "documentde"),
            "no suite is called documentde; the suites are core, documented, torch-modules, torch-optimizers",
        ),
        (("list", "--suite", "documented", "--suite", "nosuch"), "no suite is called nosuch; "),
        (("list", "--case", "documented/*", "--case", "typo*"), r"no case matches typo\*; `conformance list` shows"),
        (("run", "--case", "documented/rnn/three-stp"), "matches documented/rnn/three-stp; did you mean documented/"),
        (("report", "--out", "conformance-results/results.jsonl"), "results.jsonl is the log itself, expected another"),
        (("catalogue", "--out", "none/page.md"), "cannot write none/page.md: No such file or directory"),
        (("sweep", "--cases", "100000000000000000000"), "100000000000000000000 is not in the range"),
        (("run", "--case", "core/rnn/no-such-case"), "no case matches"),
        (("run", "--suite", "documented", "--family", "loss"), "no case matches"),
        (("list", "--case", "nothing"), "no case matches"),
        (("run", "--dtype", "float16"), "'float16' is not one of 'float64', 'float32'"),
        (("run", "--family", "rnnn"), "'rnnn' is not one of 'rnn', 'rnn_packed', "),
        (("run", "--level", "slow"), "'slow' is not one of 'quick', 'standard'"),
        (("run", "--require", "everything"), "'everything' is not one of 'rnn', 'rnn_packed', "),
        (("run", "--no-such-option"), "No such option"),
        (("run", "numpy", "too", "many"), "unexpected extra argument"),
        (("run", "no_such_file.py", *SMALL), "no such implementation: no_such_file.py"),
        (("run", "no_such_file.py"), "no such implementation: no_such_file.py"),
        (("report", "no.jsonl"), "cannot read no.jsonl"),
        (("report", "."), "cannot read results.jsonl"),
        (("explain", "sweep/linear/0-0/float64"), "no divergence and no case is called sweep/linear/0-0/float64"),
    ],
)
def test_bad_usage_is_one_line_and_touches_nothing(
    conformance: Command, earlier: dict[Path, bytes], arguments: tuple[str, ...], message: str
) -> None:
    _refused(conformance(*arguments), message)
    _untouched(earlier)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def rnn(case)\n", r"mine\.py cannot be imported: SyntaxError: .*line 1"),
        ("1 / 0\n", r"mine\.py cannot be imported: ZeroDivisionError: division by zero \(mine\.py, line 1\)"),
        ("import sys\nsys.exit(0)\n", r"mine\.py cannot be imported: SystemExit: 0"),
        ("raise GeneratorExit\n", r"mine\.py cannot be imported: GeneratorExit: +\(mine\.py, line 1\)"),
        ("import os\nos._exit(0)\n", r"mine\.py ended its process while it was imported \(exit code 0\)"),
        (
            "import os\ndef rnn(case): os._exit(0)\n",
            r"mine\.py ended its process in core/rnn/small/float64 \(exit code 0\); nothing was written",
        ),
        ("def my_function(case):\n    return {}\n", r"mine\.py defines no function named after a family: rnn, "),
        ("precision = 'half'\ndef rnn(case): return {}\n", r"precision must be one of float64, float32, got 'half'"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line_and_touches_nothing(
    conformance: Command, earlier: dict[Path, bytes], tmp_path: Path, text: str, message: str
) -> None:
    _refused(conformance("run", write(tmp_path / "mine.py", text), *SMALL), message)
    _untouched(earlier)


def test_out_that_is_a_file_is_refused_and_stays(conformance: Command) -> None:
    Path("file").write_text("mine")
    _refused(conformance("run", *SMALL, "--out", "file"), "cannot write to file: File exists, expected a folder")
    _refused(conformance("run", *SMALL, "--out", "file/below"), "cannot write to file/below: Not a directory")
    assert Path("file").read_text() == "mine"


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("run", *SMALL), "results.jsonl"),
        (("run", *SMALL), "REPORT.md"),
        (("sweep", "--cases", "1"), "sweep.jsonl"),
        (("kill-matrix", *SMALL), "KILL-MATRIX.md"),
    ],
)
def test_a_file_that_cannot_be_replaced_is_refused_before_anything_runs(
    conformance: Command,
    earlier: dict[Path, bytes],
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    name: str,
) -> None:
    def runs(*_: object) -> None:
        raise AssertionError("it runs")

    for module, function in ((run, "judge_all"), (run, "sweep_all"), (kill, "kills")):
        monkeypatch.setattr(module, function, runs)
    path = Path("conformance-results") / name
    path.unlink(missing_ok=True)
    path.mkdir()
    _refused(conformance(*command), f"cannot write conformance-results/{name}: Is a directory")
    others = [path for path in earlier if path.name != name]
    assert {path: path.read_bytes() for path in others} == {path: earlier[path] for path in others}
    assert set(os.listdir("conformance-results")) == {path.name for path in others} | {name}


def test_results_in_the_way_of_which_something_comes_meanwhile_stay_a_pair(
    conformance: Command, earlier: dict[Path, bytes], tmp_path: Path
) -> None:
    """The report's place is taken during the run: the log of the earlier run stays too."""
    report = Path("conformance-results/REPORT.md").resolve()
    taken = f"import os; os.unlink({str(report)!r}); os.mkdir({str(report)!r})"
    _refused(conformance("run", write(tmp_path / "mine.py", REFERENCE.format(then=taken)), *SMALL), "Is a directory")
    log_of_earlier = Path("conformance-results/results.jsonl")
    assert log_of_earlier.read_bytes() == earlier[log_of_earlier]
    assert sorted(os.listdir("conformance-results")) == ["REPORT.md", "results.jsonl"]


def test_an_interrupted_run_leaves_earlier_results_alone(
    conformance: Command, earlier: dict[Path, bytes], tmp_path: Path
) -> None:
    name = write(tmp_path / "mine.py", "def rnn(case):\n    raise KeyboardInterrupt\n")
    result = conformance("run", name, *SMALL)
    assert (result.code, result.out) == (130, "")
    assert result.err.strip() == "conformance: interrupted"
    _untouched(earlier)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"# a page\n",
        b"\xff\xfe",
        b'{"type": "header", "schema": 2}\n',
        b'{"type": "header", "schema": 1}\n{"type": "footer", "checks": 0, "cases": 0, "counts": {}}\n',
        pytest.param(None, id="without its footer"),
        pytest.param(0.5, id="cut in the middle"),
    ],
)
def test_a_damaged_log_is_refused_and_no_report_is_written(conformance: Command, content: bytes | float | None) -> None:
    files.write({Path("results.jsonl"): log.text(made_log())})
    text = Path("results.jsonl").read_bytes()
    if content is None:
        content = b"".join(text.splitlines(keepends=True)[:-1])
    elif isinstance(content, float):
        content = text[: int(len(text) * content)]
    Path("results.jsonl").write_bytes(content)
    Path("page.md").write_text("an earlier page")
    _refused(conformance("report", "results.jsonl", "--out", "page.md"), "results.jsonl")
    _refused(conformance("report"), "cannot read conformance-results/results.jsonl")
    assert Path("page.md").read_text() == "an earlier page"


def test_a_sweeps_log_has_no_report(conformance: Command) -> None:
    conformance("sweep", "--cases", "1", "--dtype", "float64", "--out", "out")
    _refused(conformance("report", "out/sweep.jsonl"), r"out/sweep\.jsonl is the log of a sweep, which has no report")


def test_a_report_that_cannot_be_written_is_refused(conformance: Command) -> None:
    files.write({Path("results.jsonl"): log.text(made_log())})
    _refused(conformance("report", "results.jsonl", "--out", "no/page.md"), "cannot write no/page.md: No such file")
    _refused(conformance("report", "results.jsonl", "--out", "."), r"cannot write \.: Is a directory")


# ------------------------------------------------------------------------------------- as a program of its own


def _program(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "conformance", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_python_m_conformance_judges_beside_files_that_have_our_names(tmp_path: Path) -> None:
    """``python -m`` puts the working folder first on the path: ours have to be found nevertheless."""
    for name in ("reports.py", "case.py"):
        write(tmp_path / name, "raise RuntimeError('imported by mistake')\n")
    write(tmp_path / "reference.py", WRONG)
    result = _program(tmp_path, "run", "reference.py", *SMALL)
    assert (result.returncode, result.stderr) == (1, "")
    assert "1 cases, 8 checks: 2 diverge, 6 skipped" in result.stdout
    assert json.loads((tmp_path / "conformance-results" / "results.jsonl").read_text().splitlines()[-1])["checks"] == 8


def test_a_refusal_of_the_program_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    result = _program(tmp_path, "report", "missing.jsonl")
    assert result.stderr.count("missing.jsonl") == 1
    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(r"conformance: cannot read missing\.jsonl: [^\n]*\n", result.stderr)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full here")
def test_output_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "conformance", "list", "--family", "clip"]
    with open("/dev/full", "w") as full:
        result = subprocess.run(command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
    assert result.returncode == 2
    assert result.stderr == "conformance: cannot read or write the output: No space left on device\n"


@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
@pytest.mark.parametrize("cases", ["core/rnn/small", "*"])
def test_a_signal_ends_a_run_at_once_with_all_its_processes(
    tmp_path: Path, number: int, code: int, said: str, cases: str
) -> None:
    """Even in the middle of a function that would go on for a long time, in one process or in several."""
    write(
        tmp_path / "slow.py",
        """
        import os, time
        from pathlib import Path

        def rnn(case):
            Path(f"process-{os.getpid()}").touch()
            time.sleep(600)
        """,
    )
    command = [sys.executable, "-m", "conformance", "run", "slow.py", "--family", "rnn", "--case", cases]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # whoever runs the tests in the background may have them ignore it, and what they start as well
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    ) as run:
        try:
            _wait(lambda: any(tmp_path.glob("process-*")))
            run.send_signal(number)
            out, err = run.communicate(timeout=60)
        finally:
            run.kill()
    assert (run.returncode, out, err.strip()) == (code, "", f"conformance: {said}")
    started = [int(path.name.removeprefix("process-")) for path in tmp_path.glob("process-*")]
    _wait(lambda: not any(Path(f"/proc/{process}").exists() for process in started))
    assert list(tmp_path.glob("conformance-results/*")) == []


def _wait(until: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        time.sleep(0.1)

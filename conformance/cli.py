"""The commands. Exit codes: 0 nothing diverged or errored, 1 something did, 2 the command cannot be carried out."""

from __future__ import annotations

import contextlib
import difflib
import io
import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_args

import click
from tabulate import tabulate

from conformance import cases, explain, files, kill, log, notebook_path, run
from conformance.case import DTYPES, FAMILIES, Case, Level
from conformance.cases.torch_suites import SUITES, TorchSuiteMissingError
from conformance.divergences import by_id, catalogue
from conformance.implementation import REFERENCE, ImplementationError
from conformance.isolated import opened
from reports import kill_matrix, markdown, sweep, teaching, terminal
from reports.tables import github

RESULTS = "results.jsonl"
REPORT = "REPORT.md"
KILL_MATRIX = "KILL-MATRIX.md"
SWEEP = "sweep.jsonl"

Result = TypeVar("Result")


class _Refused(Exception):
    """The command cannot be carried out; the message says in one line why, and what was expected."""


def _filters(command: Any) -> Any:
    options = [
        click.option("--suite", "suites", multiple=True, metavar="SUITE", help="Only this suite (may be repeated)."),
        click.option(
            "--family",
            "families",
            multiple=True,
            type=click.Choice(FAMILIES),
            metavar="FAMILY",
            help="Only this family (may be repeated).",
        ),
        click.option(
            "--case", "globs", multiple=True, metavar="GLOB", help="Only cases whose id matches (may be repeated)."
        ),
        click.option("--dtype", "dtypes", multiple=True, type=click.Choice(DTYPES), help="Only this dtype."),
        click.option(
            "--level", type=click.Choice(get_args(Level)), default="standard", show_default=True, help="How many cases."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


_out_folder = click.option(
    "--out",
    type=click.Path(path_type=Path, readable=False),
    default=Path("conformance-results"),
    show_default=True,
    help="Folder for results.",
)


@click.group(no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="recurrent-conformance", prog_name="conformance")
def cli() -> None:
    """Does an implementation of a recurrent network and its optimizers do what torch does?"""


@cli.command("run")
@click.argument("implementation", default=REFERENCE)
@_filters
@_out_folder
@click.option(
    "--require",
    "required",
    multiple=True,
    type=click.Choice(FAMILIES),
    metavar="FAMILY",
    help="Exit with 1 if anything of this family is skipped, or if there is none of it (may be repeated).",
)
def run_command(
    implementation: str, out: Path, required: Sequence[str], level: Level, **filters: Sequence[str]
) -> None:
    """Judge IMPLEMENTATION against torch: the NumPy reference (numpy, the default) or a Python file.

    A Python file defines functions named after families (rnn, optimizer, ...). Each takes a case, a read-only
    mapping from names to arrays with case.config, and returns a dict of the arrays that it can give.
    """
    started = time.perf_counter()
    selected = _select(level=level, **filters)
    loaded = opened(implementation)
    _make_folder(out, RESULTS, REPORT)
    header = log.header(log.command_line(), loaded, selected)

    with _progress(run.judge_all(selected, loaded), len(selected)) as progress:
        judged = list(progress)
    diagnoses = run.diagnose_all(selected, judged, loaded.precision)
    checks = log.with_diagnoses([check for result in judged for check in result.checks], diagnoses)
    torch_seconds = sum(result.torch_seconds for result in judged)
    footer = log.footer(checks, diagnoses, seconds=time.perf_counter() - started, torch_seconds=torch_seconds)
    complete = log.Log(header, checks, footer)
    _write({out / REPORT: markdown.render(complete), out / RESULTS: log.text(complete)})

    missing = sorted({check.family for check in checks if check.verdict == "skipped"} & set(required))
    absent = sorted(set(required) - {check.family for check in checks})
    click.echo(terminal.render(complete))
    if missing or absent:
        click.echo(f"Required, but not everything was compared: {', '.join([*missing, *absent])}")
    click.echo(f"\n{out / REPORT}\n{out / RESULTS}")
    counts = complete.footer["counts"]
    if counts["diverges"] or counts["errored"] or missing or absent:
        sys.exit(1)


@cli.command("list")
@_filters
def list_command(level: Level, **filters: Sequence[str]) -> None:
    """List the cases, with the reason why each exists."""
    selected = _select(level=level, **filters)
    rows = [(case.id, case.level, case.note) for case in selected]
    click.echo(tabulate(rows, headers=["case", "level", "note"], tablefmt="plain"))


@cli.command("report")
@click.argument("results", type=click.Path(path_type=Path), default=Path("conformance-results") / RESULTS)
@click.option("--out", type=click.Path(path_type=Path), help="File to write; printed if left out.")
def report_command(results: Path, out: Path | None) -> None:
    """Render the report of a finished run again from its log, RESULTS."""
    source = results / RESULTS if results.is_dir() else results
    complete = log.read(source)
    if out is not None and out.exists() and out.samefile(source):
        raise _Refused(f"{out} is the log itself, expected another file to write the report to")
    if log.SWEPT in complete.footer:
        raise _Refused(f"{results} is the log of a sweep, which has no report: its table is what the sweep printed")
    text = markdown.render(complete)
    if out is None:
        click.echo(text, nl=False)
        return
    _write({out: text})


@cli.command("sweep")
@click.argument("implementation", default=REFERENCE)
@click.option(
    "--cases", "count", type=click.IntRange(1, 10**9), default=1000, show_default=True, help="How many, per dtype."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Other cases.")
@click.option("--dtype", "dtypes", multiple=True, type=click.Choice(DTYPES), help="Only this dtype.")
@_out_folder
def sweep_command(implementation: str, count: int, seed: int, dtypes: Sequence[str], out: Path) -> None:
    """Judge IMPLEMENTATION on random cases, in a search for false alarms, and write sweep.jsonl.

    The log keeps what does not agree and the worst check of each family and dtype; `conformance run --case ID` runs
    a case again.
    """
    started = time.perf_counter()
    loaded = opened(implementation)
    _make_folder(out, SWEEP)
    tally, torch_seconds = sweep.Tally(), 0.0
    for dtype in dtypes or DTYPES:
        with _progress(run.sweep_all(range(count), seed, dtype, loaded), count) as progress:
            for judged in progress:
                tally.add(judged.checks)
                torch_seconds += judged.torch_seconds
    footer = log.footer(tally.kept(), seconds=time.perf_counter() - started, torch_seconds=torch_seconds)
    footer[log.SWEPT] = tally.rows()
    complete = log.Log(log.header(log.command_line(), loaded, []), tally.kept(), footer)
    _write({out / SWEEP: log.text(complete)})
    click.echo(tabulate(tally.rows(), sweep.HEADERS))
    click.echo(f"\n{out / SWEEP}")
    if tally.failures():
        sys.exit(1)


@cli.command("kill-matrix")
@_filters
@_out_folder
@click.option("--onnx", is_flag=True, help="Count what the ONNX node tests catch of the same divergences as well.")
def kill_matrix_command(out: Path, onnx: bool, level: Level, **filters: Sequence[str]) -> None:
    """Show which case catches which known divergence, and write KILL-MATRIX.md.

    Exit code 1 if one is caught by no case. If suites, families or ids are selected, only the divergences count that
    change a function which one of these cases goes through.
    """
    selected = [case for case in _select(level=level, **filters) if filters["dtypes"] or str(case.dtype) == "float64"]
    _make_folder(out, KILL_MATRIX)
    with _progress(kill.kills(selected), len(selected)) as progress:
        kills = [found for of_case in progress for found in of_case]
    comparison = _onnx_comparison(kills) if onnx else ""
    narrowed = filters["suites"] or filters["families"] or filters["globs"]
    divergences = kill.within_reach(selected, catalogue()) if narrowed else catalogue()
    left_out = len(catalogue()) - len(divergences)
    _write({out / KILL_MATRIX: kill_matrix.render(selected, divergences, kills, comparison, left_out)})
    click.echo(kill_matrix.headline(selected, divergences, kills, left_out))
    if comparison:
        click.echo(comparison)
    missed = kill.survivors(kills, divergences)
    for divergence in missed:
        click.echo(f"not caught: {divergence.id}: {divergence.title}")
    click.echo(f"\n{out / KILL_MATRIX}")
    if missed:
        sys.exit(1)


@cli.command("explain")
@click.argument("name")
def explain_command(name: str) -> None:
    """Explain a divergence or a case, by its id: what it is, who does it, and its numbers."""
    if name in by_id():
        divergence = by_id()[name]
        click.echo(teaching.text(divergence, explain.worked(divergence), with_formula=True))
        return
    available = cases.available(ids=[name])
    found = [case for case in available if name in (case.id, case.id.rpartition("/")[0])]
    if not found:
        near = _near(name, [*by_id(), *(case.id for case in available)])
        raise _Refused(f"no divergence and no case is called {name}{near}")
    case = found[0]
    click.echo(teaching.case_text(case.id, case.note, dict(case.config), {key: case[key] for key in case}))
    if case.left_out:
        click.echo(f"It is left out: {case.left_out}.")
        return
    wanted = [[name, teaching.shape_text(shape), dtype] for name, shape, dtype in explain.results(case)]
    click.echo(github(["wanted in the result", "shape", "dtype"], wanted))
    caught = kill.kills_of(case, list(by_id()))
    click.echo(github(kill_matrix.CAUGHT_HEADERS, kill_matrix.caught_rows(caught)))


@cli.command("catalogue")
@click.option("--out", type=click.Path(path_type=Path), help="File to write; printed if left out.")
def catalogue_command(out: Path | None) -> None:
    """Show every known divergence with its note, its patch and its effect: a page for teaching."""
    if out is not None:
        _check_writable(out)
    paths = [(layer, path.cases, path.steps()) for layer, path in notebook_path.PATHS.items()]
    text = teaching.page([(divergence, explain.worked(divergence)) for divergence in catalogue()], paths)
    if out is None:
        click.echo(text, nl=False)
    else:
        _write({out: text})


def _onnx_comparison(kills: Sequence[kill.Kill]) -> str:
    from conformance import onnx_node_tests  # an extra, and slow to import

    try:
        return kill_matrix.comparison(onnx_node_tests.measure(), kills)
    except onnx_node_tests.OnnxMissingError as error:
        raise _Refused(str(error)) from None


def _progress(results: Iterable[Result], length: int) -> Any:
    """The results behind a bar on a terminal, none in a pipe."""
    hidden = sys.stderr is None or not sys.stderr.isatty()
    return click.progressbar(results, length=length, label="cases", file=sys.stderr, hidden=hidden)


def _make_folder(out: Path, *names: str) -> None:
    """Make the folder for results, and find out before the work whether it takes them."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _Refused(f"cannot write to {out}: {error.strerror}, expected a folder") from None
    for name in names:
        _check_writable(out / name)


def _check_writable(path: Path) -> None:
    try:
        files.check_writable(path)
    except OSError as error:
        raise _Refused(f"cannot write {path}: {error.strerror}") from None


def _write(texts: Mapping[Path, str]) -> None:
    try:
        files.write(texts)
    except OSError as error:
        raise _Refused(f"cannot write {' and '.join(map(str, texts))}: {error.strerror}") from None


def _select(level: Level, **filters: Sequence[str]) -> list[Case]:
    suites = [*sorted({case.suite for case in cases.all_cases()}), *SUITES]
    for suite in filters["suites"]:
        if suite not in suites:
            raise _Refused(f"no suite is called {suite}; the suites are {', '.join(suites)}")
    selected = cases.select(level=level, **filters)
    for glob in filters["globs"]:
        if not cases.select(globs=[glob]):
            near = _near(glob, [case.id.rpartition("/")[0] for case in cases.all_cases()])
            raise _Refused(f"no case matches {glob}{near}")
    if not selected:
        raise _Refused("no case matches all of these filters together; `conformance list` shows every case")
    return selected


def _near(name: str, known: Iterable[str]) -> str:
    """What a name that is unknown may have been meant to be, to be put behind a message."""
    near = difflib.get_close_matches(name, dict.fromkeys(known), n=3)
    return f"; did you mean {' or '.join(near)}?" if near else "; `conformance list` shows every case"


def main() -> NoReturn:
    """Run a command; every refusal is one line on standard error and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name or a message may have what cannot be encoded
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, _terminated)
    try:
        code = cli.main(standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.ClickException as error:
        _refuse(error.format_message())
    except click.Abort:
        click.echo("conformance: interrupted", err=True)
        sys.exit(130)
    except (_Refused, ImplementationError, TorchSuiteMissingError, log.LogError) as error:
        _refuse(str(error))
    except BrokenProcessPool:
        _refuse("a worker process died, perhaps because memory ran out; nothing was written")
    except OSError as error:
        if error.filename is None:  # what is left of the output must not be tried again
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _refuse(f"cannot read or write {error.filename or 'the output'}: {error.strerror}")
    sys.exit(code)


def _terminated(number: int, frame: object) -> NoReturn:
    click.echo("conformance: terminated", err=True)
    sys.exit(128 + number)


def _refuse(message: str) -> NoReturn:
    click.echo(f"conformance: {' '.join(message.split())}", err=True)
    sys.exit(2)

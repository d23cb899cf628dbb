"""The diagnosis names what it knows, and nothing else. The full figures are measured by ``tests/diagnosis.py``."""

from __future__ import annotations

import itertools
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance import cases, log, tolerance
from conformance.adapters import reference
from conformance.case import Case
from conformance.cli import cli
from conformance.diagnose import Diagnosis, Search
from conformance.divergences import Divergence, applied, by_id, catalogue
from conformance.divergences.notebook import SIMPLE_RNN, SIMPLE_RNN_2
from conformance.implementation import Implementation, load
from conformance.judging import judge
from conformance.matching import Observation
from conformance.run import diagnose_all
from conformance.tolerance import Precision
from conformance.trace import Trace
from tests.conformance import as_written, observing, unknown

SINGLES = {
    "rnn": [
        "hh-gradient-uses-current-state",
        "weight-hh-transposed",
        "truncated-after-10",
        "final-state-gradient-ignored-reverse",
        "initial-states-in-direction-order",
        "derivative-of-tanh-for-relu",
        "weights-updated-in-the-loop-0.01",
        "gradients-accumulated-in-float32",
    ],
    "optimizer": ["adam-epsilon-hat-1e-7", "sgd-rate-inside-velocity", "adagrad-epsilon-inside-root"],
    "loss": ["cross-entropy-ignored-samples-in-the-divisor", "mse-halved"],
    "activation": ["relu-derivative-1-at-zero", "softmax-derivative-diagonal"],
    "linear": ["linear-bias-gradient-mean-of-units"],
    "initializer": ["kaiming-slope-ignored"],
    "training": [
        *("linear-bias-gradient-mean-of-units", "training-gradients-accumulated", "training-reads-final-states"),
        *("training-state-carried-over", "training-clipped-to-norm-1.0", "count-shared-by-parameters"),
    ],
    "notebook": [
        "softmax-backward-of-the-summed-loss",
        "optimizer-state-shared",
        "states-in-float32",
        "gradients-accumulated-in-float32",
    ],
}


@pytest.mark.parametrize(("family", "name"), [(family, name) for family, names in SINGLES.items() for name in names])
def test_names_a_single_divergence(family: str, name: str) -> None:
    observed = observing.observe(family, [by_id()[name]])
    assert any(seen.diverges for seen in observed)
    found = observing.diagnose(family, observed)
    assert observing.named(found, [by_id()[name]])
    assert all(len(members) == 1 for members in found.sets)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "names",
    [
        ("hh-gradient-uses-current-state", "recurrent-bias-ignored"),
        ("derivative-missing", "layers-detached"),
        ("reverse-is-forward", "initial-state-ignored", "batch-mean"),
        ("weight-hh-transposed", "last-upstream-dropped", "hh-gradient-without-initial-state"),
    ],
)
def test_names_several_at_once(names: tuple[str, ...], dtype: str) -> None:
    members = [by_id()[name] for name in names]
    assert observing.named(observing.diagnose("rnn", observing.observe("rnn", members, dtype), dtype), members)


def test_works_on_incomplete_traces() -> None:
    def given(name: str) -> bool:
        return name == "output" or name.startswith("grad.weight")

    members = [by_id()["hh-gradient-uses-current-state"], by_id()["initial-state-ignored"]]
    assert observing.named(observing.diagnose("rnn", observing.observe("rnn", members, given=given)), members)


@pytest.mark.parametrize(
    ("family", "mistake"),
    [(family, mistake) for family, group in unknown.BY_FAMILY.items() for mistake in group],
    ids=lambda value: value.id if isinstance(value, Divergence) else value,
)
def test_never_explains_an_unknown_mistake(family: str, mistake: Divergence) -> None:
    observed = observing.observe(family, [mistake])
    assert any(seen.diverges for seen in observed)
    found = observing.diagnose(family, observed)
    assert not found.complete
    assert found.explained < found.diverging


def test_twenty_unknown_mistakes() -> None:
    mistakes = list(itertools.chain.from_iterable(unknown.BY_FAMILY.values()))
    assert len({mistake.id for mistake in mistakes} - by_id().keys()) == 20


def test_what_agrees_is_evidence_too() -> None:
    """A set that explains all diverging cases but breaks an agreeing one explains in part only."""
    name = "truncated-after-1"
    observed = observing.observe("rnn", [by_id()[name]])
    healed = [seen for seen in observed if not seen.diverges]
    first = next(seen for seen in observed if seen.diverges)
    right = observing.right("rnn", "float64", "quick")[first.case.id]
    healed.append(Observation(first.case, dict(right), diverges=False))
    still = [seen for seen in observed if seen.diverges and seen is not first]
    assert not observing.diagnose("rnn", [*still, *healed]).complete


def test_an_array_that_is_the_same_after_every_step_is_found() -> None:
    """The last step's, which was changed in place; not the first one's, which was never changed, nor what moves."""

    def observed(step: str, keys: str) -> list[Observation]:
        seen = []
        for case in observing.selected("optimizer", "float64", "quick"):
            if case.description.startswith("SGD-"):
                right = observing.right("optimizer", "float64", "quick")[case.id]
                last = case.steps if step == "last" else 0
                frozen = {
                    name: right[f"step{last}.{rest}"] if last else case[rest]
                    for name in right
                    if (rest := name.partition(".")[2]).startswith(keys)
                }
                seen.append(Observation(case, {**right, **frozen}, diverges=True))
        return seen

    search = partial(Search, "optimizer", precision=Precision.of(np.dtype(np.float64)), seconds=0.1, known=[])
    assert search(observations=observed("last", "param.")).diagnose().overwritten == ("param.weight", "param.bias")
    assert search(observations=observed("last", "param.bias")).diagnose().overwritten == ("param.bias",)
    assert search(observations=observed("first", "param.")).diagnose().overwritten == ()


def test_the_sign_of_a_zero_is_evidence_where_a_case_is_about_it() -> None:
    """relu(-0) = +0 shows in no number: it is named where it shows, and nothing else passes for it."""
    name = "relu-of-minus-zero"
    observed = observing.observe("activation", [by_id()[name]])
    assert {seen.case.description for seen in observed if seen.diverges} == {"relu-signed-zeros"}
    found = observing.diagnose("activation", observed)
    assert found.complete
    assert found.sets == ((name,),)
    precision, others = Precision.of(np.dtype("float64")), [by_id()["relu-gradient-multiplied"]]
    assert Search("activation", observed, precision, known=others).diagnose().sets == ()


def test_half_of_a_divergence_is_not_explained_by_it() -> None:
    """Without a bias the half cannot be told from the whole: the cases that have none prove nothing by themselves."""
    observed = observing.observe("linear", [by_id()["linear-weight-gradient-batch-mean"]])
    precision, known = Precision.of(np.dtype("float64")), [by_id()["linear-batch-mean"]]
    found = Search("linear", observed, precision, known=known).diagnose()
    assert found.sets == ()
    assert found.explained == 0
    # where nothing contradicts it, a partial match stays one
    without_the_right_array = [
        Observation(seen.case, {name: a for name, a in seen.actual.items() if name != "grad.bias"}, seen.diverges)
        for seen in observed
    ]
    found = Search("linear", without_the_right_array, precision, known=known).diagnose()
    assert found.sets == (("linear-batch-mean",),)


def test_nothing_is_simulated_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    members = [by_id()["hh-gradient-uses-current-state"], by_id()["tanh-by-exponentials"]]
    observed, precision = observing.observe("rnn", members), Precision.of(np.dtype("float64"))
    simulated = []
    simulate = tolerance.simulate

    def counting(*arguments: Any) -> tolerance.Simulation:
        simulated.append(arguments[0].id)
        return simulate(*arguments)

    monkeypatch.setattr(tolerance, "simulate", counting)
    late = Search("rnn", observed, precision, seconds=0.0)
    late.diagnose()
    assert simulated == []
    Search("rnn", observed, precision).diagnose()
    assert simulated


def _as_written(family: str, only: str = "") -> Diagnosis:
    observations = []
    for case in cases.select(families=[family], dtypes=["float64"]):
        if only and only not in str(case.config):
            continue
        try:
            with np.errstate(all="ignore"):
                actual = getattr(as_written, family)(case)
        except NotImplementedError:
            continue
        right = observing.right(family, "float64", "standard")[case.id]
        diverges = any(observing.differs(np.asarray(actual[name]), right[name]) for name in actual)
        observations.append(Observation(case, {name: np.asarray(a) for name, a in actual.items()}, diverges))
    return Search(family, observations, Precision.of(np.dtype("float64"))).diagnose()


def test_the_notebooks_simple_rnn_is_its_seven_divergences() -> None:
    found = _as_written("rnn")
    assert found.complete
    assert [set(members) for members in found.sets] == [set(SIMPLE_RNN)]
    assert len(SIMPLE_RNN) == 7


@pytest.mark.parametrize(("layer", "members"), [("'SimpleRNN'", SIMPLE_RNN), ("'SimpleRNN2'", SIMPLE_RNN_2)])
def test_the_notebooks_layers_in_training(layer: str, members: tuple[str, ...]) -> None:
    """Without a case that gives h_0, that it is ignored cannot be seen."""
    found = _as_written("notebook", only=layer)
    assert found.complete
    assert any(set(names) == set(members) - {"initial-state-missing"} for names in found.sets)


def test_a_run_ends_with_its_diagnosis(tmp_path: Path) -> None:
    """Through the whole command: a file, its traces, the log and the report."""
    from click.testing import CliRunner

    source = Path(str(as_written.__file__))
    shutil.copy(source, tmp_path / "my_rnn.py")
    arguments = ["run", str(tmp_path / "my_rnn.py"), "--case", "core/rnn/*small*", "--case", "documented/rnn/*"]
    result = CliRunner().invoke(cli, [*arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    [found] = log.read(tmp_path / "out" / "results.jsonl").footer["diagnoses"]
    assert found["family"] == "rnn"
    assert found["complete"]
    assert "h_t in place of h_{t-1} in d_weight_hh" in result.output
    report = (tmp_path / "out" / "REPORT.md").read_text()
    assert "+    previous = h[1:]" in report
    diverging = [check for check in log.read(tmp_path / "out" / "results.jsonl").checks if check.verdict == "diverges"]
    assert any("hh-gradient-uses-current-state" in (check.diagnosis or "") for check in diverging)


def test_nothing_is_diagnosed_where_nothing_diverges() -> None:
    selected = cases.select(globs=["core/rnn/small/float64"])
    judged = [judge(case, load("numpy")) for case in selected]
    assert diagnose_all(selected, judged, None) == []


def test_mistakes_that_cancel_are_no_explanation() -> None:
    own = "recurrent-bias-gradient-doubled"
    seen = observing.observe("rnn", [by_id()[own]])
    known = [divergence for divergence in catalogue() if divergence.id != own]
    with_its_name, without = (
        Search("rnn", seen, Precision.of(np.dtype(np.float64)), known=divergences).diagnose()
        for divergences in (catalogue(), known)
    )
    assert with_its_name.sets == ((own,),)
    # bias_hh left out in the forward pass, and counted twice throughout
    assert without.sets == ()
    assert not without.complete


def test_wrong_shapes_are_explained_where_nothing_else_is_wrong() -> None:
    mistake = by_id()["linear-bias-gradient-of-the-first-axis-only"]

    def linear(case: Case) -> Trace:
        with applied([mistake]):
            return reference.linear(case)

    selected = cases.select(families=["linear"], dtypes=["float64"])
    judged = [judge(case, Implementation("mine.py", {"linear": linear})) for case in selected]
    wrong = [check for result in judged for check in result.checks if check.verdict == "diverges"]
    assert wrong
    assert all("shape" in str(check.reason) for check in wrong)
    (found,) = diagnose_all(selected, judged, None)
    assert (found.sets, found.complete) == (((mistake.id,),), True)


@pytest.mark.parametrize("others", [(), ("cross-entropy-smoothing-over-the-other-classes",)])
def test_nan_alone_is_explained_by_nothing_that_would_change_what_agrees(others: tuple[str, ...]) -> None:
    """A gradient that is 0 / 0 where every sample is ignored: many formulas divide by that sum."""
    observed = []
    for seen in observing.observe("loss", [by_id()[name] for name in others], level="standard"):
        empty = seen.case.description.endswith("all-ignored-mean")
        nan = {"grad.input": np.full_like(seen.actual["grad.input"], np.nan)} if empty else {}
        observed.append(Observation(seen.case, {**seen.actual, **nan}, seen.diverges or empty))
    assert any(np.isnan(seen.actual["grad.input"]).all() for seen in observed if seen.diverges)
    found = observing.diagnose("loss", observed)
    assert found.sets == ((others,) if others else ())
    assert not found.complete


def test_in_part_nothing_is_named_for_the_sake_of_one_case() -> None:
    named, once = "hh-gradient-uses-current-state", "nonlinearity-always-tanh"
    observed = observing.observe("rnn", [by_id()[named], by_id()[once]])
    relu = [seen for seen in observed if seen.case.config["nonlinearity"] == "relu" and seen.diverges]
    tanh = [seen for seen in observed if seen.case.config["nonlinearity"] == "tanh"]
    diverging = next(seen for seen in tanh if seen.diverges)
    unknown_too = Observation(diverging.case, {"output": diverging.actual["output"] + 1}, diverges=True)
    others = [seen for seen in tanh if seen is not diverging]
    found = observing.diagnose("rnn", [*others, *relu[:1], unknown_too])
    assert (found.sets, found.complete) == (((named,),), False)
    # of two it is evidence
    found = observing.diagnose("rnn", [*others, *relu[:2], unknown_too])
    assert (found.sets, found.complete) == (((once, named),), False)

"""The committed result of the mutation job is of these sources, and says why each survivor is equivalent."""

from __future__ import annotations

import pytest

from tests.mutation import results
from tests.mutation.results import COMMAND, FOLDER, Results, Survivor

COMMITTED = results.load()
README = FOLDER.with_name("README.md")


def lines(module: str) -> str:
    """A module's source, as the results have it: without indentation or line breaks."""
    path = FOLDER.joinpath(*filter(None, module.split(".")))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return " ".join(line.strip() for line in file.read_text(encoding="utf-8").splitlines())


def test_every_module_has_been_mutated_as_it_is() -> None:
    assert results.stale(COMMITTED) == [], f"run {COMMAND}"
    assert COMMITTED["modules"].keys() == set(results.module_names())


def test_a_changed_and_a_new_module_are_stale() -> None:
    modules = dict(COMMITTED["modules"])
    del modules["rnn"]
    modules["linear"] = {**modules["linear"], "sources": "0" * 64}
    assert results.stale(Results(tool="", modules=modules, survivors=[])) == ["linear", "rnn"]


@pytest.mark.parametrize("survivor", COMMITTED["survivors"], ids=lambda s: f"{s['module']}.{s['place']}")
def test_a_survivor_is_argued_to_be_equivalent(survivor: Survivor) -> None:
    assert survivor["argument"].strip(), f"{survivor['original']} -> {survivor['mutated']}: kill it, or say why not"
    assert survivor["original"] in lines(survivor["module"])
    assert survivor["mutated"] != survivor["original"]


def test_mutants_that_neither_cases_nor_tests_kill_are_all_listed() -> None:
    for module, result in COMMITTED["modules"].items():
        counts = result["counts"]
        assert counts["survived"] == sum(survivor["module"] == module for survivor in COMMITTED["survivors"])
        assert counts["by_cases"] + counts["by_tests"] + counts["survived"] == counts["mutants"]


def test_the_readme_has_these_figures() -> None:
    counted = [module["counts"] for module in COMMITTED["modules"].values()]
    mutants, by_cases, by_tests, survived = (
        sum(counts[kind] for counts in counted) for kind in ("mutants", "by_cases", "by_tests", "survived")
    )
    text = " ".join(README.read_text(encoding="utf-8").split())
    killed = f"{by_cases:,} are killed by the cases of the standard level, {by_tests:,} by tests"
    assert f"Of {mutants:,} mutants {killed}, and {survived} survive" in text

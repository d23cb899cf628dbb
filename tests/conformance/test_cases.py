"""The cases themselves: complete configurations, arrays that discriminate, and names that are true."""

from __future__ import annotations

import hashlib
import inspect
import math
import re
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from conformance import cases
from conformance.case import DTYPES, FAMILIES, Array, Case
from conformance.cases import cell, documented, networks, optimizer, packing, sweep
from conformance.trace import Trace
from tests.conformance.fakes import case_of, changed, run_reference, run_torch

ALL = cases.all_cases()
WIDE = [case for case in ALL if case.dtype == np.float64]

EXECUTION = {"foreach", "fused", "capturable", "differentiable", "device", "dtype", "inplace", "generator"}
"""ways of executing, not arguments of an algorithm"""
DEPRECATED = {"size_average", "reduce", "_stacklevel"}
ARRAYS = {"input", "tensor", "target", "weight", "params", "self"}
"""arguments that a case hands over as arrays"""


# ---------------------------------------------------------------------------------------- ids, notes, selection


def test_ids_are_unique_and_say_suite_family_description_and_dtype() -> None:
    assert len({case.id for case in ALL}) == len(ALL)
    for case in ALL:
        suite, family, description, dtype = case.id.split("/")
        assert suite in ("documented", "core")
        assert family in FAMILIES
        assert dtype in DTYPES
        assert re.fullmatch(r"[A-Za-z0-9_.]+(-[A-Za-z0-9_.]+)*", description)


def test_every_family_has_cases_and_every_case_a_note() -> None:
    assert {case.family for case in ALL} == set(FAMILIES)
    assert [case.id for case in ALL if not case.note.strip() or "\n" in case.note] == []


def test_the_documented_example_comes_first() -> None:
    suites = [case.suite for case in ALL]
    assert suites == sorted(suites, key=["documented", "core"].index)
    assert ALL[0].id == "documented/rnn/three-step/float64"


def _ids(**filters: Any) -> set[str]:
    return {case.id for case in cases.select(**filters)}


@pytest.mark.parametrize(
    ("filters", "belongs"),
    [
        ({"suites": ["documented"]}, lambda case: case.suite == "documented"),
        ({"families": ["rnn", "loss"]}, lambda case: case.family in ("rnn", "loss")),
        ({"dtypes": ["float32"]}, lambda case: case.dtype == np.float32),
        ({"level": "quick"}, lambda case: case.level == "quick"),
        ({"globs": ["core/rnn/small*", "core/loss/*"]}, lambda case: re.match("core/(rnn/small|loss/)", case.id)),
        ({"globs": ["core/rnn/small"]}, lambda case: re.fullmatch("core/rnn/small/float(32|64)", case.id)),
        ({"globs": ["documented/three-step"]}, lambda case: case.suite == "documented"),
        ({"families": ["rnn"], "dtypes": ["float64"], "globs": ["*relu*"]},
         lambda case: case.id.startswith("core/rnn/") and "relu" in case.id and case.id.endswith("float64")),
        ({"globs": ["CORE/*"]}, lambda case: False),
        ({}, lambda case: True),
    ],
)  # fmt: skip
def test_a_filter_lets_through_what_belongs_and_nothing_else(
    filters: dict[str, Any], belongs: Callable[[Case], object]
) -> None:
    assert _ids(**filters) == {case.id for case in ALL if belongs(case)}


def test_a_case_of_a_sweep_follows_from_its_id() -> None:
    for number in range(22):
        case = sweep.case(3, number, "float32")
        assert re.fullmatch(rf"sweep/\w+/3-{number}/float32", case.id)
        again = sweep.by_id(case.id)
        assert again is not None
        assert (again.config, list(again)) == (case.config, list(case))
        assert all(np.array_equal(again[name], case[name]) for name in case)
        assert sweep.by_id(case.id.replace("sweep/", "sweep/other_")) is None


def test_a_sweep_covers_every_option_of_the_networks() -> None:
    swept = [sweep.case(4, number, "float64") for number in range(400)]
    networks = [case for case in swept if "bidirectional" in case.config]
    for kind in ("rnn", "lstm", "gru"):
        assert {f"{kind}{form}" for form in ("", "_packed", "_unbatched")} <= {case.family for case in networks}
        of_kind = [case.config for case in networks if case.family.startswith(kind)]
        assert {config["num_layers"] for config in of_kind} == {1, 2, 3, 4}
        for option in ("bias", "batch_first", "bidirectional"):
            assert {config[option] for config in of_kind} == {False, True}
    assert {case.config["nonlinearity"] for case in networks if case.family == "rnn"} == {"tanh", "relu"}
    assert {case.config["proj_size"] > 0 for case in networks if case.family == "lstm"} == {False, True}
    assert {case.config["enforce_sorted"] for case in networks if "lengths" in case} == {False, True}
    assert {"h_0" in case for case in networks} == {False, True}


def test_there_are_fewer_quick_cases_than_standard_ones_of_every_family() -> None:
    for family in FAMILIES:
        assert _ids(families=[family], level="quick") <= _ids(families=[family])
        assert _ids(families=[family], level="quick")


# ------------------------------------------------------------------------------------------------ arrays


def test_float32_cases_are_float64_cases_rounded() -> None:
    for wide in WIDE:
        if wide.family in ("schedule", "error"):
            continue  # rates are Python's floats whatever the parameters are, and refusals do not depend on the dtype
        narrow = case_of(wide.id.replace("float64", "float32"))
        assert (narrow.config, narrow.note, narrow.level, list(narrow)) == (
            *(wide.config, wide.note, wide.level, list(wide)),
        )
        for name in wide:
            dtype = np.float32 if wide[name].dtype.kind == "f" and not name.endswith(".lr") else wide[name].dtype
            assert narrow[name].dtype == dtype
            np.testing.assert_array_equal(narrow[name], wide[name].astype(dtype), f"{wide.id} {name}")


def test_arrays_handed_out_are_copies() -> None:
    for case in WIDE:
        for name in case:
            array = case[name]
            assert not np.shares_memory(array, case.arrays[name])
            assert array.flags.writeable


DIGEST = """
import hashlib
from conformance import cases
digest = hashlib.sha256()
for case in cases.all_cases():
    for name in case:
        digest.update(f"{case.id} {name} {case[name].dtype} {case[name].shape}".encode() + case[name].tobytes())
print(digest.hexdigest())
"""


def test_another_process_draws_the_same_arrays() -> None:
    there = subprocess.run([sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True).stdout
    digest = hashlib.sha256()
    for case in ALL:
        for name in case:
            digest.update(f"{case.id} {name} {case[name].dtype} {case[name].shape}".encode() + case[name].tobytes())
    assert there.strip() == digest.hexdigest()


GENERATED = re.compile(r"(tanh|relu)-\d-layer|random-\d\d|(only|no)-.*(gradient|state)")
"""RNN cases without a special shape or value"""


def test_generated_networks_have_sizes_that_differ_and_nothing_symmetric_in_them() -> None:
    generated = [case for case in WIDE if case.family == "rnn" and GENERATED.match(case.description)]
    assert len(generated) > 80
    for case in generated:
        sizes = [*case["input"].shape, case.config["hidden_size"]]
        assert min(sizes) > 1, case.id
        assert len(set(sizes)) == 4, case.id
        for name in case:
            values = case[name].ravel()
            assert len(np.unique(values)) == values.size, (case.id, name)
            assert np.all(values != 0), (case.id, name)
        upstream = {"d_output", "d_h_n"} & set(case)
        assert upstream == {"d_output", "d_h_n"} or case.description.startswith("only-"), case.id
        assert ("h_0" in case) != case.description.startswith("no-initial-state"), case.id


def test_generated_networks_are_not_saturated() -> None:
    for case in WIDE:
        if case.family == "rnn" and GENERATED.match(case.description) and case.config["nonlinearity"] == "tanh":
            assert np.mean(np.abs(run_reference(case)["output"]) < 0.95) > 0.8, case.id


def test_optimizer_cases_have_gradients_of_every_scale() -> None:
    """Where all gradients are near 1, an epsilon in the wrong place cannot be seen."""
    for case in WIDE:
        if case.config.get("algorithm") == "Muon":
            continue  # its direction has no scale, and the small rows of a matrix are lost in bfloat16
        if case.family == "optimizer" and not case.description.endswith(
            ("small-gradients", "large-gradients", "tiny-gradients")
        ):
            grads = [case[name] for name in case if re.fullmatch(r"step\d+\.grad\.weight", name)]
            sizes = np.max(np.abs(np.hstack(grads)), axis=1)
            assert sizes[0] > 0.3, case.id
            assert np.all(sizes[1:] < [0.1, 1e-3, 1e-7, 1e-300]), case.id
            assert np.all((sizes[:4] > 0) & (sizes[4] == 0)), case.id


def test_both_sides_give_the_same_arrays_in_shape_and_dtype() -> None:
    for case in ALL:
        expected, actual = run_torch(case), run_reference(case)
        assert {name: (a.shape, a.dtype) for name, a in actual.items()} == {
            name: (a.shape, a.dtype) for name, a in expected.items()
        }, case.id


# -------------------------------------------------------------------------------------------- configurations


def _arguments(function: Callable[..., Any]) -> dict[str, Any]:
    """Names and defaults of torch's arguments, without arrays and ways of executing."""
    parameters = inspect.signature(function).parameters
    left_out = EXECUTION | DEPRECATED | ARRAYS
    return {name: p.default for name, p in parameters.items() if name not in left_out}


def _rnn_arguments() -> dict[str, Any]:
    documented_overload, _ = typing.get_overloads(torch.nn.RNN.__init__)
    return _arguments(documented_overload)


def _loss_arguments(name: str) -> dict[str, Any]:
    return _arguments(getattr(torch.nn.functional, name))


OPTIMIZERS = sorted(optimizer.DEFAULTS)


@pytest.mark.parametrize("algorithm", OPTIMIZERS)
def test_an_optimizers_defaults_are_torchs(algorithm: str) -> None:
    arguments = _arguments(getattr(torch.optim, algorithm))
    defaults = {key: tuple(v) if isinstance(v, list) else v for key, v in optimizer.DEFAULTS[algorithm].items()}
    assert defaults == arguments


def test_every_optimizer_case_holds_all_arguments() -> None:
    for case in WIDE:
        if case.family == "optimizer":
            assert set(case.config) == {"algorithm", *optimizer.DEFAULTS[case.config["algorithm"]]}, case.id


def test_a_networks_defaults_are_torchs_and_every_case_holds_all_arguments() -> None:
    arguments = _rnn_arguments()
    assert set(arguments) == {"input_size", "hidden_size", *networks.DEFAULTS["rnn"]}
    assert {name: arguments[name] for name in networks.DEFAULTS["rnn"]} == networks.DEFAULTS["rnn"]
    for case in WIDE:
        if case.family in ("rnn", "training"):
            config = case.config if case.family == "rnn" else case.config["rnn"]
            assert set(config) == set(arguments), case.id


def test_every_other_case_holds_all_arguments_too() -> None:
    linear = set(_arguments(torch.nn.Linear))
    for case in WIDE:
        config = set(case.config)
        if case.family == "linear":
            assert config == linear
        elif case.family.startswith("training"):
            assert set(case.config["linear"]) == linear
            algorithm = case.config["optimizer"]["algorithm"]
            assert set(case.config["optimizer"]) == {"algorithm", *optimizer.DEFAULTS[algorithm]}
        elif case.family in ("loss", "activation"):
            assert config == {"function", *_loss_arguments(case.config["function"])}, case.id
        elif case.family.startswith("initializer") and hasattr(torch.nn.init, f"{case.config['function']}_"):
            function = getattr(torch.nn.init, f"{case.config['function']}_")
            assert config == {"function", "shape", *_arguments(function)}, case.id


# ------------------------------------------------------------------------------------- names that are true


def _same(one: Trace, other: Trace, names: str = ".*") -> bool:
    """Whether the arrays with such names are the same in both, but for what no tolerance could see."""
    shared = [name for name in one if name in other and re.fullmatch(names, name)]
    assert shared
    return all(
        one[name].shape == other[name].shape and np.allclose(one[name], other[name], rtol=1e-9, atol=0, equal_nan=True)
        for name in shared
    )


def _with(case: Case, **config: Any) -> Case:
    return replace(case, config={**case.config, **config})


def _resized(case: Case, **config: Any) -> Case:
    """The case with other options, its arrays cut or continued at random to the shapes that these ask for."""
    flipped = _with(case, **config)
    lead = case["input"].shape[1::-1] if flipped.config["batch_first"] else case["input"].shape[:2]
    shapes = networks.arrays_of(np.random.default_rng(1), "rnn", dict(flipped.config), batch=lead[1], steps=lead[0])
    for name, array in shapes.items():
        if name in case:
            common = tuple(slice(min(a, b)) for a, b in zip(array.shape, case[name].shape, strict=True))
            array[common] = case[name][common]
    return replace(flipped, arrays={name: shapes[name] for name in shapes if name in case or name.startswith("bias")})


RNN_FLIPS: dict[str, dict[str, Any]] = {
    "tanh": {"nonlinearity": "relu"},
    "relu": {"nonlinearity": "tanh"},
    "2-layer": {"num_layers": 1},
    "3-layer": {"num_layers": 2},
    "bidirectional": {"bidirectional": False},
    "no-bias": {"bias": True},
    "batch_first": {"batch_first": False},
}

NAMED_NETWORKS = [
    (case, flip)
    for case in WIDE
    if case.family == "rnn" and case.suite == "core"
    for name, flip in RNN_FLIPS.items()
    if re.search(rf"(^|-){name}(-|$)", case.description)
]


def test_what_a_networks_name_says_changes_torchs_trace() -> None:
    assert len(NAMED_NETWORKS) > 150
    assert {next(iter(flip)) for _, flip in NAMED_NETWORKS} == {
        *("nonlinearity", "num_layers", "bidirectional", "bias", "batch_first")
    }
    for case, flip in NAMED_NETWORKS:
        (option,) = flip
        assert case.config[option] != flip[option], (case.id, flip)
        expected, flipped = run_torch(case), run_torch(_resized(case, **flip))
        assert not _same(expected, flipped, "output"), (case.id, flip)


def test_every_combination_of_the_options_has_a_case() -> None:
    combinations = {
        tuple(case.config[option] for option in ("nonlinearity", "num_layers", "bidirectional", "bias", "batch_first"))
        for case in WIDE
        if case.family == "rnn" and re.match(r"(tanh|relu)-\d-layer", case.description)
    }
    assert len(combinations) == 2 * 3 * 2 * 2 * 2


def _optimizer_flips(config: Mapping[str, Any], name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every option in a case's name, with the options that set it to torch's default."""
    defaults = optimizer.DEFAULTS[config["algorithm"]]
    for option in [part for part in name.split("-") if part in defaults]:
        flip = {option: defaults[option]}
        if option == "momentum":
            # torch refuses nesterov without momentum, and dampening has nothing to act on
            flip |= {key: defaults[key] for key in ("nesterov", "dampening") if key in defaults}
        yield option, flip


NAMED_OPTIMIZERS = [
    (case, option, flip)
    for case in WIDE
    if case.family == "optimizer" and "changing" not in case.description
    for option, flip in _optimizer_flips(case.config, case.description.partition("-")[2])
]


def test_every_option_of_every_optimizer_has_a_case_named_after_it() -> None:
    named = {(case.config["algorithm"], option) for case, option, _ in NAMED_OPTIMIZERS}
    assert named == {(algorithm, option) for algorithm, options in optimizer.DEFAULTS.items() for option in options}


@pytest.mark.parametrize(
    ("case", "option", "flip"), NAMED_OPTIMIZERS, ids=[f"{c.description}:{o}" for c, o, _ in NAMED_OPTIMIZERS]
)
def test_what_an_optimizers_name_says_changes_torchs_parameters(case: Case, option: str, flip: dict[str, Any]) -> None:
    assert case.config[option] != flip[option]
    # ASGD's t0 decides what is averaged, and the average stands beside the parameters
    moved = r"step\d+\.state\..*\.ax" if option == "t0" else r"step\d+\.param\..*"
    assert not _same(run_torch(case), run_torch(_with(case, **flip)), moved)


@pytest.mark.parametrize("algorithm", OPTIMIZERS)
def test_changing_rates_and_missing_gradients_matter(algorithm: str) -> None:
    changing = case_of(f"core/optimizer/{algorithm}-changing-lr/float64")
    constant = replace(
        changing, arrays={name: changing[name] for name in changing if not re.match(r"step[4-8]\.lr", name)}
    )
    before, after = r"step[123]\.param\..*", r"step[45678]\.param\..*"
    assert _same(run_torch(changing), run_torch(constant), before) == ("step4.lr" in changing)
    # Rprop starts from the rate and never looks at it again: that is what its case is there to show
    assert _same(run_torch(changing), run_torch(constant), after) == (algorithm == "Rprop")

    missing = case_of(f"core/optimizer/{algorithm}-missing-gradients/float64")
    zeros = {
        "step4.grad.bias": np.zeros_like(missing["param.bias"]),
        "step3.grad.weight": np.zeros_like(missing["param.weight"]),
    }
    assert not zeros.keys() & set(missing)
    given = changed(missing, zeros)
    # a gradient of zeros is not the same as none, but for the plainest algorithms the parameters cannot tell
    assert not _same(run_torch(missing), run_torch(given), r"step\d+\.(param|state)\..*")


@pytest.mark.parametrize("name", ["momentum", "nesterov", "amsgrad"])
def test_what_a_trainings_name_says_changes_torchs_trace(name: str) -> None:
    named = [case for case in WIDE if case.family == "training" and case.description.split("-")[-1] == name]
    assert len(named) >= 3
    for case in named:
        config = case.config["optimizer"]
        flip = next(flip for option, flip in _optimizer_flips(config, name) if option == name)
        flipped = _with(case, optimizer={**config, **flip})
        assert not _same(run_torch(case), run_torch(flipped), r"step\d+\.(param|state)\..*"), case.id


LOSS_FLIPS: dict[str, Callable[[Case], Case]] = {
    "mean": lambda case: _with(case, reduction="sum"),
    "sum": lambda case: _with(case, reduction="mean"),
    "weight": lambda case: replace(case, arrays={name: case[name] for name in case if name != "weight"}),
    "smoothing": lambda case: _with(case, label_smoothing=0.0),
    "ignored": lambda case: changed(case, {"target": np.maximum(case["target"], 0)}),
    "ignore-class": lambda case: _with(case, ignore_index=-100),
}


@pytest.mark.parametrize("name", LOSS_FLIPS)
def test_what_a_losss_name_says_changes_torchs_trace(name: str) -> None:
    named = [case for case in WIDE if case.family == "loss" and re.search(rf"-{name}(-|$)", case.description)]
    assert named
    for case in named:
        assert not _same(run_torch(case), run_torch(LOSS_FLIPS[name](case)), "output"), case.id


INITIALIZER_FLIPS: dict[str, dict[str, Any]] = {
    "gain": {"gain": 1.0},
    "fan_in": {"mode": "fan_out"},
    "fan_out": {"mode": "fan_in"},
    "leaky": {"a": 0.0},
    "relu": {"nonlinearity": "linear"},
}


@pytest.mark.parametrize("name", INITIALIZER_FLIPS)
def test_what_an_initializers_name_says_changes_torchs_bound(name: str) -> None:
    initializers = [case for case in WIDE if case.family == "initializer"]
    named = [case for case in initializers if re.match(rf"(xavier|kaiming).*-{name}(-|$)", case.description)]
    assert named
    for case in named:
        assert not _same(run_torch(case), run_torch(_with(case, **INITIALIZER_FLIPS[name])), "bound|std"), case.id


def test_what_other_initializers_names_say_changes_torchs_values() -> None:
    gained = case_of("core/initializer_values/orthogonal-gain/float64")
    assert not _same(run_torch(gained), run_torch(_with(gained, gain=1.0)), "output")
    for kind in ("lstm", "gru"):
        both = case_of(f"core/initializer/{kind}-default-bidirectional/float64")
        assert run_torch(both).keys() > run_torch(_with(both, bidirectional=False)).keys()
    projected = case_of("core/initializer/lstm-default-proj_size/float64")
    assert run_torch(projected).keys() > run_torch(_with(projected, proj_size=0)).keys()
    shifted = case_of("core/initializer/normal-shifted/float64")
    assert not _same(run_torch(shifted), run_torch(_with(shifted, mean=0.0)), "mean")
    asymmetric = case_of("core/initializer/uniform-asymmetric/float64")
    assert not _same(run_torch(asymmetric), run_torch(_with(asymmetric, a=0.0)), "low")


def test_softmaxs_axis_matters() -> None:
    axes = {"rows": 0, "columns": 1, "last-axis": 1, "middle-axis": 2, "first-axis": 1, "third-axis": 1}
    axes |= {"last-but-one": 0, "last-but-two": 1, "four-axes": 0}
    for function in ("softmax", "log_softmax"):
        for name, dim in axes.items():
            case = case_of(f"core/activation/{function}-{name}/float64")
            assert not _same(run_torch(case), run_torch(_with(case, dim=dim)), "output"), case.id
        chosen = {
            case.config["dim"] for case in WIDE if case.config.get("function") == function and case["input"].ndim == 3
        }
        assert chosen == {-3, -2, -1, 0, 1, 2}


def test_left_out_states_and_gradients_count_as_zeros_and_matter() -> None:
    for case in WIDE:
        if case.family == "rnn" and case.description.startswith(("only-", "no-initial")):
            full = networks.arrays_of(
                np.random.default_rng(2),
                "rnn",
                dict(case.config),
                batch=case["input"].shape[1],
                steps=len(case["input"]),
            )
            (left_out,) = {"h_0", "d_output", "d_h_n"} - set(case)
            zeros = changed(case, {left_out: np.zeros_like(full[left_out])})
            random = changed(case, {left_out: full[left_out]})
            assert _same(run_torch(case), run_torch(zeros), r"output|grad\..*"), case.id
            assert not _same(run_torch(case), run_torch(random), r"output|grad\..*"), case.id


RECURRENT = re.compile("(rnn|lstm|gru)_(packed|dropout|packed_dropout|unbatched|sequences)|lstm|gru")

NETWORK_FLIPS: dict[str, Callable[[Case], Case]] = {
    "bidirectional": lambda case: _smaller(case, bidirectional=False),
    "no-bias": lambda case: _smaller(case, bias=True),
    "batch_first": lambda case: _smaller(case, batch_first=False),
    "2-layer": lambda case: _smaller(case, num_layers=1),
    "3-layer": lambda case: _smaller(case, num_layers=2),
    "proj_size": lambda case: _smaller(case, proj_size=0),
    "unsorted": lambda case: changed(case, {"lengths": np.sort(case["lengths"])[::-1].copy()}),
    "relu": lambda case: _with(case, nonlinearity="tanh"),
    "eval": lambda case: changed(case, {"dropout_masks": np.zeros(_masks_shape(case))}),
}
"""what a network's name can say, and the case without it"""


def _masks_shape(case: Case) -> tuple[int, ...]:
    return case.config["num_layers"] - 1, *run_torch(case)["output"].shape


def _smaller(case: Case, **config: Any) -> Case:
    """The case with other options, its arrays cut or continued at random to the shapes that these ask for."""
    flipped = _with(case, **config)
    kind, axes = case.family.partition("_")[0], case["input"].shape
    options = {name: value for name, value in flipped.config.items() if name != "enforce_sorted"}
    batch, steps = axes[:2] if options["batch_first"] else axes[1::-1]
    drawn = networks.arrays_of(
        np.random.default_rng(1),
        kind,
        options,
        batch=batch if len(axes) == 3 else None,
        steps=steps if len(axes) == 3 else axes[0],
        lengths=tuple(np.minimum(case["lengths"], steps))
        if "lengths" in case and len(case["lengths"]) == batch
        else (),
        masks="dropout_masks" in case,
    )
    if "lengths" in case and "lengths" not in drawn:
        drawn["lengths"] = np.full(batch, steps)
    for name, array in drawn.items():
        if name in case and name != "lengths":
            common = tuple(slice(min(a, b)) for a, b in zip(array.shape, case[name].shape, strict=True))
            array[common] = case[name][common]
    return replace(flipped, arrays={name: drawn[name] for name in drawn if name in case or name.startswith("bias")})


@pytest.mark.parametrize("name", NETWORK_FLIPS)
def test_what_any_recurrent_networks_name_says_changes_torchs_trace(name: str) -> None:
    named = [
        case
        for case in WIDE
        if RECURRENT.fullmatch(case.family)
        and "sequences" not in case.family
        and re.search(rf"(^|-){name}(-|$)", case.description)
        and not (name == "batch_first" and case.family.endswith("unbatched"))
        and not (name == "2-layer" and case.family.endswith("dropout"))  # one layer has no place for a mask
    ]
    assert named
    for case in named:
        flipped = NETWORK_FLIPS[name](case)
        assert not _same(run_torch(case), run_torch(flipped), "output"), case.id


def test_without_a_batch_batch_first_changes_nothing() -> None:
    for kind in ("rnn", "lstm", "gru"):
        case = case_of(f"core/{kind}_unbatched/batch_first/float64")
        assert _same(run_torch(case), run_torch(_with(case, batch_first=False)))


def test_lengths_and_masks_matter_to_torch() -> None:
    for case in WIDE:
        if "_packed" in case.family and case.description not in ("equal", "nan-padding-1-layer"):
            steps = case["input"].shape[1 if case.config["batch_first"] else 0]
            full = changed(case, {"lengths": np.full(len(case["lengths"]), steps)})
            assert not _same(run_torch(case), run_torch(full), "output"), case.id
        if "dropout_masks" in case:
            evaluated = replace(case, arrays={name: case[name] for name in case if name != "dropout_masks"})
            assert not _same(run_torch(case), run_torch(evaluated), "output"), case.id
            kept = case["dropout_masks"] != 0
            assert 0 < np.mean(kept) < 1 or case.config["dropout"] == 1, case.id


SEQUENCE_FLIPS: dict[str, dict[str, Any]] = {
    "padding_value": {"padding_value": 0.0},
    "total_length": {"total_length": None},
    "batch_first": {"batch_first": False},
    "padding_side": {"padding_side": "right"},
}
UNSORTED = re.compile("(^|-)(unsorted|enforce_sorted)(-|$)")


def test_what_is_said_of_sequences_changes_torchs_trace() -> None:
    families = [case for case in WIDE if case.family.endswith("_sequences") or case.family == "packing"]
    for name, flip in SEQUENCE_FLIPS.items():
        named = [case for case in families if re.search(rf"(^|-){name}(-|$)", case.description)]
        assert named
        for case in named:
            # a gradient on output has the shape that the option asks for
            states = replace(case, arrays={key: case[key] for key in case if key != "d_output"})
            assert not _same(run_torch(states), run_torch(_with(states, **flip)), "output|padded"), case.id
    named = [case for case in families if UNSORTED.search(case.description)]
    assert len(named) == 7
    for case in named:
        with pytest.raises(RuntimeError, match="sorted in decreasing order"):
            run_torch(_with(case, enforce_sorted=True))


def test_packing_cases_hold_all_of_torchs_arguments() -> None:
    functions = (
        torch.nn.utils.rnn.pad_sequence,
        torch.nn.utils.rnn.pad_packed_sequence,
        torch.nn.utils.rnn.pack_sequence,
    )
    arguments: dict[str, Any] = {}
    for function in functions:
        arguments |= {name: value for name, value in _arguments(function).items() if not name.startswith("sequence")}
    assert arguments == packing.DEFAULTS
    for case in WIDE:
        if case.family == "packing":
            assert set(case.config) == set(arguments)


CELL_FLIPS: dict[str, dict[str, Any]] = {"tanh": {"nonlinearity": "relu"}, "relu": {"nonlinearity": "tanh"}}


def test_what_a_cells_name_says_changes_torchs_trace() -> None:
    named = [case for case in WIDE if case.family.endswith("_cell")]
    for name, flip in CELL_FLIPS.items():
        for case in named:
            if re.search(rf"(^|-){name}(-|$)", case.description):
                assert not _same(run_torch(case), run_torch(_with(case, **flip)), r"step\d+\.h"), case.id
    for case in named:
        if "no-bias" in case.description:
            shape = (case["weight_ih"].shape[0],)
            biased = changed(_with(case, bias=True), {"bias_ih": np.full(shape, 0.3), "bias_hh": np.full(shape, 0.3)})
            assert not _same(run_torch(case), run_torch(biased), r"step\d+\.h"), case.id
        if "unbatched" in case.description:
            assert all(value.ndim == 1 for key, value in run_torch(case).items() if key.startswith("step"))


def test_recurrent_cases_hold_all_of_torchs_arguments() -> None:
    for case in WIDE:
        kind = case.family.partition("_")[0]
        if RECURRENT.fullmatch(case.family):
            documented_overload, _ = typing.get_overloads(getattr(torch.nn, kind.upper()).__init__)
            arguments = _arguments(documented_overload)
            extra = {"enforce_sorted"} if "lengths" in case else set()
            if case.family.endswith("_sequences"):
                extra = {"enforce_sorted", "padding_value", "total_length"}
            assert set(case.config) == set(arguments) | extra, case.id
            assert networks.DEFAULTS[kind] == {name: arguments[name] for name in networks.DEFAULTS[kind]}
        elif case.family.endswith("_cell"):
            arguments = _arguments(getattr(torch.nn, f"{kind.upper()}Cell"))
            assert set(case.config) == set(arguments), case.id
            defaults = cell.DEFAULTS[case.family]
            assert defaults == {name: arguments[name] for name in defaults}


def test_relu_at_zero_is_at_zero_and_torchs_derivative_there_is_zero() -> None:
    case = case_of("core/rnn/relu-at-zero/float64")
    x, h = case["input"], case["h_0"][0]
    exact_zeros = 0
    for step in x:
        pre = step @ case["weight_ih_l0"].T + case["bias_ih_l0"] + h @ case["weight_hh_l0"].T + case["bias_hh_l0"]
        exact_zeros += int(np.count_nonzero(pre == 0))
        h = np.maximum(pre, 0)
    assert exact_zeros > 0
    np.testing.assert_array_equal(h, run_torch(case)["h_n"][0])


# -------------------------------------------------------------------------------------- the documented example


def test_torch_itself_computes_the_printed_digits() -> None:
    """Computed here from the documentation's formula and literal numbers, then by torch, then by the adapter."""
    h = [0.0] * 4
    for x in ((0.01, 0.02), (0.02, 0.03), (0.03, 0.04)):
        h = [
            math.tanh(
                sum(x[i] * documented.W_X[i][j] for i in range(2))
                + sum(h[i] * documented.W_H[i][j] for i in range(4))
                + 1.0
            )
            for j in range(4)
        ]
    printed = ["0.79494228", "0.81839002", "0.83939649", "0.85584174"]
    assert [f"{value:.8f}" for value in h] == printed
    for case in cases.select(suites=["documented"], dtypes=["float64"]):
        name = {"rnn": "h_n", "notebook": "step1.output"}[case.family]
        last = run_torch(case)[name].reshape(-1, 4)[-1]
        assert [f"{value:.8f}" for value in last] == printed, case.id
    assert [f"{value:.8f}" for value in documented.LAST_STATE[0]] == printed


def test_every_documented_rnn_case_is_compared_with_the_printed_figures() -> None:
    for case in cases.select(suites=["documented"], dtypes=["float64"]):
        expected: dict[str, Array] = {
            "rnn/three-step": {"h_n": documented.LAST_STATE[None]},
            "rnn/three-step-last": {"h_n": documented.LAST_STATE[None]},
            "notebook/three-step": {},
            "notebook/three-step-last": {"step1.output": documented.LAST_STATE},
        }[f"{case.family}/{case.description}"]
        assert list(case.printed) == list(expected)
        assert all(np.array_equal(case.printed[name], expected[name]) for name in expected)
        assert case.printed_digits == 8


def test_the_adapter_computes_in_the_cases_dtype_and_leaves_torchs_defaults_alone() -> None:
    before = torch.get_default_dtype()
    for dtype in DTYPES:
        assert run_torch(case_of(f"core/rnn/small/{dtype}"))["output"].dtype == dtype
    assert torch.get_default_dtype() == before

"""Optimizers that look at a parameter as a whole, against torch.optim."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from reference import optim
from reference.rounding import round_to_bfloat16
from tests.reference.against_torch import (
    Beside,
    assert_close,
    assert_same_refusal,
    leaf,
    tensor,
)

STEPS = 20
SHAPES = [(5, 3), (3, 5), (4, 1)]
ADAFACTOR: dict[str, list[Any]] = {
    "lr": [1e-2, 0.9],
    "beta2_decay": [-0.8, -0.3, 0.0],
    "eps": [(None, 1e-3), (1e-2, 1e-3), (None, 2.0), (0.0, 0.0)],
    "d": [1.0, 1.5],
    "weight_decay": [0.0, 0.05],
    "maximize": [False, True],
}
MUON: dict[str, list[Any]] = {
    "lr": [1e-3, 0.1],
    "weight_decay": [0.1, 0.0],
    "momentum": [0.95, 0.5, 0.0],
    "nesterov": [True, False],
    "ns_coefficients": [(3.4445, -4.7750, 2.0315), (2.0, -1.5, 0.5)],
    "eps": [1e-7, 2.0],
    "ns_steps": [5, 0, 1],
    "adjust_lr_fn": [None, "original", "match_rms_adamw"],
}
OPTIONS = {"Adafactor": ADAFACTOR, "Muon": MUON}

BFLOAT16 = 0.05
"""how far torch's direction lies from one without rounding, norm over norm: mostly 1 to 2 percent, more where a
singular value is small"""


def random_options(algorithm: str, rng: np.random.Generator) -> dict[str, Any]:
    return {name: values[rng.integers(len(values))] for name, values in OPTIONS[algorithm].items()}


@pytest.mark.parametrize("shape", [*SHAPES, (4,), (), (2, 3, 4), (1,), (1, 1)])
@pytest.mark.parametrize("seed", range(6))
def test_adafactor_is_torchs(shape: tuple[int, ...], seed: int) -> None:
    rng = np.random.default_rng([seed, len(shape)])
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 2e-5)):
        run = Beside(
            "Adafactor", np.asarray(rng.standard_normal(shape)).astype(dtype), random_options("Adafactor", rng)
        )
        for step in range(STEPS):
            scale = [1, 1e-2, 1e-4, 1e-8][step % 4]
            run.step(np.asarray(scale * rng.standard_normal(shape)).astype(dtype))
            run.assert_equal(tolerance)


def test_adafactor_with_gradients_of_zero_only() -> None:
    for shape in ((3, 2), (3,)):
        run = Beside("Adafactor", np.zeros(shape), {})
        for _ in range(3):
            run.step(np.zeros(shape))
            run.assert_equal(0)


@pytest.mark.parametrize("shape", [(3, 2), (3,)])
@pytest.mark.parametrize("scale", [0.0, 1e-25])
def test_adafactor_with_an_epsilon_whose_square_is_0_in_float32(scale: float, shape: tuple[int, ...]) -> None:
    """The paper's: torch bounds V by the square, so that nothing keeps a V of 0 from dividing."""
    run = Beside("Adafactor", np.ones(shape, np.float32), {"eps": (1e-30, 1e-3)})
    for _ in range(2):
        with np.errstate(divide="ignore", invalid="ignore"):
            run.step(np.full(shape, scale, np.float32))
        run.assert_equal(0)
    assert np.isnan(run.params["w"]).all()


def test_adafactor_refuses_an_empty_parameter_as_torch_does() -> None:
    """The norm of nothing over the square root of its size."""
    empty = np.zeros((0, 3))
    run = Beside("Adafactor", empty, {})
    run.theirs.grad = tensor(empty)
    assert_same_refusal(
        lambda: run.torch.step(),
        lambda: optim.Adafactor().step({"w": empty}, {"w": empty}, {"w": {}}),
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(6))
def test_muon_is_torchs(shape: tuple[int, ...], seed: int) -> None:
    """Momentum to rounding, the direction to bfloat16's: here it is the same arithmetic, so mostly much nearer."""
    rng = np.random.default_rng([seed, *shape])
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 1e-5)):
        param = rng.standard_normal(shape).astype(dtype)
        options = random_options("Muon", rng)
        run = Beside("Muon", param, options)
        for _ in range(STEPS):
            # both sides from torch's parameter: a step is compared, not what bfloat16 adds up to
            before = run.theirs.detach().numpy().copy()
            run.params = {"w": before}
            run.step(rng.standard_normal(shape).astype(dtype))
            run.assert_states_equal(tolerance)
            assert_close(run.params["w"] - before, run.theirs.detach().numpy() - before, str(options), BFLOAT16)


def test_muons_direction_is_orthogonal_as_far_as_its_iteration_goes() -> None:
    """Singular values between 0.7 and 1.2, whatever those of the gradient; the singular vectors are the gradient's."""
    rng = np.random.default_rng(7)
    for shape in ((6, 4), (4, 6)):
        grad, zeros = rng.standard_normal(shape), np.zeros(shape)
        optimizer = optim.Muon(lr=1.0, momentum=0.0, weight_decay=0.0, nesterov=False)
        params, _ = optimizer.step({"w": zeros}, {"w": grad}, optimizer.init({"w": zeros}))
        left, values, right = np.linalg.svd(-params["w"] / max(1, shape[0] / shape[1]) ** 0.5, full_matrices=False)
        assert np.all((values > 0.6) & (values < 1.25))
        theirs_left, _, theirs_right = np.linalg.svd(grad, full_matrices=False)
        assert np.abs(left @ right - theirs_left @ theirs_right).max() < 0.05


def test_muon_takes_matrices_only() -> None:
    for shape in ((3,), (), (2, 3, 4)):
        assert_same_refusal(
            lambda shape=shape: torch.optim.Muon([torch.zeros(shape)]),  # type: ignore[misc]
            lambda shape=shape: optim.Muon().init({"w": np.zeros(shape)}),  # type: ignore[misc]
            "2D",
        )


@pytest.mark.parametrize("algorithm", OPTIONS)
def test_defaults_are_those_of_torch(algorithm: str) -> None:
    expected = getattr(torch.optim, algorithm)([torch.zeros(1, 1)]).defaults
    fields = dataclasses.asdict(getattr(optim, algorithm)())
    assert fields == {name: expected[name] for name in fields}
    assert expected.keys() - fields.keys() <= {"foreach"}


def test_sparse_adams_defaults_are_those_of_torch() -> None:
    assert dataclasses.asdict(optim.SparseAdam()) == torch.optim.SparseAdam([torch.zeros(1)]).defaults


# ------------------------------------------------------------------------------------------------------ refusals

NAN = float("nan")


@pytest.mark.parametrize(
    ("algorithm", "options", "mentions"),
    [
        *(("Adafactor", {name: value}, name) for name, value in (("beta2_decay", 0.1), ("d", 0.9), ("d", NAN))),
        *((algorithm, {"lr": value}, "earning rate") for algorithm in OPTIONS for value in (-1, NAN)),
        *((algorithm, {"weight_decay": value}, "decay") for algorithm in OPTIONS for value in (-1, NAN)),
        ("Adafactor", {"eps": (-1, 1e-3)}, "epsilon1"),
        ("Adafactor", {"eps": (None, -1)}, "epsilon2"),
        ("Adafactor", {"eps": 1e-3}, ""),
        ("Adafactor", {"eps": (1e-30, None)}, ""),
        ("Muon", {"momentum": -0.1}, "momentum"),
        ("Muon", {"adjust_lr_fn": "spectral"}, "spectral"),
        ("Muon", {"maximize": True}, "maximize"),
        *(("SparseAdam", {"lr": value}, "learning rate") for value in (0, -1, NAN)),
        *(("SparseAdam", {"eps": value}, "epsilon") for value in (0, -1, NAN)),
        ("SparseAdam", {"betas": (1.0, 0.9)}, "index 0"),
        ("SparseAdam", {"betas": (0.9, -0.1)}, "index 1"),
        ("SparseAdam", {"weight_decay": 0.1}, "weight_decay"),
    ],
)
def test_wrong_options(algorithm: str, options: dict[str, Any], mentions: str) -> None:
    assert_same_refusal(
        lambda: getattr(torch.optim, algorithm)([torch.zeros(2, 2, requires_grad=True)], **options),
        lambda: getattr(optim, algorithm)(**options),
        mentions,
    )


@pytest.mark.parametrize(("options", "mentions"), [({"ns_steps": 100}, "100"), ({"ns_coefficients": (1.0, 2.0)}, "3")])
def test_options_that_torch_refuses_in_the_first_step(options: dict[str, Any], mentions: str) -> None:
    theirs = leaf(np.zeros((2, 2)))
    theirs.grad = torch.zeros(2, 2, dtype=torch.float64)
    run: Any = torch.optim.Muon([theirs], **options)
    params = {"w": np.zeros((2, 2))}
    optimizer = optim.Muon(**options)
    assert_same_refusal(run.step, lambda: optimizer.step(params, params, optimizer.init(params)), mentions)


# ------------------------------------------------------------------------------------------------------ bfloat16


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rounding_to_bfloat16_is_torchs(dtype: Any) -> None:
    rng = np.random.default_rng(8)
    ties = [1 + 2.0**-8, 1 + 3 * 2.0**-8, -(1 + 2.0**-8), 2.0**-133, 3 * 2.0**-134, 2.0**-140]
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 3.39e38, 3.3961775e38, 1e-45]
    x = np.array([*(rng.standard_normal(1000) * 10.0 ** rng.integers(-38, 38, 1000)), *ties, *special]).astype(dtype)
    theirs = torch.from_numpy(x.copy()).bfloat16().to(torch.float64).numpy().astype(dtype)
    np.testing.assert_array_equal(round_to_bfloat16(x), theirs)
    zeros = theirs == 0
    np.testing.assert_array_equal(np.signbit(round_to_bfloat16(x)[zeros]), np.signbit(theirs[zeros]))
    assert round_to_bfloat16(x).dtype == dtype
    assert round_to_bfloat16(x[3]) == theirs[3]


def test_rounding_to_bfloat16_of_what_is_too_large_for_float32() -> None:
    np.testing.assert_array_equal(round_to_bfloat16(np.array([1e300, -1e39])), [np.inf, -np.inf])


def test_rounding_to_bfloat16_leaves_every_nan_a_nan_and_a_number_without_axes() -> None:
    bits = np.array([0x7FC00000, 0x7F800001, 0x7FFFFFFF, 0xFFFFFFFF], dtype=np.uint32)
    x = bits.view(np.float32)
    assert torch.from_numpy(x.copy()).bfloat16().isnan().all()
    assert np.isnan(round_to_bfloat16(x)).all()
    numbers: list[Any] = [np.array(1.5), np.float64(1.5)]
    for number in numbers:
        assert round_to_bfloat16(number).shape == ()


def test_rounding_to_bfloat16_asks_arrays_of_another_class_as_numpys_functions_do() -> None:
    class Other(np.ndarray[Any, Any]):
        def __array_function__(self, *asked: Any) -> Any:
            return asked

    x = np.ones(2).view(Other)
    function, types, args, kwargs = round_to_bfloat16(x)
    assert function is round_to_bfloat16
    assert types == (Other,)
    assert len(args) == 1
    assert args[0] is x
    assert kwargs == {}

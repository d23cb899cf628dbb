"""NumPy's scalars: as options they lend their dtype to nothing, as arrays they are arrays without axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reference import activations, initializers, losses, notebook, optim, packing
from tests.reference.against_torch import assert_refused

ALGORITHMS = ("SGD", "ASGD", "Adagrad", "RMSprop", "Adadelta", "Rprop", "Adam", "AdamW", "Adamax", "NAdam", "RAdam")
LR, SMOOTHING = 0.1, 0.25


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, "Muon", "Adafactor"])
@pytest.mark.parametrize("lr", [np.float64(LR), np.array([LR])[0], np.array(LR)])
def test_a_rate_of_numpy_is_that_of_python(algorithm: str, lr: Any) -> None:
    rng = np.random.default_rng(0)
    params, grads = ({"w": rng.standard_normal((3, 2)).astype(np.float32)} for _ in range(2))
    ours, usual = (getattr(optim, algorithm)(lr=rate) for rate in (lr, LR))
    assert ours == usual
    (new, state), (expected, _) = (o.step(params, grads, o.init(params)) for o in (ours, usual))
    np.testing.assert_array_equal(new["w"], expected["w"])
    assert new["w"].dtype == np.float32
    assert all(entry.dtype == np.float32 for entry in state["w"].values())


def test_a_rate_of_numpy_for_lbfgs() -> None:
    lbfgs, params = optim.LBFGS(lr=np.float64(LR)), {"w": np.ones(2, np.float32)}
    assert lbfgs == optim.LBFGS(lr=LR)
    seen = []

    def closure(at: Any) -> Any:
        seen.append(at["w"].dtype)
        return (at["w"] * at["w"]).sum(), {"w": 2 * at["w"]}

    new, _ = lbfgs.step(params, closure, lbfgs.init(params))
    assert {*seen, new["w"].dtype} == {np.dtype(np.float32)}


def test_betas_and_flags_of_numpy() -> None:
    flag: Any = np.bool_(True)
    adam = optim.Adam(betas=(np.float64(0.5), np.float64(0.75)), amsgrad=flag)
    assert adam == optim.Adam(betas=(0.5, 0.75), amsgrad=True)
    assert [type(beta) for beta in adam.betas] == [float, float]


@pytest.mark.parametrize(
    ("algorithm", "option", "values"),
    [
        ("Adam", "betas", (0.9, 0.99)),
        ("Adamax", "betas", (0.9, 0.99)),
        ("Rprop", "etas", (0.3, 1.5)),
        ("Rprop", "step_sizes", (1e-3, 0.5)),
        ("Muon", "ns_coefficients", (2.0, -1.5, 0.5)),
        ("Adafactor", "eps", (1e-3, 1e-2)),
    ],
)
def test_several_numbers_of_numpy_in_a_list(algorithm: str, option: str, values: Any) -> None:
    rng = np.random.default_rng(0)
    params, grads = ({"w": rng.standard_normal((3, 2)).astype(np.float32)} for _ in range(2))
    given = [[np.float64(value) for value in values], [np.array(value) for value in values], np.array(values)]
    optimizers = [getattr(optim, algorithm)(**{option: numbers}) for numbers in given]
    usual = getattr(optim, algorithm)(**{option: values})
    expected, _ = usual.step(params, grads, usual.init(params))
    for ours in optimizers:
        assert tuple(getattr(ours, option)) == getattr(usual, option)
        new, _ = ours.step(params, grads, ours.init(params))
        assert new["w"].dtype == np.float32
        np.testing.assert_array_equal(new["w"], expected["w"])


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("probabilities", [False, True])
def test_label_smoothing_keeps_the_dtype(reduction: str, probabilities: bool) -> None:
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((4, 3)).astype(np.float32)
    target = np.full((4, 3), 1 / 3, np.float32) if probabilities else rng.integers(0, 3, 4)
    options: dict[str, Any] = {"reduction": reduction}
    loss = losses.cross_entropy(scores, target, label_smoothing=np.float64(SMOOTHING), **options)
    np.testing.assert_array_equal(loss, losses.cross_entropy(scores, target, label_smoothing=SMOOTHING, **options))
    upstream = np.ones_like(loss)
    assert loss.dtype == upstream.dtype == np.float32
    grad = losses.cross_entropy_backward(upstream, scores, target, label_smoothing=np.float64(SMOOTHING), **options)
    assert grad.dtype == np.float32


def test_a_gain_keeps_the_dtype() -> None:
    drawn = initializers.orthogonal((3, 2), gain=np.float64(2), rng=np.random.default_rng(0), dtype=np.float32)
    assert drawn.dtype == np.float32


def test_targets_keep_the_dtype_of_the_notebooks_softmax() -> None:
    layer = notebook.Softmax()
    layer.forward(np.ones((2, 2), np.float32))
    assert layer.backward(np.eye(2)).dtype == np.float32


def test_a_scalar_is_an_array_without_axes() -> None:
    scores = np.array([0.5, 1.5, 2.0])
    np.testing.assert_array_equal(
        losses.cross_entropy(scores, np.array([2])[0]), losses.cross_entropy(scores, np.array(2))
    )
    assert losses.mse_loss(scores[0], scores[1]) == 1.0
    result = activations.tanh(np.array(0.5))
    np.testing.assert_array_equal(activations.tanh_backward(result, result), result * (1 - result * result))
    with pytest.raises(TypeError, match="NumPy array, got float"):
        activations.tanh(0.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="NumPy array, got float"):
        activations.tanh_backward(0.5, np.array(0.5))  # type: ignore[arg-type]


@pytest.mark.parametrize("lengths", [[3, 1], (3, 1), range(3, 1, -1)])
def test_lengths_as_a_sequence(lengths: Any) -> None:
    x = np.arange(6.0).reshape(3, 2)
    packed = packing.pack_padded_sequence(x, lengths)
    np.testing.assert_array_equal(packed.data, packing.pack_padded_sequence(x, np.array(lengths)).data)


@pytest.mark.parametrize(("lengths", "error"), [("ab", TypeError), (3, TypeError), ([], RuntimeError)])
def test_lengths_of_another_kind(lengths: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="lengths must"):
        packing.pack_padded_sequence(np.ones((3, 2)), lengths)


def test_unpadded_sequences_are_copies() -> None:
    padded = np.arange(6.0).reshape(3, 2)
    first, _ = packing.unpad_sequence(padded, np.array([3, 2]))
    first[:] = -1
    np.testing.assert_array_equal(padded, np.arange(6.0).reshape(3, 2))


def test_several_numbers_are_no_rate() -> None:
    """torch's ValueError, for a tensor of more than one element."""
    assert_refused(lambda: optim.SGD(lr=np.array([0.1, 0.2])), ValueError)  # type: ignore[arg-type]
    assert optim.SGD(lr=np.array([0.1])) == optim.SGD(lr=0.1)  # type: ignore[arg-type]


@pytest.mark.parametrize("betas", [(0.9, np.array(0.99)), (np.array(0.9), 0.99)])
def test_an_array_beside_a_number_is_refused_by_adam_as_in_torch(betas: Any) -> None:
    assert_refused(lambda: optim.Adam(betas=betas), ValueError, "betas must be floats")

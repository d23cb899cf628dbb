"""The training loop beside the one that torch's users write."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from reference import gru, lstm, optim, rnn, training
from reference.linear import Linear

BATCH, STEPS, INPUTS, HIDDEN, CLASSES = 5, 4, 2, 3, 6


class Module(torch.nn.Module):
    def __init__(self, network: Any, options: dict[str, Any]) -> None:
        super().__init__()
        self.name = network.__name__.lower()
        features = HIDDEN * (2 if options.get("bidirectional") else 1)
        setattr(self, self.name, getattr(torch.nn, network.__name__)(INPUTS, HIDDEN, dtype=torch.float64, **options))
        self.linear = torch.nn.Linear(features, CLASSES, dtype=torch.float64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        network = getattr(self, self.name)
        output, _ = network(x)
        logits: torch.Tensor = self.linear(output[:, -1] if network.batch_first else output[-1])
        return logits


def both(network: Any, **options: Any) -> tuple[Module, training.Classifier, dict[str, Any]]:
    module = Module(network, options)
    model = training.Classifier(network(INPUTS, HIDDEN, **options), Linear(module.linear.in_features, CLASSES))
    return module, model, {name: value.detach().numpy().copy() for name, value in module.named_parameters()}


def batches(count: int, batch_first: bool = False) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(0)
    lead = (BATCH, STEPS) if batch_first else (STEPS, BATCH)
    return [(rng.standard_normal((*lead, INPUTS)), rng.integers(0, CLASSES, BATCH)) for _ in range(count)]


@pytest.mark.parametrize("network", [rnn.RNN, lstm.LSTM, gru.GRU])
@pytest.mark.parametrize("options", [{}, {"batch_first": True}, {"bidirectional": True, "num_layers": 2}])
def test_steps_are_torchs(network: Any, options: dict[str, Any]) -> None:
    module, model, params = both(network, **options)
    theirs = torch.optim.Adam(module.parameters(), lr=0.05)
    data = batches(5, batch_first=options.get("batch_first", False))
    for (x, target), step in zip(data, training.train(model, optim.Adam(lr=0.05), params, data), strict=True):
        loss = torch.nn.functional.cross_entropy(module(torch.from_numpy(x)), torch.from_numpy(target))
        theirs.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        theirs.step()
        assert float(step.loss) == pytest.approx(float(loss.detach()), rel=1e-13)
        assert step.grads.keys() == step.params.keys() == dict(module.named_parameters()).keys()
        for name, param in module.named_parameters():
            assert param.grad is not None
            np.testing.assert_allclose(step.grads[name], param.grad.numpy(), rtol=1e-10, atol=1e-14)
            np.testing.assert_allclose(step.params[name], param.detach().numpy(), rtol=1e-10, atol=1e-12)
            exp_avg = theirs.state[param]["exp_avg"].numpy()
            np.testing.assert_allclose(step.state[name]["exp_avg"], exp_avg, rtol=1e-10, atol=1e-14)


def test_nothing_that_is_passed_in_changes() -> None:
    _, model, params = both(rnn.RNN)
    before = {name: value.copy() for name, value in params.items()}
    (step,) = training.train(model, optim.SGD(lr=0.1), params, batches(1))
    for name, value in before.items():
        np.testing.assert_array_equal(params[name], value)
        assert not np.array_equal(step.params[name], value)


@pytest.mark.parametrize(
    ("drop", "mentions"), [("rnn.weight_hh_l0", "weight_hh_l0"), ("linear.bias", "bias"), ("linear.weight", "weight")]
)
def test_parameters_that_are_missing(drop: str, mentions: str) -> None:
    _, model, params = both(rnn.RNN)
    del params[drop]
    with pytest.raises(RuntimeError, match=f"missing parameter.*{mentions}"):
        next(training.train(model, optim.SGD(), params, batches(1)))


def test_parameters_of_neither_layer() -> None:
    _, model, params = both(rnn.RNN)
    with pytest.raises(RuntimeError, match=r"unexpected parameter.*head"):
        training.loss_and_gradients(model, params | {"head.weight": np.zeros(2)}, *batches(1)[0])

"""A learner's notebook as written: its own mistakes, and which of the others it makes.

The notebook that this suite started from trains a recurrent layer with classes for layers, initializers and
optimizers. N1 to N21 are the points in which it differs from torch. Its optimizers' formulas are among the
dialects in ``optimizers.py``, its activations' and initializers' mistakes in ``layers.py``, and N1, N6, N7 and
N8 in ``recurrent.py``.
"""

from __future__ import annotations

from conformance.divergences.divergence import Divergence
from conformance.divergences.patching import Patch
from conformance.divergences.recurrent import BACKWARD, BIAS_SUM, FORWARD, RECURRENT_PRODUCT, SLOPE_STEP, WEIGHT_SUM

OPTIMIZERS_RATE = Patch(
    "notebook",
    '"bias_hh": np.zeros_like(bias),',
    '"bias_hh": np.zeros_like(bias),\n            "rate": self.optimizer.lr,',
    "_Recurrent._torch_params",
)


def _updated_in_the_loop(rate: str, *of_layers: Patch) -> Divergence:
    """``rate`` is that of networks without an optimizer; ``of_layers`` gives layers with one their own."""
    return Divergence(
        f"weights-updated-in-the-loop-{rate}",
        f"with the weights updated inside the time loop (rate {rate})",
        "The optimizer is called at every step of the backward loop, so earlier steps are back-propagated through "
        "weights that have already changed. The gradient belongs to no function; the larger the rate, the worse. It is "
        "read back from the update, with the rounding that this brings.",
        (
            Patch(
                "rnn",
                "slope = nonlinearity.slope(h[1:])",
                "slope = nonlinearity.slope(h[1:])\n"
                "    weights_ih = np.empty_like(x, shape=(len(x), *weight_ih.shape))\n"
                '    bias = params.get("bias_ih", 0 * weight_hh[0]) + params.get("bias_hh", 0.0)\n'
                "    start = bias",
                BACKWARD,
            ),
            Patch(
                "rnn",
                SLOPE_STEP,
                f"{SLOPE_STEP}\n"
                f'        rate = params.get("rate", {rate})\n'
                "        weight_hh = weight_hh - rate * weight_gradient(d_pre[t], previous[t : t + 1])\n"
                "        weight_ih = weight_ih - rate * weight_gradient(d_pre[t], x[t : t + 1])\n"
                "        bias = bias - rate * bias_gradient(d_pre[t : t + 1])\n"
                "        weights_ih[t] = weight_ih",
                BACKWARD,
            ),
            Patch("rnn", ".dot(weight_ih)", ".reshape(d_pre.shape).__matmul__(weights_ih)", BACKWARD),
            Patch(
                "rnn",
                '"weight_ih": weight_gradient(d_rows, x)',
                '"weight_ih": (params["weight_ih"] - weight_ih) / rate',
                BACKWARD,
            ),
            Patch(
                "rnn",
                '"weight_hh": weight_gradient(d_rows, previous)',
                '"weight_hh": (params["weight_hh"] - weight_hh) / rate',
                BACKWARD,
            ),
            Patch(
                "rnn",
                'grads["bias_ih"] = bias_gradient(d_pre)',
                'grads["bias_ih"] = (start - bias) / rate',
                BACKWARD,
            ),
            *of_layers,
        ),
        seen_in=("notebook N2",),
    )


def _scalar_bias(which: str, in_words: str, rnn: str, notebook: str) -> Divergence:
    return Divergence(
        f"scalar-bias-{which}",
        f"with one bias for the whole layer: {in_words}",
        "A single number cannot give units different thresholds. It broadcasts, so that nothing complains.",
        (
            Patch("rnn", "pre += bias", f"pre += {rnn}", FORWARD),
            Patch("notebook", "np.broadcast_to(bias,", f"np.broadcast_to({notebook},", "_one_row"),
        ),
        seen_in=("notebook N3",),
    )


DIVERGENCES = (
    _updated_in_the_loop("0.01", OPTIMIZERS_RATE),
    _updated_in_the_loop("0.1"),
    _scalar_bias("mean", "the mean of the units'", "bias.sum() / bias.size", "bias.sum() / bias.size"),
    _scalar_bias("first", "the first unit's", "bias[:1]", "bias.reshape(-1)[:1]"),
    Divergence(
        "bias-gradient-mean-of-batch-and-units",
        "with the bias gradient averaged over batch and units",
        "One number for all units: mean() without an axis. A bias per unit needs a gradient per unit.",
        (
            Patch(
                "recurrent",
                BIAS_SUM,
                "gradient: Array = (d_rows.sum() / d_pre[0].size) * constant(1, d_rows, (d_rows.shape[1],))",
                "bias_gradient",
            ),
        ),
        seen_in=("notebook N4",),
    ),
    Divergence(
        "bias-gradient-mean-of-units",
        "with the bias gradient averaged over the units",
        "What a single bias receives, its mean over the units.",
        (
            Patch(
                "recurrent",
                BIAS_SUM,
                "gradient: Array = (d_rows.sum() / d_rows.shape[1]) * constant(1, d_rows, (d_rows.shape[1],))",
                "bias_gradient",
            ),
        ),
    ),
    Divergence(
        "input-gradient-one-step-too-far",
        "with d_x taken after the multiplication with weight_hh",
        "The gradient is passed on to the previous state first and then sent to this step's input: one step too far.",
        (
            Patch("rnn", "d_h = d_h_n.copy()", "d_h = d_h_n.copy()\n    beyond = np.empty_like(d_pre)", BACKWARD),
            Patch("rnn", RECURRENT_PRODUCT, f"beyond[t] = {RECURRENT_PRODUCT}", BACKWARD),
            Patch(
                "rnn",
                "d_x = d_rows",
                'd_x = (rows(beyond) if params.get("last_only", True) else d_rows)',
                BACKWARD,
            ),
            # the notebook does so in the layer that gives its last state only
            Patch(
                "notebook",
                '"weight_ih": params["WX"].T,',
                '"weight_ih": params["WX"].T,\n            "last_only": isinstance(self, SimpleRNN2),',
                "_Recurrent._torch_params",
            ),
        ),
        seen_in=("notebook N5",),
    ),
    Divergence(
        "batch-mean-of-the-weights",
        "with the weights' gradients divided by the batch size",
        "Every optimizer divides by the batch size, whatever the loss: the learning rate falls as the batch grows.",
        (
            Patch(
                "recurrent",
                WEIGHT_SUM,
                f"{WEIGHT_SUM} / inputs.shape[-2]",
                "weight_gradient",
            ),
            Patch(
                "notebook",
                'self.dW, self.dB = grads["weight"].T, grads["bias"][None]',
                'self.dW, self.dB = grads["weight"].T / len(self.dA), grads["bias"][None] / len(self.dA)',
                "FC.backward",
            ),
        ),
        seen_in=("notebook N9",),
    ),
    Divergence(
        "optimizer-state-shared",
        "with one optimizer state for all layers",
        "The state belongs to the optimizer object: layers of equal shape mix their moments and count every step "
        "twice, layers of different shapes raise an error.",
        (
            Patch("notebook", "self.states.get(layer)", "self.states.get(self)", "_LayerOptimizer.update"),
            Patch("notebook", "self.states[layer]", "self.states[self]", "_LayerOptimizer.update"),
        ),
        seen_in=("notebook N13",),
    ),
    Divergence(
        "optimizer-for-one-kind-of-layer",
        "with optimizers that know only one kind of layer",
        "Attribute names are written into the optimizer: all but SGDrnn fail on a recurrent layer, and SGDrnn on a "
        "fully connected one.",
        (
            Patch(
                "notebook",
                "params = layer.parameters()",
                "params = layer.parameters()\n"
                '        if (type(self).__name__ == "SGDrnn") != ("Wh" in params):\n'
                "            raise AttributeError(\"no attribute 'Z' or 'WX'\")",
                "_LayerOptimizer.update",
            ),
        ),
        seen_in=("notebook N14",),
        shows_as="exception",
    ),
    Divergence(
        "softmax-backward-of-the-summed-loss",
        "with the gradient of the summed cross-entropy from Softmax.backward",
        "softmax(x) - y is the gradient of the sum over the batch, not the mean, and of cross-entropy, not softmax.",
        (Patch("notebook", "(self.Z - y) / len(y)", "(self.Z - y)", "Softmax.backward"),),
        seen_in=("notebook N16",),
    ),
    Divergence(
        "weights-kept-in-float32",
        "with the weights rounded to float32 after every update",
        "Weights are created in float32 and updated in place, inputs are float64: it computes in float64 and rounds "
        "at each update.",
        (
            Patch(
                "notebook",
                "setattr(layer, name, value)",
                "setattr(layer, name, value.astype(np.float32).astype(value.dtype))",
                "_LayerOptimizer.update",
            ),
        ),
        seen_in=("notebook N20",),
        precision=True,
    ),
    Divergence(
        "update-returns-nothing",
        "with an update that returns nothing",
        "The other optimizers return the layer: `layer = optimizer.update(layer)` then loses it.",
        (Patch("notebook", "return layer", "return None", "_LayerOptimizer.update"),),
        seen_in=("notebook N21",),
        equivalent="No trace can show it: the classes here do not use what update returns, and the weights have been "
        "updated. It shows as an AttributeError in code that assigns the result.",
    ),
    Divergence(
        "bias-drawn-like-the-weights",
        "with biases drawn from the weights' Gaussian",
        "Its standard deviation is whatever the last W() left: before that, B() fails.",
        (
            Patch(
                "notebook",
                "bound = initializers.rnn_bound(n_nodes2 if fan_in is None else fan_in)\n"
                "        return initializers.uniform((1, n_nodes2), -bound, bound, rng=self.rng, dtype=self.dtype)",
                "return initializers.normal((1, n_nodes2), 0.0, self.sigma, rng=self.rng, dtype=self.dtype)",
                "_FanInitializer.B",
            ),
        ),
        seen_in=("notebook N19",),
        shows_as="exception",
    ),
)

SIMPLE_RNN = (
    "hh-gradient-uses-current-state",
    "weights-updated-in-the-loop-0.01",
    "scalar-bias-mean",
    "bias-gradient-mean-of-batch-and-units",
    "derivative-of-tanh-for-relu",
    "initial-state-missing",
    "batch-mean-of-the-weights",
)
"""the divergences that make the reference's SimpleRNN the notebook's"""

SIMPLE_RNN_2 = (*SIMPLE_RNN, "input-gradient-one-step-too-far")

"""Twenty mistakes that the catalogue does not know."""

from __future__ import annotations

from conformance.divergences import Divergence
from conformance.divergences.patching import Patch


def _mistake(name: str, *patches: Patch) -> Divergence:
    return Divergence(name, "", "", patches)


FORWARD, BACKWARD = "direction_forward", "direction_backward"
TANH = "nonlinearity.forward(h_t, h_t)"
PRODUCT = "h_t += previous.dot(weight_hh_t, out=recurrent)"

RNN = (
    _mistake("leaky-states", Patch("rnn", TANH, f"{TANH}\n        h_t += 0.1 * previous", FORWARD)),
    _mistake("weight-ih-scaled", Patch("rnn", "rows(x).dot(weight", "(rows(x) * 1.01).dot(weight", FORWARD)),
    _mistake("recurrent-product-halved", Patch("rnn", PRODUCT, f"{PRODUCT} / 2", FORWARD)),
    _mistake(
        "recurrent-product-skipped-at-step-2",
        Patch("rnn", "for h_t in pre:", "for t, h_t in enumerate(pre):", FORWARD),
        Patch("rnn", PRODUCT, f"{PRODUCT} * (t != 2)", FORWARD),
    ),
    _mistake("bias-negated", Patch("rnn", "pre += bias", "pre -= bias", FORWARD)),
    _mistake("states-clipped", Patch("rnn", TANH, f"{TANH}\n        h_t[...] = np.minimum(h_t, 0.4)", FORWARD)),
    _mistake(
        "bias-shifted-by-one-unit", Patch("rnn", "pre += bias", "pre += np.concatenate((bias[1:], bias[:1]))", FORWARD)
    ),
    _mistake("slope-cubed", Patch("rnn", "slope: Array = h * h", "slope: Array = h * h * h", "_tanh_slope")),
    _mistake("gradient-decays", Patch("rnn", "d_pre_t += d_h\n", "d_pre_t += 0.9 * d_h\n", BACKWARD)),
    _mistake(
        "d-weight-ih-doubled", Patch("rnn", "weight_gradient(d_rows, x)", "weight_gradient(d_rows, x) * 2", BACKWARD)
    ),
    _mistake(
        "d-weight-hh-without-last-step",
        Patch("rnn", "weight_gradient(d_rows, previous)", "weight_gradient(rows(d_pre[:-1]), previous[:-1])", BACKWARD),
    ),
    _mistake(
        "d-x-negated",
        Patch("rnn", "d_x = d_rows.dot(weight_ih)", "d_x = -d_rows.dot(weight_ih)", BACKWARD),
    ),
    _mistake(
        "d-bias-divided-by-steps",
        Patch("recurrent", "d_rows = rows(d_pre)", "d_rows = rows(d_pre) / len(d_pre)", "bias_gradient"),
    ),
)

OPTIMIZER = (
    _mistake("sgd-rate-squared", Patch("optim.sgd", "self.lr", "self.lr**2", "SGD.update")),
    _mistake("adam-third-power", Patch("optim.adam", "bias_correction2**0.5", "bias_correction2**0.4", "Adam.update")),
    _mistake(
        "rmsprop-steps-halved",
        Patch("optim.adaptive", "self.lr * buffer", "0.5 * self.lr * buffer", "RMSprop.update"),
        Patch("optim.adaptive", "self.lr * grad", "0.5 * self.lr * grad", "RMSprop.update"),
    ),
    _mistake("adagrad-cubes", Patch("optim.adaptive", "grad * grad", "grad * grad * np.abs(grad)", "Adagrad.update")),
)

OTHERS = {
    "linear": (_mistake("linear-bias-doubled", Patch("linear", "y = y + ", "y = y + 2 * ", "forward")),),
    "activation": (
        _mistake("softmax-temperature", Patch("activations", "exponential.sum(", "2 * exponential.sum(", "softmax")),
    ),
    "loss": (
        _mistake(
            "mse-absolute", Patch("losses", "difference * difference", "difference * difference * 1.5", "mse_loss")
        ),
    ),
}

BY_FAMILY = {"rnn": RNN, "optimizer": OPTIMIZER} | OTHERS

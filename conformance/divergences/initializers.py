"""Mistakes in bounds, standard deviations, fans and gains of initial parameters."""

from __future__ import annotations

from conformance.divergences.divergence import Divergence
from conformance.divergences.patching import Patch

XAVIER = "xavier_normal_std"
KAIMING = "kaiming_normal_std"
DRAWN = "uniform(shape, -bounds[name], bounds[name], rng=rng, dtype=dtype)"
GAIN = "return _GAINS[nonlinearity]"


def _initializer(id: str, title: str, note: str, function: str, correct: str, wrong: str, *seen_in: str) -> Divergence:
    return Divergence(id, title, note, (Patch("initializers", correct, wrong, function),), seen_in)


DIVERGENCES: tuple[Divergence, ...] = (
    # ---------------------------------------------------------------------------------------------------- fans
    _initializer(
        "fans-swapped",
        "with fan in and fan out swapped",
        "A weight is (out, in) in torch: the fan in is its second axis. Xavier's spread does not show it, He's does.",
        "fan_in_and_fan_out",
        "return shape[1] * receptive_field, shape[0] * receptive_field",
        "return shape[0] * receptive_field, shape[1] * receptive_field",
        "layers that keep weights as (in, out)",
    ),
    _initializer(
        "fans-without-receptive-field",
        "with fans that leave the kernel's size out",
        "Every further axis of a convolution's weight multiplies the connections of a unit.",
        "fan_in_and_fan_out",
        "math.prod(shape[2:])",
        "1",
    ),
    # ---------------------------------------------------------------------------------------------------- gains
    _initializer(
        "gain-of-tanh-1",
        "with a gain of 1 for tanh",
        "torch recommends 5/3.",
        "calculate_gain",
        GAIN,
        'return 1.0 if nonlinearity == "tanh" else _GAINS[nonlinearity]',
    ),
    _initializer(
        "gain-of-relu-without-root",
        "with a gain of 2 for relu",
        "The gain multiplies the standard deviation: sqrt(2). 2 is the factor of the variance.",
        "calculate_gain",
        GAIN,
        'return 2.0 if nonlinearity == "relu" else _GAINS[nonlinearity]',
    ),
    _initializer(
        "gain-of-leaky-relu-without-slope",
        "with leaky_relu's gain computed without its slope",
        "sqrt(2) whatever the slope is.",
        "calculate_gain",
        "math.sqrt(2.0 / (1 + slope**2))",
        "math.sqrt(2.0)",
    ),
    _initializer(
        "gain-of-leaky-relu-slope-not-squared",
        "with 1 + a in place of 1 + a^2 in leaky_relu's gain",
        "The square is forgotten.",
        "calculate_gain",
        "slope**2",
        "slope",
    ),
    # --------------------------------------------------------------------------------------------------- Xavier
    _initializer(
        "xavier-from-fan-in",
        "with 1 / sqrt(fan_in) as Xavier's standard deviation",
        "LeCun's initialization, widely called Xavier's: torch's is sqrt(2 / (fan_in + fan_out)). Equal for square "
        "weights.",
        XAVIER,
        "2.0 / (fan_in + fan_out)",
        "1.0 / fan_in",
        "notebook N18",
        "Caffe",
    ),
    _initializer(
        "xavier-without-2",
        "with sqrt(1 / (fan_in + fan_out)) as Xavier's standard deviation",
        "The sum of both fans in place of their mean.",
        XAVIER,
        "2.0 / (fan_in + fan_out)",
        "1.0 / (fan_in + fan_out)",
    ),
    _initializer(
        "xavier-variance-as-deviation",
        "with Xavier's variance used as the standard deviation",
        "The root is missing.",
        XAVIER,
        "math.sqrt(2.0 / (fan_in + fan_out))",
        "2.0 / (fan_in + fan_out)",
    ),
    _initializer(
        "xavier-gain-ignored",
        "without the gain in Xavier's spread",
        "The option is accepted and does nothing.",
        XAVIER,
        "gain * math.sqrt",
        "math.sqrt",
    ),
    _initializer(
        "xavier-uniform-bound-is-deviation",
        "with Xavier's standard deviation as the bound of its uniform form",
        "A uniform distribution on [-b, b] has the standard deviation b / sqrt(3).",
        "xavier_uniform_bound",
        "math.sqrt(3.0) * xavier",
        "xavier",
    ),
    # ------------------------------------------------------------------------------------------------------- He
    _initializer(
        "kaiming-mode-ignored",
        "with He's spread from the fan in whatever mode says",
        "The option is accepted and does nothing.",
        KAIMING,
        'fan = fan_in if mode.lower() == "fan_in" else fan_out',
        "fan = fan_in",
    ),
    _initializer(
        "kaiming-slope-ignored",
        "with He's gain sqrt(2) whatever the slope",
        "leaky_relu with slope a has the gain sqrt(2 / (1 + a^2)).",
        KAIMING,
        "calculate_gain(nonlinearity, a)",
        "math.sqrt(2.0)",
    ),
    _initializer(
        "kaiming-variance-as-deviation",
        "with He's variance used as the standard deviation",
        "2 / n in place of sqrt(2 / n): the root is missing.",
        KAIMING,
        "calculate_gain(nonlinearity, a) / math.sqrt(fan)",
        "calculate_gain(nonlinearity, a) ** 2 / fan",
    ),
    _initializer(
        "kaiming-uniform-bound-is-deviation",
        "with He's standard deviation as the bound of its uniform form",
        "A uniform distribution on [-b, b] has the standard deviation b / sqrt(3).",
        "kaiming_uniform_bound",
        "math.sqrt(3.0) * kaiming",
        "kaiming",
    ),
    # ------------------------------------------------------------------------------------ any bounds and deviations
    _initializer(
        "uniform-around-zero",
        "with uniform draws between -b and b whatever a is",
        "The lower bound is accepted and does nothing.",
        "uniform",
        "rng.uniform(a, b",
        "rng.uniform(-b, b",
    ),
    _initializer(
        "normal-variance-as-deviation",
        "with normal's std taken for the variance",
        "N(mean, s) has the variance as its second argument in most textbooks, torch's normal_ the deviation.",
        "normal",
        "rng.normal(mean, std",
        "rng.normal(mean, math.sqrt(std)",
    ),
    # ---------------------------------------------------------------------------------------------- orthogonal
    Divergence(
        "orthogonal-without-sign-correction",
        "without the signs of R's diagonal in an orthogonal matrix",
        "Q as the factorization leaves it is orthogonal, but not uniform among orthogonal matrices: with Householder's "
        "reflections its first element is never positive.",
        (
            Patch("initializers", "q = (q * np.sign(r_diagonal)).T", "q = q.T", "orthogonal"),
            Patch("initializers", "q = q * np.sign(r_diagonal)\n", "q = q\n", "orthogonal"),
        ),
    ),
    _initializer(
        "orthogonal-gain-ignored",
        "without the gain of an orthogonal matrix",
        "The option is accepted and does nothing.",
        "orthogonal",
        "gain * q",
        "q",
    ),
    _initializer(
        "orthogonal-leading-axes-flattened",
        "with all axes but the last flattened into the rows of an orthogonal matrix",
        "torch keeps the first axis, the outputs, and flattens the others. Equal for a weight of two axes.",
        "orthogonal",
        "rows = shape[0]",
        "rows = math.prod(shape[:-1])",
        "Keras",
    ),
    _initializer(
        "orthogonal-columns-of-a-wide-matrix",
        "with the leading square orthogonal and the other columns left as drawn",
        "Where there are fewer rows than columns the rows have to be orthonormal: the factorization is that of the "
        "transposed matrix.",
        "orthogonal",
        "q = (q * np.sign(r_diagonal)).T",
        "q, r_diagonal = _householder(gaussian_matrix[:, :rows].copy())\n"
        "        q = np.concatenate([q * np.sign(r_diagonal), gaussian_matrix[:, rows:]], axis=1)",
    ),
    # ------------------------------------------------------------------------------------------- layers' defaults
    _initializer(
        "rnn-default-from-fan-in",
        "with nn.RNN's bounds from each parameter's own fan in",
        "1 / sqrt(hidden_size) bounds all of nn.RNN's parameters, weight_ih included.",
        "rnn_bounds",
        "{name: rnn_bound(model.hidden_size) for name in model.parameter_shapes}",
        "{name: rnn_bound(shape[-1]) for name, shape in model.parameter_shapes.items()}",
    ),
    _initializer(
        "rnn-default-without-root",
        "with 1 / hidden_size as nn.RNN's bound",
        "The root is missing.",
        "rnn_bound",
        "math.sqrt(hidden_size)",
        "hidden_size",
    ),
    _initializer(
        "gated-default-from-all-gates",
        "with 1 / sqrt(4 hidden_size) as nn.LSTM's bound, 1 / sqrt(3 hidden_size) as nn.GRU's",
        "The rows of all gates counted as units: torch's bound is that of a single gate.",
        "rnn_bounds",
        "rnn_bound(model.hidden_size)",
        "rnn_bound(model.gates * model.hidden_size)",
    ),
    _initializer(
        "recurrent-default-from-input-size",
        "with 1 / sqrt(input_size) as the bound of recurrent layers",
        "The rule of nn.Linear: torch's recurrent layers and cells take hidden_size.",
        "rnn_bounds",
        "rnn_bound(model.hidden_size)",
        "rnn_bound(model.input_size)",
    ),
    _initializer(
        "lstm-default-forget-bias-1",
        "with 1 added to the forget gate's bias of a new LSTM",
        "Widely advised (Jozefowicz et al. 2015), and Keras' default; torch draws all gates alike.",
        "rnn_parameters",
        DRAWN,
        f"{DRAWN} + (np.arange(shape[0]) // model.hidden_size == 1 "
        'if name.startswith("bias_ih") and model.gates == 4 else 0)',
        "Keras",
    ),
    _initializer(
        "recurrent-default-bias-zero",
        "with the biases of recurrent layers started at zero",
        "torch draws them like the weights.",
        "rnn_parameters",
        DRAWN,
        f'{DRAWN} * (0 if name.startswith("bias") else 1)',
        "Keras",
    ),
    _initializer(
        "linear-default-xavier",
        "with nn.Linear's weight started by Xavier's uniform form",
        "nn.Linear uses the fan in alone.",
        "linear_bounds",
        "kaiming_uniform_bound((model.out_features, model.in_features), a=math.sqrt(5))",
        "xavier_uniform_bound((model.out_features, model.in_features))",
        "Keras",
    ),
    _initializer(
        "linear-default-he",
        "with nn.Linear's weight started by He's uniform form for ReLU",
        "a = sqrt(5) makes torch's bound 1 / sqrt(in_features), 2.4 times smaller.",
        "linear_bounds",
        "a=math.sqrt(5)",
        "a=0",
    ),
    _initializer(
        "linear-default-bias-zero",
        "with nn.Linear's bias started at zero",
        "torch draws it within 1 / sqrt(in_features).",
        "linear_bounds",
        "1.0 / math.sqrt(model.in_features)",
        "0.0",
        "Keras",
    ),
)

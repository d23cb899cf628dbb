"""Mistakes in Adagrad and RMSprop, and other frameworks' dialects of them."""

from __future__ import annotations

from conformance.divergences.divergence import Divergence
from conformance.divergences.optimizers import FLOAT32_NOTE, float32, other_default, shared_by_all
from conformance.divergences.patching import Patch

ADAGRAD = "Adagrad.update"
RMSPROP = "RMSprop.update"

DIVERGENCES: tuple[Divergence, ...] = (
    # ------------------------------------------------------------------------------------------------- Adagrad
    Divergence(
        "adagrad-epsilon-inside-root",
        "with Adagrad's epsilon inside the root",
        "sqrt(s + eps) in place of sqrt(s) + eps: with gradients near 1 nobody sees it, with small ones the steps are "
        "another size.",
        (Patch("optim.adaptive", "np.sqrt(total) + eps", "np.sqrt(total + eps)", ADAGRAD),),
    ),
    Divergence(
        "adagrad-epsilon-1e-7-inside-root",
        "with Adagrad's epsilon inside the root and 1e-7 by default",
        "sqrt(s + 1e-7): gradients below 3e-4 hardly move anything at first, where torch's first step is lr whatever "
        "the gradient.",
        (
            Patch("optim.adaptive", "np.sqrt(total) + eps", "np.sqrt(total + eps)", ADAGRAD),
            other_default(ADAGRAD, "eps", "1e-10", "1e-7"),
        ),
        seen_in=("notebook N10", "optax", "Keras", "TensorFlow"),
    ),
    *(
        Divergence(
            f"adagrad-epsilon-{value}",
            f"with Adagrad's epsilon {value} by default",
            "torch's default is 1e-10. Shows where gradients are as small as epsilon.",
            (other_default(ADAGRAD, "eps", "1e-10", value),),
            seen_in,
        )
        for value, seen_in in (("1e-6", ("Paddle",)), ("1e-7", ("zero-kara",)), ("1e-8", ("MLX",)))
    ),
    Divergence(
        "adagrad-without-epsilon",
        "without Adagrad's epsilon",
        "A parameter that has only seen gradients of 0 becomes 0 / 0.",
        (Patch("optim.adaptive", "np.sqrt(total) + eps", "np.sqrt(total)", ADAGRAD),),
    ),
    Divergence(
        "adagrad-accumulator-starts-at-0.1",
        "with Adagrad's sum of squares starting at 0.1 by default",
        "torch starts at 0. First steps with gradients below 0.3 are much smaller.",
        (other_default("Adagrad.initial_state", "initial_accumulator_value", "0", "0.1"),),
        seen_in=("optax", "Keras", "TensorFlow"),
    ),
    Divergence(
        "adagrad-initial-accumulator-ignored",
        "with Adagrad's sum of squares always starting at 0",
        "initial_accumulator_value is accepted and does nothing.",
        (Patch("optim.adaptive", "self.initial_accumulator_value", "0", "Adagrad.initial_state"),),
    ),
    Divergence(
        "adagrad-squares-not-accumulated",
        "with the last gradient's square in place of Adagrad's sum",
        "Assigned instead of added: every step is lr in the direction of the gradient's sign.",
        (Patch("optim.adaptive", 'state["sum"] + grad * grad', "grad * grad", ADAGRAD),),
    ),
    Divergence(
        "adagrad-sum-before-this-gradient",
        "with Adagrad's step divided by the sum before this gradient was added",
        "Two lines in the wrong order: the first step divides by epsilon alone.",
        (Patch("optim.adaptive", "np.sqrt(total)", 'np.sqrt(state["sum"])', ADAGRAD),),
    ),
    Divergence(
        "adagrad-root-missing",
        "without the root in Adagrad's denominator",
        "g / (s + eps): the smaller the gradients, the larger the steps.",
        (Patch("optim.adaptive", "np.sqrt(total)", "(total)", ADAGRAD),),
    ),
    Divergence(
        "adagrad-rate-decay-ignored",
        "without Adagrad's lr_decay",
        "The option is accepted and does nothing.",
        (Patch("optim.adaptive", "self.lr / (1 + (float(step) - 1) * self.lr_decay)", "self.lr", ADAGRAD),),
    ),
    Divergence(
        "adagrad-rate-decay-one-step-ahead",
        "with Adagrad's rate decayed from the first step on",
        "torch divides by 1 + (t - 1) lr_decay: the first step has the whole rate.",
        (Patch("optim.adaptive", "(float(step) - 1)", "float(step)", ADAGRAD),),
    ),
    *shared_by_all("Adagrad"),
    Divergence(
        "adagrad-options-in-float32",
        "with Adagrad's options rounded to float32",
        FLOAT32_NOTE,
        (
            Patch("optim.adaptive", "eps = self.eps", f"eps = {float32('self.eps')}", ADAGRAD),
            Patch("optim.adaptive", "self.weight_decay * param", f"{float32('self.weight_decay')} * param", ADAGRAD),
            Patch("optim.adaptive", "lr = self.lr", f"lr = {float32('self.lr')}", ADAGRAD),
            Patch("optim.adaptive", "* self.lr_decay", f"* {float32('self.lr_decay')}", ADAGRAD),
            Patch(
                "optim.adaptive",
                "self.initial_accumulator_value",
                float32("self.initial_accumulator_value"),
                "Adagrad.initial_state",
            ),
        ),
        seen_in=("Paddle", "MLX", "ONNX attributes"),
    ),
    # ------------------------------------------------------------------------------------------------- RMSprop
    Divergence(
        "rmsprop-alpha-0.9",
        "with RMSprop's alpha 0.9 by default",
        "torch's default is 0.99: the average forgets ten times as fast, and first steps are a third of torch's.",
        (other_default(RMSPROP, "alpha", "0.99", "0.9"),),
        seen_in=("optax", "Keras"),
    ),
    Divergence(
        "rmsprop-epsilon-inside-root",
        "with RMSprop's epsilon inside the root",
        "sqrt(v + eps) in place of sqrt(v) + eps: gradients below 1e-3 make much smaller steps.",
        (Patch("optim.adaptive", "np.sqrt(variance) + eps", "np.sqrt(variance + eps)", RMSPROP),),
        seen_in=("optax",),
    ),
    Divergence(
        "rmsprop-epsilon-1e-7-inside-root",
        "with RMSprop's epsilon inside the root and 1e-7 by default",
        "sqrt(v + 1e-7): gradients below 3e-3 make much smaller steps.",
        (
            Patch("optim.adaptive", "np.sqrt(variance) + eps", "np.sqrt(variance + eps)", RMSPROP),
            other_default(RMSPROP, "eps", "1e-8", "1e-7"),
        ),
        seen_in=("Keras",),
    ),
    Divergence(
        "rmsprop-epsilon-1e-7",
        "with RMSprop's epsilon 1e-7 by default",
        "torch's default is 1e-8. Shows where gradients are as small as epsilon.",
        (other_default(RMSPROP, "eps", "1e-8", "1e-7"),),
    ),
    Divergence(
        "rmsprop-without-epsilon",
        "without RMSprop's epsilon",
        "A parameter that has only seen gradients of 0 becomes 0 / 0.",
        (Patch("optim.adaptive", "np.sqrt(variance) + eps", "np.sqrt(variance)", RMSPROP),),
    ),
    Divergence(
        "rmsprop-mean-square-starts-at-1",
        "with RMSprop's mean square starting at 1",
        "torch starts at 0. First steps are much smaller, as if large gradients had gone before.",
        (
            Patch(
                "optim.adaptive",
                '"square_avg": np.zeros_like(param)',
                '"square_avg": np.ones_like(param)',
                "RMSprop.first_state",
            ),
        ),
        seen_in=("TensorFlow v1", "autograd"),
    ),
    Divergence(
        "rmsprop-rate-inside-momentum",
        "with the learning rate inside RMSprop's momentum",
        "b <- momentum b + lr g / (...): the same while lr is constant, after a change the old rate lives on.",
        (
            Patch("optim.adaptive", "grad / denominator", "self.lr * grad / denominator", RMSPROP),
            Patch("optim.adaptive", "param - self.lr * direction", "param - direction", RMSPROP),
        ),
        seen_in=("Keras", "TensorFlow"),
    ),
    Divergence(
        "rmsprop-momentum-ignored",
        "without momentum in RMSprop's step",
        "The buffer is kept but never used.",
        (Patch("optim.adaptive", 'direction = new["momentum_buffer"]', 'new["momentum_buffer"]', RMSPROP),),
    ),
    Divergence(
        "rmsprop-centered-ignored",
        "with RMSprop not centered",
        "The mean gradient is kept but its square is not subtracted.",
        (Patch("optim.adaptive", "variance = variance - mean * mean", "variance = variance", RMSPROP),),
    ),
    Divergence(
        "rmsprop-mean-not-squared",
        "with the mean gradient itself, not its square, subtracted in centered RMSprop",
        "v - m in place of v - m^2: negative where gradients are small and positive, and the root is NaN.",
        (Patch("optim.adaptive", "variance - mean * mean", "variance - mean", RMSPROP),),
    ),
    Divergence(
        "rmsprop-squares-summed",
        "with g^2 in place of (1 - alpha) g^2 in RMSprop",
        "Half of the exponential average is forgotten: the mean square is 100 times too large.",
        (Patch("optim.adaptive", "(1 - alpha) * grad * grad", "grad * grad", RMSPROP),),
    ),
    Divergence(
        "rmsprop-alpha-swapped",
        "with alpha and 1 - alpha swapped in RMSprop",
        "The average nearly equals the last gradient's square.",
        (
            Patch("optim.adaptive", 'alpha * state["square_avg"]', '(1 - alpha) * state["square_avg"]', RMSPROP),
            Patch("optim.adaptive", "(1 - alpha) * grad * grad", "alpha * grad * grad", RMSPROP),
            Patch("optim.adaptive", 'alpha * state["grad_avg"]', '(1 - alpha) * state["grad_avg"]', RMSPROP),
            Patch("optim.adaptive", "(1 - alpha) * grad\n", "alpha * grad\n", RMSPROP),
        ),
    ),
    Divergence(
        "rmsprop-root-missing",
        "without the root in RMSprop's denominator",
        "g / (v + eps): the smaller the gradients, the larger the steps.",
        (Patch("optim.adaptive", "np.sqrt(variance)", "(variance)", RMSPROP),),
    ),
    *shared_by_all("RMSprop"),
    Divergence(
        "rmsprop-options-in-float32",
        "with RMSprop's options rounded to float32",
        FLOAT32_NOTE,
        (
            Patch(
                "optim.adaptive",
                "alpha, eps = self.alpha, self.eps",
                f"alpha, eps = {float32('self.alpha')}, {float32('self.eps')}",
                RMSPROP,
            ),
            Patch("optim.adaptive", "self.weight_decay * param", f"{float32('self.weight_decay')} * param", RMSPROP),
            Patch("optim.adaptive", "self.momentum * state", f"{float32('self.momentum')} * state", RMSPROP),
            Patch("optim.adaptive", "self.lr * direction", f"{float32('self.lr')} * direction", RMSPROP),
        ),
        seen_in=("Paddle", "MLX", "ONNX attributes"),
    ),
)

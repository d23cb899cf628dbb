"""Mistakes in Adam and AdamW, and other frameworks' dialects of them.

AdamW is Adam with its decay decoupled: but for the decay, what is wrong in one is wrong in both.
"""

from __future__ import annotations

from conformance.divergences.divergence import Divergence
from conformance.divergences.optimizers import DECOUPLED, FLOAT32_NOTE, float32, other_default, shared_by_all
from conformance.divergences.patching import Patch

ADAM = "Adam.update"

DENOMINATOR = "np.sqrt(exp_avg_sq) / bias_correction2**0.5 + eps"
EPSILON_HAT = Patch("optim.adam", DENOMINATOR, "(np.sqrt(exp_avg_sq) + eps) / bias_correction2**0.5", ADAM)
FIRST_MOMENT, FIRST_MOMENT_SUMMED = 'lerp(state["exp_avg"], grad, 1 - beta1)', 'beta1 * state["exp_avg"] + grad'
SECOND_MOMENT = 'exp_avg_sq = beta2 * state["exp_avg_sq"] + (1 - beta2) * grad * grad'
FIRST_UNCORRECTED = Patch("optim.adam", "self.lr / bias_correction1 * exp_avg", "self.lr * exp_avg", ADAM)
SECOND_UNCORRECTED = Patch("optim.adam", "np.sqrt(exp_avg_sq) / bias_correction2**0.5", "np.sqrt(exp_avg_sq)", ADAM)
COUPLED = "grad = grad + self.weight_decay * param"


DIVERGENCES: tuple[Divergence, ...] = (
    # ------------------------------------------------------------------------------------------------- epsilon
    Divergence(
        "adam-epsilon-hat",
        "with epsilon added before bias correction",
        'The "epsilon hat" form of the paper\'s section 2: sqrt(v) + eps, all of it corrected. torch adds epsilon to '
        "the corrected root; at the first step the two epsilons differ by the factor 32.",
        (EPSILON_HAT,),
        seen_in=("TensorFlow v1", "Chainer", "MXNet"),
    ),
    Divergence(
        "adam-epsilon-hat-1e-7",
        "with epsilon added before bias correction and 1e-7 by default",
        "The epsilon hat form with ten times torch's default. Gradients near 1 hide it.",
        (EPSILON_HAT, other_default(ADAM, "eps", "1e-8", "1e-7")),
        seen_in=("notebook N12", "Keras"),
    ),
    Divergence(
        "adam-epsilon-1e-7",
        "with Adam's epsilon 1e-7 by default",
        "torch's default is 1e-8. Shows where gradients are as small as epsilon.",
        (other_default(ADAM, "eps", "1e-8", "1e-7"),),
    ),
    Divergence(
        "adam-epsilon-inside-root",
        "with Adam's epsilon inside the root",
        "sqrt(v_hat + eps) in place of sqrt(v_hat) + eps: gradients below 1e-4 make much smaller steps.",
        (Patch("optim.adam", DENOMINATOR, "np.sqrt(exp_avg_sq / bias_correction2 + eps)", ADAM),),
    ),
    Divergence(
        "adam-without-epsilon",
        "without Adam's epsilon",
        "A parameter that has only seen gradients of 0 becomes 0 / 0.",
        (Patch("optim.adam", f"{DENOMINATOR}\n", "np.sqrt(exp_avg_sq) / bias_correction2**0.5\n", ADAM),),
    ),
    # ----------------------------------------------------------------------------------------- bias correction
    Divergence(
        "adam-without-bias-correction",
        "without bias correction",
        "m / (sqrt(v) + eps): the first step is 3 times torch's with the default betas.",
        (FIRST_UNCORRECTED, SECOND_UNCORRECTED),
        seen_in=("MLX",),
    ),
    Divergence(
        "adam-only-first-moment-corrected",
        "with bias correction of the first moment only",
        "The first step is 32 times torch's with the default betas.",
        (SECOND_UNCORRECTED,),
    ),
    Divergence(
        "adam-only-second-moment-corrected",
        "with bias correction of the second moment only",
        "The first step is a tenth of torch's with the default betas.",
        (FIRST_UNCORRECTED,),
    ),
    Divergence(
        "adam-second-correction-without-root",
        "with sqrt(v) divided by 1 - beta2^t, not by its root",
        "The correction belongs to v, under the root.",
        (Patch("optim.adam", "bias_correction2**0.5", "bias_correction2", ADAM),),
    ),
    Divergence(
        "adam-count-one-ahead",
        "with Adam's step count one ahead in the bias correction",
        "The count starts at 1 and is incremented before its first use.",
        (Patch("optim.adam", "t = float(step)", "t = float(step) + 1", ADAM),),
    ),
    Divergence(
        "adam-count-stays-1",
        "with the bias correction of the first step in every step",
        "The count is created anew, or never advanced.",
        (Patch("optim.adam", "t = float(step)", "t = 1.0", ADAM),),
    ),
    Divergence(
        "adam-second-moment-of-absolute-gradients",
        "with |g| in place of g^2 in Adam's second moment",
        "The root is then that of a first moment: steps grow where gradients shrink.",
        (Patch("optim.adam", "(1 - beta2) * grad * grad", "(1 - beta2) * np.abs(grad)", ADAM),),
    ),
    Divergence(
        "adam-first-moment-not-kept",
        "with the gradient kept in place of Adam's first moment",
        "The average is computed and not stored: it only ever reaches back one step.",
        (Patch("optim.adam", '"exp_avg": exp_avg,', '"exp_avg": grad,', ADAM),),
    ),
    Divergence(
        "adam-count-one-behind",
        "with Adam's step count starting at 0 in the bias correction",
        "The count is incremented after its use: the first step divides by 1 - beta^0 = 0.",
        (Patch("optim.adam", "t = float(step)", "t = float(step) - 1", ADAM),),
        shows_as="exception",
    ),
    Divergence(
        "adam-corrected-moments-kept",
        "with the bias-corrected moments kept as Adam's state",
        "m <- m / (1 - beta1^t) in place: the next step averages what was corrected before, and corrects it again.",
        (
            Patch(
                "optim.adam",
                SECOND_MOMENT,
                f"{SECOND_MOMENT}\n"
                "        exp_avg, exp_avg_sq = exp_avg / bias_correction1, exp_avg_sq / bias_correction2\n"
                "        bias_correction1 = bias_correction2 = 1.0",
                ADAM,
            ),
        ),
    ),
    # ------------------------------------------------------------------------------------------------- moments
    Divergence(
        "adam-betas-swapped",
        "with beta1 and beta2 swapped",
        "The first moment remembers a thousand steps, the second ten.",
        (Patch("optim.adam", "(beta1, beta2), eps", "(beta2, beta1), eps", ADAM),),
    ),
    Divergence(
        "adam-first-moment-summed",
        "with g in place of (1 - beta1) g in Adam's first moment",
        "Half of the exponential average is forgotten: steps are ten times too large.",
        (Patch("optim.adam", FIRST_MOMENT, FIRST_MOMENT_SUMMED, ADAM),),
    ),
    Divergence(
        "adam-second-moment-summed",
        "with g^2 in place of (1 - beta2) g^2 in Adam's second moment",
        "Half of the exponential average is forgotten: steps are 32 times too small.",
        (Patch("optim.adam", "(1 - beta2) * grad * grad", "grad * grad", ADAM),),
    ),
    Divergence(
        "adam-root-missing",
        "without the root in Adam's denominator",
        "m_hat / (v_hat + eps): the smaller the gradients, the larger the steps.",
        (Patch("optim.adam", "np.sqrt(exp_avg_sq) / bias_correction2**0.5", "(exp_avg_sq) / bias_correction2", ADAM),),
    ),
    Divergence(
        "adam-first-moment-ignored",
        "with the gradient itself in place of Adam's first moment",
        "g / (sqrt(v_hat) + eps): RMSprop with bias correction.",
        (Patch("optim.adam", "self.lr / bias_correction1 * exp_avg", "self.lr * grad", ADAM),),
    ),
    Divergence(
        "adam-moments-in-float32",
        "with Adam's moments rounded to float32",
        "The state is kept in float32 beside float64 parameters: 1e-7, a billion times the rounding error of float64.",
        (
            Patch(
                "optim.adam",
                SECOND_MOMENT,
                f"{SECOND_MOMENT}\n"
                "        exp_avg = exp_avg.astype(np.float32).astype(param.dtype)\n"
                "        exp_avg_sq = exp_avg_sq.astype(np.float32).astype(param.dtype)",
                ADAM,
            ),
        ),
        precision=True,
    ),
    # ------------------------------------------------------------------------------------------------- options
    Divergence(
        "adam-amsgrad-ignored",
        "with amsgrad's maximum kept but not used",
        "The denominator has the present average in place of the largest so far.",
        (Patch("optim.adam", 'exp_avg_sq = new["max_exp_avg_sq"]', 'new["max_exp_avg_sq"]', ADAM),),
    ),
    Divergence(
        "adam-amsgrad-after-bias-correction",
        "with amsgrad's maximum taken after bias correction",
        "max(v_hat_max, v_hat) in place of max(v_max, v) and then a correction: v_hat is largest at the first steps, "
        "and its maximum keeps that for good.",
        (
            Patch(
                "optim.adam",
                'np.maximum(state["max_exp_avg_sq"], exp_avg_sq)',
                'np.maximum(state["max_exp_avg_sq"], exp_avg_sq / bias_correction2)\n'
                "            bias_correction2 = 1.0",
                ADAM,
            ),
        ),
        seen_in=("optax",),
    ),
    Divergence(
        "adam-amsgrad-overwrites-average",
        "with amsgrad's maximum written into the second moment",
        "One buffer for two quantities: the maximum is averaged on, where torch keeps the average beside it.",
        (
            Patch(
                "optim.adam",
                'exp_avg_sq = new["max_exp_avg_sq"] = np.maximum(state["max_exp_avg_sq"], exp_avg_sq)',
                'exp_avg_sq = new["max_exp_avg_sq"] = new["exp_avg_sq"] = '
                'np.maximum(state["max_exp_avg_sq"], exp_avg_sq)',
                ADAM,
            ),
        ),
    ),
    *shared_by_all("Adam"),
    Divergence(
        "adam-options-in-float32",
        "with Adam's options rounded to float32",
        FLOAT32_NOTE,
        (
            Patch(
                "optim.adam",
                "(beta1, beta2), eps = self.betas, self.eps",
                "(beta1, beta2), eps = self.betas, self.eps\n"
                f"        beta1, beta2, eps = {float32('beta1')}, {float32('beta2')}, {float32('eps')}",
                ADAM,
            ),
            Patch("optim.adam", "self.lr / bias", f"{float32('self.lr')} / bias", ADAM),
            Patch("optim.adam", "self.weight_decay * param", f"{float32('self.weight_decay')} * param", ADAM),
            Patch(
                "optim.adam",
                "self.lr * self.weight_decay",
                f"{float32('self.lr')} * {float32('self.weight_decay')}",
                ADAM,
            ),
        ),
        seen_in=("Paddle", "MLX", "ONNX attributes"),
    ),
    # --------------------------------------------------------------------------------------------------- AdamW
    Divergence(
        "adamw-decay-not-scaled-by-rate",
        "with AdamW's decay not multiplied by the learning rate",
        "theta <- theta - lambda theta: a thousand times torch's decay at lr 1e-3, and schedules do not reach it.",
        (Patch("optim.adam", "1 - self.lr * self.weight_decay", "1 - self.weight_decay", ADAM),),
        seen_in=("Chainer",),
    ),
    *(
        Divergence(
            f"adamw-decay-{value}",
            f"with AdamW's weight decay {value} by default",
            "torch's default is 1e-2.",
            (
                Patch(
                    "optim.adam",
                    "self.lr * self.weight_decay",
                    f"self.lr * ({value} if self.weight_decay == 1e-2 else self.weight_decay)",
                    ADAM,
                ),
            ),
            (framework,),
        )
        for value, framework in (("1e-4", "optax"), ("4e-3", "Keras"))
    ),
    Divergence(
        "adamw-decay-ignored",
        "without AdamW's decay",
        "The option is accepted and does nothing: Adam.",
        (Patch("optim.adam", DECOUPLED, "param = param", ADAM),),
    ),
    Divergence(
        "adamw-decay-sign",
        "with AdamW's decay pulling away from 0",
        "theta <- theta + lr lambda theta.",
        (Patch("optim.adam", "1 - self.lr * self.weight_decay", "1 + self.lr * self.weight_decay", ADAM),),
    ),
    Divergence(
        "adamw-decay-coupled",
        "with AdamW's decay added to the gradient",
        "Adam with L2 regularisation, which AdamW is there to replace: the moments rescale the decay.",
        (
            # in AdamW alone: Adam with the option may be right, or wrong by a divergence of its own
            Patch(
                "optim.adam",
                DECOUPLED,
                f"if type(self) is AdamW:\n                    {COUPLED}\n"
                f"                else:\n                    {DECOUPLED}",
                ADAM,
            ),
        ),
    ),
    Divergence(
        "adam-decoupled-decay-ignored",
        "with Adam's weight decay added to the gradient whatever decoupled_weight_decay says",
        "The option is accepted and does nothing, while AdamW is right.",
        (
            Patch(
                "optim.adam",
                "if self.decoupled_weight_decay",
                "if self.decoupled_weight_decay and type(self) is not Adam",
                ADAM,
            ),
        ),
    ),
    Divergence(
        "adamw-decay-after-the-update",
        "with AdamW's decay applied to the new parameter",
        "The decay acts on theta after Adam's step: off by lr^2 lambda a step.",
        (
            Patch("optim.adam", DECOUPLED, "param = param", ADAM),
            Patch(
                "optim.adam",
                "return param -",
                "decay = self.lr * self.weight_decay if self.decoupled_weight_decay else 0\n"
                "        return (1 - decay) * (param -",
                ADAM,
            ),
            Patch("optim.adam", "/ denominator, new", "/ denominator), new", ADAM),
        ),
    ),
    # ------------------------------------------------------------------------------------ slips of precedence and pen
    Divergence(
        "adam-epsilon-added-to-the-quotient",
        "with Adam's epsilon added to the quotient in place of its denominator",
        "m / sqrt(v) + eps: the division binds closer than the sum. Every parameter drifts by lr eps, and one that has "
        "only seen gradients of 0 becomes 0 / 0.",
        (
            Patch("optim.adam", f"{DENOMINATOR}\n", "np.sqrt(exp_avg_sq) / bias_correction2**0.5\n", ADAM),
            Patch(
                "optim.adam",
                "param - self.lr / bias_correction1 * exp_avg / denominator, new",
                "param - self.lr * (1 / bias_correction1 * exp_avg / denominator + eps), new",
                ADAM,
            ),
        ),
    ),
    Divergence(
        "adam-second-moment-corrected-by-beta1",
        "with beta1 in place of beta2 in the bias correction of Adam's second moment",
        "1 - beta1^t for both: copied from the line above.",
        (Patch("optim.adam", "bias_correction2 = 1 - beta2**t", "bias_correction2 = 1 - beta1**t", ADAM),),
    ),
    Divergence(
        "adam-second-moment-with-both-betas",
        "with 1 - beta1 in place of 1 - beta2 in Adam's second moment",
        "beta2 v + (1 - beta1) g^2: the weights do not add up to 1.",
        (Patch("optim.adam", "(1 - beta2) * grad * grad", "(1 - beta1) * grad * grad", ADAM),),
    ),
    Divergence(
        "adam-averages-by-the-complement",
        "with beta and 1 - beta in each other's place in both of Adam's moments",
        "(1 - beta) m + beta g: almost nothing is remembered.",
        (
            Patch("optim.adam", FIRST_MOMENT, 'lerp(state["exp_avg"], grad, beta1)', ADAM),
            Patch(
                "optim.adam",
                SECOND_MOMENT,
                'exp_avg_sq = (1 - beta2) * state["exp_avg_sq"] + beta2 * grad * grad',
                ADAM,
            ),
        ),
    ),
)

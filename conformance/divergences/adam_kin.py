"""Mistakes in Adamax, NAdam and RAdam, and other frameworks' dialects of them."""

from __future__ import annotations

from conformance.divergences.adam import FIRST_MOMENT, FIRST_MOMENT_SUMMED
from conformance.divergences.divergence import Divergence
from conformance.divergences.optimizers import FLOAT32_NOTE, float32, other_default, shared_by_all
from conformance.divergences.patching import Patch

MODULE = "optim.adam"
ADAMAX = "Adamax.update"
NADAM = "NAdam.update"
RADAM = "RAdam.update"

INFINITY_NORM = 'np.maximum(beta2 * state["exp_inf"], np.abs(grad) + eps)'
NADAM_ROOT = "np.sqrt(exp_avg_sq / bias_correction2) + eps"
NADAM_GRADIENT = "param = param - self.lr * (1 - mu) / (1 - product) * grad / denominator"
NADAM_MOMENTUM = "self.lr * mu_next / (1 - product * mu_next) * exp_avg"
RADAM_ADAPTS = "1 / (np.sqrt(exp_avg_sq) + eps) * bias_correction2**0.5"


def moments(algorithm: str) -> tuple[Divergence, ...]:
    """Mistakes in the first moment, in the count and in the order of the betas."""
    prefix, function = algorithm.lower(), f"{algorithm}.update"

    def moment(id: str, title: str, note: str, correct: str, wrong: str) -> Divergence:
        return Divergence(f"{prefix}-{id}", title, note, (Patch(MODULE, correct, wrong, function),))

    return (
        moment(
            "betas-swapped",
            f"with beta1 and beta2 swapped in {algorithm}",
            "The first moment remembers a thousand steps.",
            "(beta1, beta2), eps",
            "(beta2, beta1), eps",
        ),
        moment(
            "first-moment-summed",
            f"with g in place of (1 - beta1) g in {algorithm}'s first moment",
            "Half of the exponential average is forgotten: steps are ten times too large.",
            FIRST_MOMENT,
            FIRST_MOMENT_SUMMED,
        ),
        moment(
            "count-one-ahead",
            f"with {algorithm}'s step count one ahead",
            "The count starts at 1 and is incremented before its first use.",
            "t = float(step)",
            "t = float(step) + 1",
        ),
        Divergence(
            f"{prefix}-count-one-behind",
            f"with {algorithm}'s step count starting at 0",
            "The count is incremented after its use: the first step divides by 1 - beta^0 = 0.",
            (Patch(MODULE, "t = float(step)", "t = float(step) - 1", function),),
            # NAdam divides an array by it, which is infinite and no error
            shows_as="value" if algorithm == "NAdam" else "exception",
        ),
    )


def decoupled(algorithm: str) -> tuple[Divergence, ...]:
    """Mistakes in the decay that ``decoupled_weight_decay`` takes out of the gradient."""
    prefix, function = algorithm.lower(), f"{algorithm}.update"
    return (
        Divergence(
            f"{prefix}-decoupled-decay-ignored",
            f"with {algorithm}'s weight decay added to the gradient whatever decoupled_weight_decay says",
            "The option is accepted and does nothing.",
            (Patch(MODULE, "if self.decoupled_weight_decay", "if False", function),),
        ),
        Divergence(
            f"{prefix}-decoupled-decay-not-scaled-by-rate",
            f"with {algorithm}'s decoupled decay not multiplied by the learning rate",
            "theta <- theta - lambda theta: schedules do not reach it.",
            (Patch(MODULE, "1 - self.lr * self.weight_decay", "1 - self.weight_decay", function),),
        ),
    )


def in_float32(algorithm: str, *patches: Patch) -> Divergence:
    """The options of an algorithm rounded to float32."""
    function = f"{algorithm}.update"
    return Divergence(
        f"{algorithm.lower()}-options-in-float32",
        f"with {algorithm}'s options rounded to float32",
        FLOAT32_NOTE,
        (
            Patch(
                MODULE,
                "(beta1, beta2), eps = self.betas, self.eps",
                "(beta1, beta2), eps = self.betas, self.eps\n"
                f"        beta1, beta2, eps = {float32('beta1')}, {float32('beta2')}, {float32('eps')}",
                function,
            ),
            Patch(MODULE, "self.weight_decay * param", f"{float32('self.weight_decay')} * param", function),
            *patches,
        ),
        seen_in=("Paddle", "MLX", "ONNX attributes"),
    )


DIVERGENCES: tuple[Divergence, ...] = (
    # -------------------------------------------------------------------------------------------------- Adamax
    Divergence(
        "adamax-epsilon-beside-the-average",
        "with Adamax's epsilon added to the decayed norm, not to the gradient",
        "max(beta2 u + eps, |g|): torch adds it to |g|. Epsilon then piles up in the norm from step to step.",
        (Patch(MODULE, INFINITY_NORM, 'np.maximum(beta2 * state["exp_inf"] + eps, np.abs(grad))', ADAMAX),),
        seen_in=("Paddle",),
    ),
    Divergence(
        "adamax-epsilon-after-the-maximum",
        "with Adamax's epsilon added to the norm when it divides",
        "m / (max(beta2 u, |g|) + eps): the state has no epsilon in it.",
        (
            Patch(MODULE, "np.abs(grad) + eps", "np.abs(grad)", ADAMAX),
            Patch(MODULE, "exp_avg / exp_inf", "exp_avg / (exp_inf + eps)", ADAMAX),
        ),
        seen_in=("Keras", "TensorFlow"),
    ),
    Divergence(
        "adamax-without-epsilon",
        "without Adamax's epsilon",
        "A parameter that has only seen gradients of 0 becomes 0 / 0.",
        (Patch(MODULE, "np.abs(grad) + eps", "np.abs(grad)", ADAMAX),),
        seen_in=("the paper",),
    ),
    Divergence(
        "adamax-epsilon-1e-7",
        "with Adamax's epsilon 1e-7 by default",
        "torch's default is 1e-8. Shows where gradients are as small as epsilon.",
        (other_default(ADAMAX, "eps", "1e-8", "1e-7"),),
    ),
    Divergence(
        "adamax-norm-without-decay",
        "with Adamax's norm never decaying",
        "The largest gradient ever seen divides all later steps.",
        (Patch(MODULE, 'beta2 * state["exp_inf"]', 'state["exp_inf"]', ADAMAX),),
    ),
    Divergence(
        "adamax-norm-of-the-last-gradient",
        "with the last gradient in place of Adamax's norm",
        "The maximum is taken of one thing only.",
        (Patch(MODULE, INFINITY_NORM, "np.abs(grad) + eps", ADAMAX),),
    ),
    Divergence(
        "adamax-norm-as-average",
        "with (1 - beta2) |g| in Adamax's maximum",
        "The infinity norm takes the whole gradient: it is no average.",
        (Patch(MODULE, "np.abs(grad) + eps", "(1 - beta2) * np.abs(grad) + eps", ADAMAX),),
    ),
    Divergence(
        "adamax-norm-without-absolute-value",
        "with the gradient's sign left in Adamax's norm",
        "max(beta2 u, g): negative gradients do not count.",
        (Patch(MODULE, "np.abs(grad)", "grad", ADAMAX),),
    ),
    Divergence(
        "adamax-norm-corrected",
        "with bias correction of Adamax's norm",
        "The maximum starts with the first gradient as it is: there is no bias to correct.",
        (Patch(MODULE, "exp_avg / exp_inf", "exp_avg / (exp_inf / (1 - beta2**t))", ADAMAX),),
    ),
    Divergence(
        "adamax-without-bias-correction",
        "without bias correction in Adamax",
        "The first step is a tenth of torch's with the default betas.",
        (Patch(MODULE, "self.lr / bias_correction", "self.lr", ADAMAX),),
    ),
    *moments("Adamax"),
    *shared_by_all("Adamax"),
    in_float32("Adamax", Patch(MODULE, "self.lr / bias", f"{float32('self.lr')} / bias", ADAMAX)),
    # --------------------------------------------------------------------------------------------------- NAdam
    Divergence(
        "nadam-product-in-float64",
        "with NAdam's product of momenta in float64",
        "torch keeps mu_product in float32 whatever the parameters' dtype: more precise, and not what torch computes.",
        (Patch(MODULE, "dtype=np.float32", "dtype=np.float64", "NAdam.first_state"),),
        seen_in=("any implementation in one dtype",),
    ),
    Divergence(
        "nadam-without-momentum-schedule",
        "with beta1 in place of NAdam's warming momentum",
        "mu_t = beta1 throughout, so that momentum_decay does nothing.",
        (
            Patch(MODULE, "mu = beta1 * (1 - 0.5 * 0.96 ** (t * self.momentum_decay))", "mu = beta1", NADAM),
            Patch(MODULE, "beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * self.momentum_decay))", "beta1", NADAM),
        ),
        seen_in=("optax",),
    ),
    Divergence(
        "nadam-schedule-one-step-ahead",
        "with NAdam's momentum of the next step in place of this one's",
        "mu_{t+1} and mu_{t+2}: the count starts at 1.",
        (
            Patch(MODULE, "0.96 ** (t * ", "0.96 ** ((t + 1) * ", NADAM),
            Patch(MODULE, "0.96 ** ((t + 1) * ", "0.96 ** ((t + 2) * ", NADAM),
        ),
    ),
    Divergence(
        "nadam-schedule-one-step-behind",
        "with NAdam's momentum of the step before in place of this one's",
        "mu_{t-1} and mu_t: the count starts at 1.",
        (
            Patch(MODULE, "0.96 ** (t * ", "0.96 ** ((t - 1) * ", NADAM),
            Patch(MODULE, "0.96 ** ((t + 1) * ", "0.96 ** (t * ", NADAM),
        ),
    ),
    Divergence(
        "nadam-momentum-decay-ignored",
        "without momentum_decay in NAdam",
        "0.96^t: the momentum warms up 250 times faster than by default.",
        (
            Patch(MODULE, "(t * self.momentum_decay)", "t", NADAM),
            Patch(MODULE, "((t + 1) * self.momentum_decay)", "(t + 1)", NADAM),
        ),
    ),
    Divergence(
        "nadam-this-momentum-for-the-average",
        "with this step's momentum in place of the next one's on NAdam's first moment",
        "Nesterov's look ahead is lost: mu_t in place of mu_{t+1}.",
        (Patch(MODULE, NADAM_MOMENTUM, "self.lr * mu / (1 - product * mu) * exp_avg", NADAM),),
    ),
    Divergence(
        "nadam-product-without-the-next-momentum",
        "with the same product of momenta in both of NAdam's terms",
        "The first moment's correction takes the product up to the next step.",
        (Patch(MODULE, "1 - product * mu_next", "1 - product", NADAM),),
    ),
    Divergence(
        "nadam-without-product-correction",
        "without NAdam's bias correction by the product of momenta",
        "First steps are smaller.",
        (
            Patch(MODULE, "/ (1 - product) * grad", "* grad", NADAM),
            Patch(MODULE, "/ (1 - product * mu_next) * exp_avg", "* exp_avg", NADAM),
        ),
    ),
    Divergence(
        "nadam-corrected-by-power-of-beta1",
        "with beta1^t in place of NAdam's product of momenta",
        "The correction of Adam, which knows no schedule.",
        (Patch(MODULE, "product = float(mu_product)", "product = beta1**t", NADAM),),
    ),
    Divergence(
        "nadam-gradient-term-missing",
        "without the gradient's own term in NAdam's step",
        "What is left is Adam with a scheduled momentum.",
        (Patch(MODULE, NADAM_GRADIENT, "param = param", NADAM),),
    ),
    Divergence(
        "nadam-gradient-term-not-weighted",
        "with the whole gradient in NAdam's step, not (1 - mu_t) of it",
        "The two terms no longer add up to one step.",
        (Patch(MODULE, "self.lr * (1 - mu) / (1 - product)", "self.lr / (1 - product)", NADAM),),
    ),
    Divergence(
        "nadam-epsilon-hat",
        "with NAdam's epsilon added before bias correction",
        "(sqrt(v) + eps) / sqrt(1 - beta2^t): torch corrects first.",
        (Patch(MODULE, NADAM_ROOT, "(np.sqrt(exp_avg_sq) + eps) / bias_correction2**0.5", NADAM),),
    ),
    Divergence(
        "nadam-epsilon-1e-7",
        "with NAdam's epsilon 1e-7 by default",
        "torch's default is 1e-8. Shows where gradients are as small as epsilon.",
        (other_default(NADAM, "eps", "1e-8", "1e-7"),),
        seen_in=("Keras",),
    ),
    Divergence(
        "nadam-epsilon-inside-root",
        "with NAdam's epsilon inside the root",
        "sqrt(v_hat + eps) in place of sqrt(v_hat) + eps.",
        (Patch(MODULE, NADAM_ROOT, "np.sqrt(exp_avg_sq / bias_correction2 + eps)", NADAM),),
    ),
    Divergence(
        "nadam-without-epsilon",
        "without NAdam's epsilon",
        "A parameter that has only seen gradients of 0 becomes 0 / 0.",
        (Patch(MODULE, NADAM_ROOT, "np.sqrt(exp_avg_sq / bias_correction2)", NADAM),),
    ),
    Divergence(
        "nadam-second-moment-uncorrected",
        "without bias correction of NAdam's second moment",
        "The first step is 32 times torch's with the default betas.",
        (Patch(MODULE, "np.sqrt(exp_avg_sq / bias_correction2)", "np.sqrt(exp_avg_sq)", NADAM),),
    ),
    Divergence(
        "nadam-second-moment-summed",
        "with g^2 in place of (1 - beta2) g^2 in NAdam's second moment",
        "Half of the exponential average is forgotten: steps are 32 times too small.",
        (Patch(MODULE, "(1 - beta2) * grad * grad", "grad * grad", NADAM),),
    ),
    *moments("NAdam"),
    *shared_by_all("NAdam"),
    *decoupled("NAdam"),
    in_float32(
        "NAdam",
        Patch(MODULE, "self.lr * (1 - mu)", f"{float32('self.lr')} * (1 - mu)", NADAM),
        Patch(MODULE, "self.lr * mu_next", f"{float32('self.lr')} * mu_next", NADAM),
        Patch(MODULE, "(t * self.momentum_decay)", f"(t * {float32('self.momentum_decay')})", NADAM),
        Patch(MODULE, "((t + 1) * self.momentum_decay)", f"((t + 1) * {float32('self.momentum_decay')})", NADAM),
    ),
    # --------------------------------------------------------------------------------------------------- RAdam
    Divergence(
        "radam-threshold-4",
        "with RAdam's second moment used from rho > 4 on",
        "The paper's threshold; torch's is 5. With the default beta2 they differ at step 5.",
        (Patch(MODULE, "rho > 5", "rho > 4", RADAM),),
        seen_in=("the paper",),
    ),
    Divergence(
        "radam-threshold-inclusive-of-6",
        "with RAdam's second moment used from rho > 6 on",
        "Off by one: with the default beta2 the first rectified step comes a step later.",
        (Patch(MODULE, "rho > 5", "rho > 6", RADAM),),
    ),
    Divergence(
        "radam-epsilon-after-correction",
        "with RAdam's epsilon added after bias correction",
        "sqrt(v_hat) + eps, as in Adam; torch adds epsilon to the uncorrected root here.",
        (Patch(MODULE, RADAM_ADAPTS, "1 / (np.sqrt(exp_avg_sq) / bias_correction2**0.5 + eps)", RADAM),),
        seen_in=("optax",),
    ),
    Divergence(
        "radam-epsilon-1e-7",
        "with RAdam's epsilon 1e-7 by default",
        "torch's default is 1e-8. Shows where gradients are as small as epsilon.",
        (other_default(RADAM, "eps", "1e-8", "1e-7"),),
    ),
    Divergence(
        "radam-without-epsilon",
        "without RAdam's epsilon",
        "A parameter that has only seen gradients of 0 becomes 0 / 0.",
        (Patch(MODULE, "(np.sqrt(exp_avg_sq) + eps)", "np.sqrt(exp_avg_sq)", RADAM),),
    ),
    Divergence(
        "radam-without-rectification",
        "without RAdam's rectification",
        "The second moment comes late but with its full weight: r = 1.",
        (Patch(MODULE, " * rectification", "", RADAM),),
    ),
    Divergence(
        "radam-rectification-without-root",
        "without the root in RAdam's rectification",
        "r^2 in place of r: rectified steps are smaller.",
        (Patch(MODULE, "* rho)) ** 0.5", "* rho))", RADAM),),
    ),
    Divergence(
        "radam-adapts-from-the-first-step",
        "with RAdam dividing by the second moment from the first step on",
        "Without rectification while rho <= 5: Adam's first steps, which RAdam is there to avoid.",
        (
            Patch(MODULE, "if rho > 5:", "if True:", RADAM),
            Patch(MODULE, "* rho)) ** 0.5", "* rho)) ** 0.5 if rho > 5 else 1.0", RADAM),
        ),
    ),
    Divergence(
        "radam-waits-for-the-threshold",
        "without a step in RAdam while rho <= 5",
        "torch moves by the corrected first moment until the second can be trusted.",
        (Patch(MODULE, "param - change", "param - (rho > 5) * change", RADAM),),
        seen_in=("the authors' own code, as an option",),
    ),
    Divergence(
        "radam-first-moment-uncorrected",
        "without bias correction of RAdam's first moment",
        "The first step is a tenth of torch's with the default betas.",
        (Patch(MODULE, "exp_avg / bias_correction1", "exp_avg", RADAM),),
    ),
    Divergence(
        "radam-second-moment-uncorrected",
        "without bias correction of RAdam's second moment",
        "The first rectified step is 13 times too large with the default betas.",
        (Patch(MODULE, RADAM_ADAPTS, "1 / (np.sqrt(exp_avg_sq) + eps)", RADAM),),
    ),
    Divergence(
        "radam-second-moment-summed",
        "with g^2 in place of (1 - beta2) g^2 in RAdam's second moment",
        "Half of the exponential average is forgotten: rectified steps are 32 times too small.",
        (Patch(MODULE, "(1 - beta2) * grad * grad", "grad * grad", RADAM),),
    ),
    Divergence(
        "radam-length-without-2",
        "with t in place of 2 t in RAdam's length of the average",
        "rho = rho_inf - t beta2^t / (1 - beta2^t) passes the threshold at once.",
        (Patch(MODULE, "rho_inf - 2 * t", "rho_inf - t", RADAM),),
    ),
    Divergence(
        "radam-length-without-minus-1",
        "with 2 / (1 - beta2) in place of 2 / (1 - beta2) - 1 in RAdam",
        "The length of the average is one too large, and the threshold is passed one step early.",
        (Patch(MODULE, "2 / (1 - beta2) - 1", "2 / (1 - beta2)", RADAM),),
    ),
    *moments("RAdam"),
    *shared_by_all("RAdam"),
    *decoupled("RAdam"),
    in_float32("RAdam", Patch(MODULE, "bias_correction1 * self.lr", f"bias_correction1 * {float32('self.lr')}", RADAM)),
)

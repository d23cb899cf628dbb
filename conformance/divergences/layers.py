"""Mistakes in the linear layer.

As in the recurrence, a mistake has two forms where they differ: in the forward pass only, with a hand-written
backward that does not know of it, and throughout, as automatic differentiation would have it.
"""

from __future__ import annotations

from conformance.divergences.divergence import Divergence
from conformance.divergences.patching import Patch

RESHAPED = 'params["weight"].reshape(model.in_features, model.out_features)'
FORWARD_RESHAPED = Patch("linear", 'params["weight"].T', RESHAPED, "forward")
INPUT_GRADIENT_RESHAPED = Patch("linear", 'd_output @ params["weight"]', f"d_output @ {RESHAPED}.T", "backward")
WEIGHT_GRADIENT_RESHAPED = Patch(
    "linear", "d_rows.T @ x_rows", '(x_rows.T @ d_rows).reshape(params["weight"].shape)', "backward"
)
BIAS_GRADIENT = "np.ones_like(x, shape=(n_rows,)) @ d_rows"

DIVERGENCES: tuple[Divergence, ...] = (
    Divergence(
        "linear-weight-reshaped",
        "with the linear layer's weight reshaped, not transposed, in the forward pass",
        "reshape gives the shape of the transpose and another matrix. For a square weight it is the forgotten "
        "transpose: x W in place of x W^T.",
        (FORWARD_RESHAPED,),
        seen_in=("weights loaded from a framework that keeps the transpose",),
    ),
    Divergence(
        "linear-weight-reshaped-throughout",
        "with the linear layer's weight reshaped, not transposed, in the forward and the backward pass",
        "The layer is another one, and its gradients are right for it: only the comparison with torch under equal "
        "weights shows it.",
        (
            FORWARD_RESHAPED,
            WEIGHT_GRADIENT_RESHAPED,
            INPUT_GRADIENT_RESHAPED,
        ),
        seen_in=("weights loaded from a framework that keeps the transpose",),
    ),
    Divergence(
        "linear-bias-ignored",
        "without the linear layer's bias in the forward pass",
        "The bias has a gradient and is updated, but takes no part.",
        (Patch("linear", 'y = y + params["bias"]', "y = y", "forward"),),
    ),
    Divergence(
        "linear-bias-ignored-throughout",
        "without the linear layer's bias, its gradient zero",
        "As automatic differentiation has it when the bias takes no part.",
        (
            Patch("linear", 'y = y + params["bias"]', "y = y", "forward"),
            Patch("linear", BIAS_GRADIENT, 'np.zeros_like(params["bias"])', "backward"),
        ),
    ),
    Divergence(
        "linear-weight-gradient-reshaped",
        "with the gradient of the linear layer's weight reshaped, not transposed",
        "x^T d_y has the shape (in, out), for a weight that is kept that way; torch's d_W = d_y^T x is (out, in). For "
        "a square weight it is the forgotten transpose.",
        (WEIGHT_GRADIENT_RESHAPED,),
    ),
    Divergence(
        "linear-input-gradient-reshaped",
        "with the weight reshaped, not transposed, in the linear layer's d_x",
        "d_x = d_y W; for a square weight this is d_y W^T.",
        (INPUT_GRADIENT_RESHAPED,),
    ),
    Divergence(
        "linear-batch-mean",
        "with the linear layer's gradients divided by the number of rows",
        "Whether gradients are sums or means over the batch is the loss' reduction to decide. A layer that divides as "
        "well changes the learning rate with the batch.",
        (
            Patch("linear", "d_rows.T @ x_rows", "d_rows.T @ x_rows / n_rows", "backward"),
            Patch("linear", BIAS_GRADIENT, f"{BIAS_GRADIENT} / n_rows", "backward"),
        ),
    ),
    Divergence(
        "linear-weight-gradient-batch-mean",
        "with the linear layer's weight gradient averaged over the rows",
        "The product divided by the batch, the bias gradient's sum left as it is: the two are on different scales.",
        (Patch("linear", "d_rows.T @ x_rows", "d_rows.T @ x_rows / n_rows", "backward"),),
    ),
    Divergence(
        "linear-bias-gradient-batch-mean",
        "with the linear layer's bias gradient averaged over the rows",
        "mean(axis=0) beside the weight's product, which sums: the two gradients are on different scales.",
        (Patch("linear", BIAS_GRADIENT, f"{BIAS_GRADIENT} / n_rows", "backward"),),
    ),
    Divergence(
        "linear-bias-gradient-mean-of-units",
        "with one bias gradient for all units of the linear layer: the mean over rows and units",
        "mean() without an axis. It broadcasts, so that nothing complains.",
        (
            Patch(
                "linear",
                BIAS_GRADIENT,
                'np.zeros_like(params["bias"]) + d_rows.sum() / d_rows.size',
                "backward",
            ),
        ),
    ),
    Divergence(
        "linear-bias-gradient-of-the-first-axis-only",
        "with the linear layer's bias gradient summed over the first axis only",
        "sum(axis=0) is right for a batch of vectors; for a sequence of batches the shape is wrong, for a single "
        "vector the units are added up.",
        (Patch("linear", BIAS_GRADIENT, "d_output.sum(axis=0)", "backward"),),
    ),
)

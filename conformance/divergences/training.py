"""Mistakes with a training loop: what the classifier reads, what is kept from step to step, what is updated."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.divergences.divergence import Divergence
from conformance.divergences.patching import Patch

GRADIENTS, TRAIN = "loss_and_gradients", "train"

LAST = "last = (slice(None), -1) if model.network.batch_first else (-1,)"
RUN = "output, *_, cache = module.forward(model.network, network_params, x)"
FEATURES = "features = output[last]"
LOGITS = "logits, linear_cache = linear.forward(model.linear, linear_params, features)"
LOSS = "loss = cross_entropy(logits, target)"
D_LOGITS = "d_logits = cross_entropy_backward(loss.dtype.type(1), logits, target)"
D_FEATURES = 'd_features = linear_grads.pop("input")'
D_OUTPUT = "d_output[last] = d_features"
NETWORK_BACKWARD = "module.backward(model.network, network_params, cache, d_output)"
START = "state = optimizer.init(params)"
BATCHES = "for x, target in batches:"
GRADIENTS_OF_THE_BATCH = "loss, grads = loss_and_gradients(model, params, x, target)"
UPDATE = "params, state = optimizer.step(params, grads, state)"

TIME = "(1 if model.network.batch_first else 0)"


def _patch(function: str, correct: str, wrong: str) -> Patch:
    return Patch("training", correct, wrong, function)


def _on_logits() -> Iterator[Divergence]:
    """A nonlinearity behind the linear layer, with its derivative."""
    for name, forward, slope in (
        ("tanh", "np.tanh(logits)", "(1 - logits * logits)"),
        ("sigmoid", "1 / (1 + np.exp(-logits))", "logits * (1 - logits)"),
        ("relu", "np.maximum(logits, 0)", "(logits > 0)"),
    ):
        yield Divergence(
            f"training-{name}-on-logits",
            f"with {name} applied to the logits",
            "The cross-entropy takes scores of any size and sign. Squeezed into a range they can tell classes apart "
            "only so far: the loss stops falling early.",
            (
                _patch(GRADIENTS, LOGITS, f"{LOGITS}\n    logits = {forward}"),
                _patch(GRADIENTS, D_LOGITS, f"{D_LOGITS} * {slope}"),
            ),
        )


def _frozen() -> Iterator[Divergence]:
    """Parameters that the optimizer never moves."""
    for id, what, kept, why in (
        ("nothing-updated", "nothing updated", "False", "Gradients that are erased between backward and step."),
        (
            "network-not-updated",
            "the network's parameters never updated, only the linear layer's",
            'name.startswith("linear.")',
            "The optimizer was given the last layer's parameters, or the network's output was detached.",
        ),
        (
            "linear-not-updated",
            "the linear layer's parameters never updated, only the network's",
            'not name.startswith("linear.")',
            "The optimizer was given the network's parameters.",
        ),
        (
            "recurrent-weights-not-updated",
            "the recurrent weights never updated",
            '"weight_hh" not in name',
            "An echo state network: the recurrence stays as it was drawn.",
        ),
        (
            "recurrent-biases-not-updated",
            "bias_hh never updated",
            '"bias_hh" not in name',
            "An implementation with one bias per unit. torch's two have the same gradient, so that their sum moves "
            "twice as far.",
        ),
        (
            "biases-not-updated",
            "the biases never updated",
            '"bias" not in name',
            "A loop over the weight matrices, or biases that are no parameters.",
        ),
    ):
        yield Divergence(
            f"training-{id}",
            f"with {what}",
            f"{why} The gradients themselves are right.",
            (_patch(TRAIN, UPDATE, UPDATE.replace("grads", f"{{name: grads[name] for name in grads if {kept}}}")),),
        )


def _clipped() -> Iterator[Divergence]:
    """Gradients that are clipped unasked."""
    note = "Usual for recurrent networks, and easily left in: torch's optimizers do not clip."
    norm = "sum(float((grad * grad).sum()) for grad in grads.values()) ** 0.5"
    for limit in ("0.25", "0.5", "1.0", "5.0"):
        for id, eps, how in (("", "", ""), ("-as-torch", " + 1e-6", " as clip_grad_norm_ does, which adds 1e-6 to it")):
            yield Divergence(
                f"training-clipped-to-norm-{limit}{id}",
                f"with the gradients clipped to a norm of {limit}{how}",
                note,
                (
                    _patch(
                        TRAIN,
                        UPDATE,
                        f"norm = {norm}{eps}\n"
                        f"        grads = {{name: grads[name] * min(1.0, {limit} / norm) for name in grads}}\n"
                        f"        {UPDATE}",
                    ),
                ),
            )
    for limit in ("1.0", "5.0"):
        cut = f"grads = {{name: np.minimum(np.maximum(grads[name], -{limit}), {limit}) for name in grads}}"
        yield Divergence(
            f"training-clipped-to-values-{limit}",
            f"with every element of the gradients clipped to between -{limit} and {limit}",
            note,
            (_patch(TRAIN, UPDATE, f"{cut}\n        {UPDATE}"),),
            seen_in=("min-char-rnn, which clips to 5",) if limit == "5.0" else (),
        )


def _all_rows() -> Iterator[Divergence]:
    """Every sample's score taken at the classes of all samples."""
    note = "log_p[:, target] takes all samples' classes in every row; the pairs are log_p[arange(n), target]."
    logs = "log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))"
    loss = _patch(GRADIENTS, LOSS, f"{LOSS}\n    {logs}\n    loss = np.asarray(-log_p[:, target].mean())")
    what = "of every sample at the classes of all samples, log_p[:, target]"
    yield Divergence("training-loss-of-all-rows", f"with the loss {what}", f"{note} The gradient is right.", (loss,))
    gradient = _patch(
        GRADIENTS,
        D_LOGITS,
        f"{logs}\n    d_logits = np.exp(log_p)\n    d_logits[:, target] -= 1\n    d_logits /= len(target)",
    )
    title = "with 1 subtracted at the classes of all samples in every row of the gradient, p[:, target] -= 1"
    yield Divergence("training-gradient-of-all-rows", title, f"{note} The loss is right.", (gradient,))
    yield Divergence(
        "training-loss-and-gradient-of-all-rows",
        f"with the loss {what}, and the gradient likewise",
        note,
        (loss, gradient),
    )
    counted = "np.bincount(target, minlength=logits.shape[1]) / len(target)"
    derived = _patch(GRADIENTS, D_LOGITS, f"{logs}\n    d_logits = (np.exp(log_p) - {counted}) / len(target)")
    yield Divergence(
        "training-loss-of-all-rows-and-its-derivative",
        f"with the loss {what}, and its derivative",
        f"{note} As automatic differentiation has it.",
        (loss, derived),
    )


DIVERGENCES: tuple[Divergence, ...] = (
    # ------------------------------------------------------------------------------------ what the linear layer reads
    Divergence(
        "training-reads-the-first-output",
        "with the output at the first step read in place of the last",
        "An index from the wrong end. The classifier sees one step of each sequence, and nothing of the recurrence "
        "is trained.",
        (_patch(GRADIENTS, LAST, LAST.replace("-1", "0")),),
    ),
    Divergence(
        "training-reads-the-mean-output",
        "with the mean of the outputs over time read in place of the last",
        "Average pooling: each step's state gets the same part of the gradient.",
        (
            _patch(GRADIENTS, FEATURES, f"features = output.mean(axis={TIME})"),
            _patch(GRADIENTS, D_OUTPUT, f"d_output += np.expand_dims(d_features / output.shape[{TIME}], {TIME})"),
        ),
        seen_in=("GlobalAveragePooling1D in Keras' tutorials",),
    ),
    Divergence(
        "training-reads-the-summed-output",
        "with the sum of the outputs over time read in place of the last",
        "A readout at every step whose scores are added up.",
        (
            _patch(GRADIENTS, FEATURES, f"features = output.sum(axis={TIME})"),
            _patch(GRADIENTS, D_OUTPUT, f"d_output += np.expand_dims(d_features, {TIME})"),
        ),
    ),
    Divergence(
        "training-reads-final-states",
        "with both directions' final states read in place of the output at the last step",
        "In a bidirectional network output[-1] holds the reverse direction's first state, after one step. Its final "
        "state stands at output[0], and in h_n: what many mean, and what Keras returns.",
        (
            _patch(GRADIENTS, RUN, RUN.replace("output, *_", "output, h_n, *_")),
            _patch(
                GRADIENTS,
                FEATURES,
                "ends = h_n[-model.network.num_directions :]\n    features = np.concatenate([*ends], axis=-1)",
            ),
            _patch(
                GRADIENTS,
                D_OUTPUT,
                "d_h_n = np.zeros_like(h_n)\n"
                "    d_h_n[-len(ends) :] = d_features.reshape(len(target), len(ends), -1).swapaxes(0, 1)",
            ),
            _patch(GRADIENTS, NETWORK_BACKWARD, NETWORK_BACKWARD.replace("d_output", "d_output, d_h_n")),
        ),
        seen_in=("Keras' Bidirectional", "torch.cat((h_n[-2], h_n[-1])) in torch's tutorials"),
    ),
    *_on_logits(),
    # ------------------------------------------------------------------------------- what is kept from step to step
    Divergence(
        "training-state-carried-over",
        "with each batch started from the final state of the one before",
        "Stateful training: right for one long text that is cut into pieces, wrong for sequences of their own.",
        (
            _patch(GRADIENTS, "target: Array)", "target: Array, carried: list[Array])"),
            _patch(
                GRADIENTS,
                RUN,
                "output, *finals, cache = module.forward(model.network, network_params, x, *carried)\n"
                "    carried[:] = finals",
            ),
            _patch(TRAIN, START, f"{START}\n    carried: list[Array] = []"),
            _patch(TRAIN, GRADIENTS_OF_THE_BATCH, GRADIENTS_OF_THE_BATCH.replace("target", "target, carried")),
        ),
        seen_in=("stateful=True in Keras", "repackage_hidden in torch's language model, where it is right"),
    ),
    Divergence(
        "training-gradients-accumulated",
        "with the gradients of all steps so far added up",
        "zero_grad is missing: torch adds to .grad, and each step goes along the sum of all gradients there have been.",
        (
            _patch(TRAIN, START, f"{START}\n    added: dict[str, Array] = {{}}"),
            _patch(
                TRAIN,
                UPDATE,
                f"grads = added = {{name: added.get(name, 0) + grads[name] for name in grads}}\n        {UPDATE}",
            ),
        ),
        seen_in=("zero_grad forgotten",),
    ),
    Divergence(
        "training-step-before-backward",
        "with each step taken along the gradients of the batch before",
        "step() stands in front of backward(): the first moves nothing, each later one comes one batch late.",
        (
            _patch(TRAIN, START, f"{START}\n    before: dict[str, Array] = {{}}"),
            _patch(TRAIN, UPDATE, f"{UPDATE.replace('grads', 'before')}\n        before = grads"),
        ),
    ),
    Divergence(
        "training-linear-updated-before-backward",
        "with the linear layer updated before the gradient went through it",
        "Layer by layer, each updated as soon as its own gradients are there: what it hands down is a product with the "
        "new weights.",
        (
            _patch(GRADIENTS, "target: Array)", "target: Array, optimizer: Optimizer, state: dict[str, ParamState])"),
            _patch(
                GRADIENTS,
                D_FEATURES,
                f"{D_FEATURES}\n"
                "    own = {name: state[f'linear.{name}'] for name in linear_params}\n"
                "    updated, _ = optimizer.step(linear_params, linear_grads, own)\n"
                "    d_features = d_logits @ updated['weight']",
            ),
            _patch(TRAIN, GRADIENTS_OF_THE_BATCH, GRADIENTS_OF_THE_BATCH.replace("target", "target, optimizer, state")),
        ),
        seen_in=("a backward method that updates its own layer",),
    ),
    Divergence(
        "training-optimizer-made-anew",
        "with a new optimizer for every batch",
        "It is created inside the loop: momentum and moments are empty again at every step, and Adam's bias correction "
        "makes each of them a step of lr along the sign of the gradient.",
        (_patch(TRAIN, UPDATE, UPDATE.replace("grads, state)", "grads, optimizer.init(params))")),),
    ),
    Divergence(
        "training-first-batch-only",
        "with the first batch at every step",
        "next(iter(loader)) inside the loop begins again each time.",
        (_patch(TRAIN, BATCHES, "batches = [*batches]\n    for x, target in batches[:1] * len(batches):"),),
    ),
    Divergence(
        "training-loss-after-the-step",
        "with the loss reported after the step",
        "The loss of a batch whose gradients have just been followed: lower than the one that they belong to.",
        (_patch(TRAIN, UPDATE, f"{UPDATE}\n        loss, _ = loss_and_gradients(model, params, x, target)"),),
    ),
    # ------------------------------------------------------------------------------------------- what is updated
    *_frozen(),
    *_clipped(),
    # ----------------------------------------------------------------------------------------------- slips of a loop
    Divergence(
        "training-reads-the-mean-output-forward-only",
        "with the mean of the outputs over time read in place of the last, in the forward pass",
        "The gradient goes to the last step alone, and the linear layer's is a product with the last output.",
        (
            _patch(
                GRADIENTS,
                LOGITS,
                f"{LOGITS}\n    logits, _ = linear.forward(model.linear, linear_params, output.mean(axis={TIME}))",
            ),
        ),
    ),
    *_all_rows(),
    Divergence(
        "training-linear-gradients-accumulated",
        "with the linear layer's gradients of all steps so far added up",
        "zero_grad reaches the network's parameters alone.",
        (
            _patch(TRAIN, START, f"{START}\n    added: dict[str, Array] = {{}}"),
            _patch(
                TRAIN,
                UPDATE,
                "grads |= {name: added.get(name, 0) + grads[name] for name in grads if name.startswith('linear.')}\n"
                f"        added = grads\n        {UPDATE}",
            ),
        ),
    ),
    Divergence(
        "training-parameters-before-the-step",
        "with each step's parameters and states as they were before it",
        "Written down before optimizer.step(): each is one step late.",
        (
            _patch(TRAIN, UPDATE, f"before = params, state\n        {UPDATE}"),
            _patch(TRAIN, "yield Step(loss, grads, params, state)", "yield Step(loss, grads, *before)"),
        ),
    ),
)

"""Mistakes with sequences of different lengths, padded and packed, and with dropout between layers.

They lie in what all recurrent networks share, so that each is one divergence for all of them.
"""

from __future__ import annotations

from conformance.divergences.divergence import Divergence
from conformance.divergences.patching import Patch
from conformance.divergences.recurrent import ENDS, FINAL_STATE, FLIP_D_INPUT, FLIP_D_STATES, FLIP_INPUT, FLIP_OUTPUT

UPSTREAM_WITHOUT_PADDING = "d_layer = np.where(padding.beyond, 0, d_layer)"
INPUT_WITHOUT_PADDING = "x = np.where(padding.beyond, 0, x)"
OUTPUT_WITHOUT_PADDING = "np.copyto(h, 0, where=padding.beyond)"
PADDED_INPUT = Patch("recurrent", INPUT_WITHOUT_PADDING, "x = x", "forward")
"""padding is read as it is: without this, a network that runs on into it would see zeros"""
ENDS_OF_LENGTHS = "step, sequence = np.arange(steps)[:, None], np.arange(batch)"
MASKED = "if masks and layer < model.num_layers - 1:\n            layer_input = layer_input * masks[layer]"
MASKED_BACK = "d_layer = d_layer * cache.masks[layer - 1]"
ORDER = 'np.argsort(-padding.ends[0], kind="stable")'
SORTED = f"order = {ORDER}"
MASKS = "return [time_major(model, mask) for mask in given]"


def _masks(instead: str) -> Patch:
    """Other masks, forward and backward."""
    return Patch("recurrent", MASKS, f"return [{instead} for mask in given]", "_masks")


KEEPS_PADDING = (
    Patch("recurrent", INPUT_WITHOUT_PADDING, f"padded = x\n        {INPUT_WITHOUT_PADDING}", "forward"),
    Patch(
        "recurrent",
        "all_steps.append(ran)",
        "if padding is not None and layer == 0:\n"
        "                ran = ran._replace(x=turned(padded, padding) if direction else padded)\n"
        "            all_steps.append(ran)",
        "forward",
    ),
)
"""the cache has the first layer's input as it was, padding included"""


def _with_padding(then: str) -> Patch:
    """Behind a layer's backward, ``behind`` being the steps on padding whose input is not a number."""
    run = "d_x, d_starts, own_grads = run(own, {}, d_states, d_last)"
    return Patch(
        "recurrent",
        run.format("cache.steps[index]"),
        "ran = cache.steps[index]\n"
        "            beyond = np.zeros_like(ran.x[..., :1], dtype=bool) if padding is None else padding.beyond\n"
        "            behind = np.isnan(np.where(beyond, ran.x, 0)).any(axis=-1)\n"
        f"            {run.format('ran._replace(x=np.where(beyond, 0, ran.x))')}\n"
        f"            {then}",
        "backward",
    )


DIVERGENCES: tuple[Divergence, ...] = (
    # ------------------------------------------------------------------------------------------------- lengths
    Divergence(
        "lengths-ignored",
        "with lengths ignored: padding read as if it were input",
        "The network runs on into the padding, whose states become output and h_n, and whose gradients reach the "
        "parameters. Shapes are right, and so are all sequences of full length.",
        (
            PADDED_INPUT,
            Patch("recurrent", INPUT_WITHOUT_PADDING, f"{INPUT_WITHOUT_PADDING}\n        padding = None", "forward"),
        ),
        seen_in=("ONNX' reference RNN",),
    ),
    Divergence(
        "lengths-ignored-in-the-reverse-direction",
        "with lengths ignored in the reverse direction only",
        "Turned round as a whole, a padded sequence begins with its padding: the reverse direction arrives at the last "
        "real step with a state that padding has left.",
        (
            PADDED_INPUT,
            Patch("recurrent", FLIP_INPUT, FLIP_INPUT.replace("padding)", "None)"), "forward"),
            Patch(
                "recurrent",
                FINAL_STATE,
                FINAL_STATE.replace("padding is None", "padding is None or direction"),
                "forward",
            ),
            Patch(
                "recurrent",
                f"if padding is not None:\n                {OUTPUT_WITHOUT_PADDING}",
                f"if padding is not None and not direction:\n                {OUTPUT_WITHOUT_PADDING}",
                "forward",
            ),
            Patch("recurrent", FLIP_OUTPUT, FLIP_OUTPUT.replace("padding)", "None)"), "forward"),
            Patch("recurrent", FLIP_D_STATES, FLIP_D_STATES.replace("padding)", "None)"), "backward"),
            Patch(
                "recurrent",
                f"if padding is not None:\n                {ENDS}",
                f"if padding is not None and not direction:\n                {ENDS}",
                "backward",
            ),
            Patch("recurrent", FLIP_D_INPUT, FLIP_D_INPUT.replace("padding)", "None)"), "backward"),
        ),
        seen_in=("flipping a padded batch along time",),
    ),
    Divergence(
        "final-state-from-the-padded-end",
        "with h_n taken after the padding, in the forward pass",
        "output is right, h_n belongs to a step behind the sequence's end. The backward pass is right.",
        (PADDED_INPUT, Patch("recurrent", FINAL_STATE, "final[index] = states[-1]", "forward")),
        seen_in=("output[-1] of a padded batch",),
    ),
    Divergence(
        "final-state-from-the-padded-end-throughout",
        "with h_n taken after the padding, its gradient going back through it",
        "As automatic differentiation has it: padding takes part in every gradient.",
        (
            PADDED_INPUT,
            Patch("recurrent", FINAL_STATE, "final[index] = states[-1]", "forward"),
            Patch("recurrent", OUTPUT_WITHOUT_PADDING, "h = np.where(padding.beyond, 0, h)", "forward"),
            Patch("recurrent", ENDS, "pass", "backward"),
            # what a layer gives on padding is 0 for the next one
            Patch(
                "recurrent",
                "if cache.masks and layer:",
                "if padding is not None and layer:\n"
                "            d_layer = np.where(padding.beyond, 0, d_layer)\n"
                "        if cache.masks and layer:",
                "backward",
            ),
        ),
        seen_in=("output[-1] of a padded batch",),
    ),
    Divergence(
        "padding-in-the-output",
        "with the states behind a sequence's end left in output",
        "torch pads with 0. A loss over all steps, or a mean, counts what is no step.",
        (PADDED_INPUT, Patch("recurrent", OUTPUT_WITHOUT_PADDING, "h = h", "forward")),
    ),
    Divergence(
        "last-state-repeated-on-padding",
        "with the last state repeated behind a sequence's end in output",
        "What a state that is carried through masked steps leaves there. torch pads with 0.",
        (
            Patch(
                "recurrent",
                OUTPUT_WITHOUT_PADDING,
                "np.copyto(h, last_state(ran.states[0], padding), where=padding.beyond)",
                "forward",
            ),
        ),
        seen_in=("Keras' masking",),
    ),
    Divergence(
        "upstream-on-padding-takes-part",
        "with the gradient on padding entering the backward pass",
        "d_output has a place for every step, also behind the end of a sequence; nothing may enter there.",
        (Patch("recurrent", UPSTREAM_WITHOUT_PADDING, "d_layer = d_layer", "backward"),),
    ),
    Divergence(
        "final-state-gradient-at-the-padded-end",
        "with the gradient on h_n entering at the end of the padding",
        "It then runs back through steps that do not exist. The forward pass is right.",
        (Patch("recurrent", ENDS, "pass", "backward"),),
    ),
    Divergence(
        "lengths-sorted-without-their-sequences",
        "with the lengths sorted, but not the sequences that they belong to",
        "Packing wants decreasing lengths: whoever sorts them has to sort the batch, h_0 and the results alike.",
        (
            Patch(
                "padding",
                ENDS_OF_LENGTHS,
                f"lengths = np.sort(lengths)[::-1]\n    {ENDS_OF_LENGTHS}",
                "padding_of",
            ),
        ),
    ),
    Divergence(
        "lengths-one-too-long",
        "with one step of padding taken for input",
        "An off-by-one: the index behind the last step taken for that of the last step.",
        (
            Patch(
                "padding",
                ENDS_OF_LENGTHS,
                f"lengths = np.minimum(lengths + 1, steps)\n    {ENDS_OF_LENGTHS}",
                "padding_of",
            ),
        ),
    ),
    # ------------------------------------------------------------------------------------- padding and packing
    Divergence(
        "padding-value-ignored",
        "with 0 on padding whatever padding_value says",
        "The option is accepted and does nothing.",
        (
            Patch("packing", "full_like(given[0], padding_value", "full_like(given[0], 0", "pad_sequence"),
            Patch("packing", "full_like(data, padding_value", "full_like(data, 0", "pad_packed_sequence"),
        ),
    ),
    Divergence(
        "padding-side-ignored",
        "with padding behind the sequences whatever padding_side says",
        "The option is accepted and does nothing.",
        (Patch("packing", '0 if padding_side == "right" else steps - len(sequence)', "0", "pad_sequence"),),
    ),
    Divergence(
        "total-length-ignored",
        "with output as long as the longest sequence whatever total_length says",
        "Batches that are put together again afterwards, as by DataParallel, then differ in length.",
        (Patch("packing", "total_length or steps", "steps", "pad_packed_sequence"),),
    ),
    Divergence(
        "packed-order-not-restored",
        "with sequences left in the order of decreasing length",
        "Every result then belongs to another sequence, unless they came sorted.",
        (
            Patch(
                "packing",
                "padded, lengths = padded[:, unsorted_indices], lengths[unsorted_indices]",
                "padded, lengths = padded, lengths",
                "pad_packed_sequence",
            ),
        ),
    ),
    Divergence(
        "packed-lengths-not-restored",
        "with the lengths, but not the sequences, left in decreasing order",
        "Each sequence comes back with another one's length.",
        (Patch("packing", "lengths[unsorted_indices]", "lengths", "pad_packed_sequence"),),
    ),
    Divergence(
        "packed-order-restored-by-the-sorting-indices",
        "with the indices that sort used to undo the sorting",
        "A permutation in place of its inverse. The two are equal for two sequences, and whenever sequences only "
        "change places in pairs.",
        (
            Patch(
                "packing",
                "unsorted_indices = np.argsort(sorted_indices)",
                "unsorted_indices = sorted_indices.copy()",
                "pack_padded_sequence",
            ),
        ),
    ),
    Divergence(
        "packed-sequence-by-sequence",
        "with packed data one sequence after the other",
        "torch's data go step by step, batch_sizes[t] elements for step t: what reads them by batch_sizes mixes the "
        "sequences.",
        (
            Patch(
                "packing",
                "time_major[: lengths[0]][within]",
                "time_major[: lengths[0]].swapaxes(0, 1)[within.T]",
                "pack_padded_sequence",
            ),
            Patch(
                "packing",
                "padded[:steps][within] = data",
                "padded[:steps].swapaxes(0, 1)[within.T] = data",
                "pad_packed_sequence",
            ),
        ),
    ),
    # ------------------------------------------------------------------------------------------------- dropout
    Divergence(
        "dropout-ignored",
        "without dropout in training",
        "The argument is accepted and has no effect.",
        (Patch("recurrent", MASKS, "return ()", "_masks"),),
    ),
    Divergence(
        "dropout-not-scaled",
        "without the scaling of the states that dropout keeps",
        "torch divides what it keeps by 1 - p, so that nothing has to be scaled in evaluation.",
        (_masks("time_major(model, (mask != 0).astype(mask.dtype))"),),
    ),
    Divergence(
        "dropout-scaled-in-evaluation",
        "with the states scaled by 1 - p in evaluation in place of 1 / (1 - p) in training",
        "Dropout as it was published (Srivastava et al. 2014): the expectation is the same, every number another.",
        (
            _masks("time_major(model, (mask != 0).astype(mask.dtype))"),
            Patch(
                "recurrent",
                MASKED,
                f"{MASKED}\n        elif layer < model.num_layers - 1:\n"
                "            layer_input = layer_input * (1 - model.dropout)",
                "forward",
            ),
            Patch(
                "recurrent",
                MASKED_BACK,
                f"{MASKED_BACK}\n        elif layer:\n            d_layer = d_layer * (1 - model.dropout)",
                "backward",
            ),
        ),
        seen_in=("Srivastava et al. 2014",),
    ),
    Divergence(
        "dropout-not-in-the-backward-pass",
        "without the dropout mask in the backward pass",
        "States that were dropped receive a gradient, those that were kept one that is not scaled.",
        (Patch("recurrent", MASKED_BACK, "d_layer = d_layer", "backward"),),
    ),
    Divergence(
        "dropout-after-the-last-layer",
        "with dropout after the last layer too, in the forward pass",
        "torch's option acts between layers: the output of the last one is whole.",
        (
            Patch(
                "recurrent",
                MASKED,
                "if masks:\n            layer_input = layer_input * masks[min(layer, model.num_layers - 2)]",
                "forward",
            ),
        ),
    ),
    Divergence(
        "dropout-mask-shared-by-all-steps",
        "with the first step's dropout mask at every step",
        "Variational dropout (Gal and Ghahramani 2016) keeps one mask for the whole sequence; torch draws anew at "
        "every step.",
        (_masks("time_major(model, mask)[:1]"),),
        seen_in=("variational dropout",),
    ),
    Divergence(
        "dropout-mask-shared-by-the-batch",
        "with the first sequence's dropout mask for the whole batch",
        "A mask without a batch axis, broadcast.",
        (_masks("time_major(model, mask)[:, :1]"),),
    ),
    Divergence(
        "dropout-mask-shared-by-all-layers",
        "with one dropout mask for all layers",
        "Drawn once, outside the loop over layers.",
        (Patch("recurrent", MASKS, "return [time_major(model, given[0])] * len(given)", "_masks"),),
    ),
    # -------------------------------------------------------------------------------- the order of the sequences
    Divergence(
        "results-unsorted-by-the-sorting-order",
        "with the sequences' results put back by the order that sorted them in place of its inverse",
        "A permutation in place of its inverse. The two are equal for two sequences, and whenever sequences only "
        "change places in pairs.",
        (
            Patch(
                "recurrent",
                "output = layer_input\n",
                f"output = layer_input\n    if padding is not None:\n        {SORTED}\n"
                "        output = output[:, order[order]]\n"
                "        finals = [[state[order[order]] for state in final] for final in finals]\n",
                "forward",
            ),
            Patch(
                "recurrent",
                UPSTREAM_WITHOUT_PADDING,
                f"{SORTED}\n"
                "        back = np.argsort(order[order])\n"
                "        d_layer, d_finals = d_layer[:, back], [d_n[:, back] for d_n in d_finals]\n"
                f"        {UPSTREAM_WITHOUT_PADDING}",
                "backward",
            ),
        ),
    ),
    Divergence(
        "initial-states-not-sorted-along",
        "with the sequences sorted by length, but not the initial states that belong to them",
        "Each sequence starts from another one's h_0, unless they came sorted; the gradients of h_0 are as much "
        "out of order.",
        (
            Patch(
                "recurrent",
                INPUT_WITHOUT_PADDING,
                f"{INPUT_WITHOUT_PADDING}\n        {SORTED}\n"
                "        starts = [start[:, np.argsort(order)] for start in starts]",
                "forward",
            ),
            Patch(
                "recurrent",
                "d_0[index] = d_start",
                f"d_0[index] = d_start if padding is None else d_start[{ORDER}]",
                "backward",
            ),
        ),
    ),
    # ------------------------------------------------------------------------------------------ masks and ends
    Divergence(
        "mask-one-step-too-long",
        "with a mask that is true for one step behind each sequence's end",
        "t <= length in place of t < length. Each direction goes one step into the padding, the reverse one after its "
        "last real step; only sequences of full length are spared.",
        (
            PADDED_INPUT,
            Patch("padding", "return Padding(", "beyond = step > lengths\n    return Padding(", "padding_of"),
            Patch("padding", "(lengths - 1, sequence)", "(np.minimum(lengths, steps - 1), sequence)", "padding_of"),
        ),
    ),
    Divergence(
        "final-state-of-the-padded-output",
        "with h_n taken from the last step of the padded output",
        "It is 0 for all sequences but the longest; c_n and the backward pass are right.",
        (
            Patch(
                "recurrent",
                FINAL_STATE,
                f"{FINAL_STATE}\n"
                "                if padding is not None and states is ran.states[0]:\n"
                "                    final[index] = np.where(padding.beyond[-1], 0, final[index])",
                "forward",
            ),
        ),
    ),
    Divergence(
        "cell-not-kept-on-padding",
        "with the LSTM's cell changed by padding, in c_n",
        "Behind a sequence's end h is kept as it is, and c goes on. The backward pass is right.",
        (
            Patch("recurrent", INPUT_WITHOUT_PADDING, f"padded = x\n        {INPUT_WITHOUT_PADDING}", "forward"),
            Patch(
                "recurrent",
                "h = ran.states[0][1:]",
                "if padding is not None and len(starts) == 2:\n"
                "                source = layer_input if layer else padded\n"
                "                h, c = (start[index] for start in starts)\n"
                "                for x_t, behind in zip(\n"
                "                    turned(source, padding) if direction else source, padding.beyond, strict=True\n"
                "                ):\n"
                "                    one = run(own, x_t[None], [h, c])\n"
                "                    h, c = np.where(behind, h, one.states[0][1]), one.states[1][1]\n"
                "                finals[1][index] = c\n"
                "            h = ran.states[0][1:]",
                "forward",
            ),
        ),
    ),
    Divergence(
        "final-cell-gradient-lost-on-padding",
        "without the gradient on c_n of the sequences that end before the last step",
        "A loop backward over masked steps has to hand on what comes back, and puts 0 in its place.",
        (
            Patch(
                "lstm",
                "d_c += d_cell[t]",
                "d_c += d_cell[t] if t == len(x) - 1 else 0 * d_cell[t]",
                "direction_backward",
            ),
        ),
    ),
    # ------------------------------------------------------------------------- 0 times what is not a number
    Divergence(
        "padding-multiplied-by-zero",
        "with padding kept out by a product with 0, in the forward pass",
        "0 * NaN is NaN: what the padding holds should not matter, and does once it is no number.",
        (Patch("recurrent", INPUT_WITHOUT_PADDING, "x = x * ~padding.beyond", "forward"),),
    ),
    Divergence(
        "upstream-on-padding-multiplied-by-zero",
        "with the gradient on padding kept out by a product with 0",
        "0 * NaN is NaN: what d_output holds on padding should not matter, and does once it is no number.",
        (
            Patch(
                "recurrent",
                UPSTREAM_WITHOUT_PADDING,
                "d_layer = d_layer * ~padding.beyond",
                "backward",
            ),
        ),
    ),
    Divergence(
        "states-kept-by-a-product-with-the-mask",
        "with states kept on padding by a product with the mask",
        "m h_new + (1 - m) h: where padding is no number, 0 * NaN makes the state NaN, and by it h_n and d_weight_hh.",
        (
            *KEEPS_PADDING,
            Patch(
                "recurrent",
                FINAL_STATE,
                f"{FINAL_STATE}\n"
                "                if padding is not None and layer == 0:\n"
                "                    behind = np.where(padding.beyond, padded, 0)\n"
                "                    nan = np.isnan(behind).any(axis=(0, 2))\n"
                "                    final[index] = np.where(nan[:, None], np.nan, final[index])",
                "forward",
            ),
            _with_padding("if behind[:-1].any():\n                own_grads['weight_hh'] *= np.nan"),
        ),
    ),
    Divergence(
        "slope-on-padding-multiplied-by-zero",
        "with padding kept out of the backward pass by a gradient of 0 alone",
        "It is multiplied by the slope at a state that padding has made: 0 * NaN is NaN where padding is no number.",
        (
            *KEEPS_PADDING,
            _with_padding(
                "if behind.any():\n"
                "                own_grads = {name: grad * np.nan for name, grad in own_grads.items()}\n"
                "                d_x[behind] = np.nan"
            ),
        ),
    ),
)

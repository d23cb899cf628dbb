"""Files as a user writes them."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

RIGHT = '''
import numpy as np


def rnn(case):
    """A learner's Elman RNN: one tanh layer, one direction, time first."""
    config = case.config
    if config["num_layers"] > 1 or config["bidirectional"] or config["nonlinearity"] != "tanh" or "h_0" not in case:
        raise NotImplementedError("only one tanh layer")
    x, h = case["input"], [case["h_0"][0]]
    if config["batch_first"]:
        x = x.swapaxes(0, 1)
    bias = case["bias_ih_l0"] + case["bias_hh_l0"] if config["bias"] else 0
    for x_t in x:
        h.append(np.tanh(x_t @ case["weight_ih_l0"].T + bias + h[-1] @ case["weight_hh_l0"].T))
    output = np.stack(h[1:])
    return {"output": output.swapaxes(0, 1) if config["batch_first"] else output, "h_n": h[-1][None]}
'''

WRONG = RIGHT.replace('h[-1] @ case["weight_hh_l0"].T', 'h[-1] @ case["weight_hh_l0"]')
"""the recurrent weight transposed: the right shape, other numbers"""

REFERENCE = """
from conformance.adapters.reference import rnn as right


def rnn(case):
    trace = right(case)
    {then}
    return trace
"""
"""the reference with something done to its trace"""


def write(path: Path, text: str) -> str:
    """Write a user's file and give its name as the command line takes it."""
    path.write_text(dedent(text))
    return str(path)

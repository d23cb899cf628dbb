"""Optimizers, as ``torch.optim`` computes them.

base.py             what all share, never the mathematics: ``init`` and ``step``
lerp.py             the average that several are made of
sparse_gradient.py  gradients of a few rows, which SGD, Adagrad and SparseAdam take
sgd.py              SGD, ASGD
adaptive.py         Adagrad, RMSprop, Adadelta, Rprop
adam.py             Adam, AdamW, Adamax, NAdam, RAdam
sparse.py           SparseAdam
matrices.py         Adafactor, Muon
lbfgs.py            LBFGS, whose step takes a closure
groups.py           groups with options of their own, torch's state_dict in both directions

Each is a frozen dataclass of torch's arguments with two functions:

    state = optimizer.init(params)
    params, state = optimizer.step(params, grads, state)

``params`` and ``grads`` map names to arrays, ``state`` maps the same names to what torch keeps per parameter
under torch's own keys. ``dataclasses.replace(optimizer, lr=...)`` changes a rate between steps. A parameter
without an entry in ``grads`` is left alone in that step, its state too, as torch does with a gradient of None.
An algorithm is its ``first_state`` and its ``update``, which reads like the pseudocode in torch's
documentation; one that takes sparse gradients has an ``update_rows`` too.

The symbols of that pseudocode: theta = param, g = grad, gamma = lr, lambda = weight_decay, mu = momentum.
"""

from reference.optim.adam import Adam, Adamax, AdamW, NAdam, RAdam
from reference.optim.adaptive import Adadelta, Adagrad, RMSprop, Rprop
from reference.optim.base import BLOCK, Optimizer, ParamState, State
from reference.optim.groups import ParamGroups, load_state_dict, state_dict
from reference.optim.lbfgs import LBFGS
from reference.optim.matrices import Adafactor, Muon
from reference.optim.sgd import ASGD, SGD
from reference.optim.sparse import SparseAdam
from reference.optim.sparse_gradient import SparseGradient

__all__ = [
    "ASGD",
    "BLOCK",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Muon",
    "NAdam",
    "Optimizer",
    "ParamGroups",
    "ParamState",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
    "SparseGradient",
    "State",
    "load_state_dict",
    "state_dict",
]

"""A recurrent network and its optimizers in plain NumPy, with torch's names, arguments and shapes.

The modules are written to be read beside torch's documentation: a frozen configuration with torch's
arguments, parameters as a flat dictionary under torch's ``state_dict`` names, and functions that return
their results and change nothing that they are given.

    rnn           Elman RNN: forward, and backward through time; its cell
    lstm, gru     the same for long short-term memory and the gated recurrent unit
    recurrent     what the three share: layers, directions, dropout
    cells         what their cells share
    padding       sequences of different lengths in one batch
    packing       such sequences padded and packed
    unrolled      several steps of a cell
    linear        fully connected layer
    activations   tanh, relu, sigmoid, softmax, log_softmax
    losses        cross-entropy, negative log-likelihood and mean squared error
    initializers  how parameters start
    optim         SGD, ASGD, Adagrad, RMSprop, Adadelta, Rprop, Adam, AdamW, Adamax, NAdam, RAdam, SparseAdam,
                  Adafactor, Muon, LBFGS; groups of parameters, torch's state_dict in both directions
    training      a loop over batches: a network, a linear layer, cross-entropy, an optimizer
    clip          clipping of gradients, by norm and by value
    schedules     learning-rate schedules, and compositions of them
    notebook      layers and optimizers as classes with a forward / backward / update workflow
    checks        what all ask of their arguments
    rounding      bfloat16, which NumPy does not have

Every function computes in the dtype of its arguments: float32, float64 or longdouble; the forward passes of
networks and cells (not with relu) and of Linear take complex128 too, for derivatives by complex steps.
"""

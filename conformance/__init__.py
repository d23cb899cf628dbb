"""Does an implementation of a recurrent network and its optimizers do what torch does?

Data flows one way:

    case.py, cases/     what is run: configurations with seeded arrays
    adapters/           how: the reference, torch, a user's file, each a namespace of functions named after families
    trace.py            what one run produced
    noise.py,           how much rounding can explain, by running the reference with simulated rounding
    tolerance.py
    compare.py          verdicts, and the place where two traces part
    implementation.py   a user's file as an implementation
    isolated.py         it runs in a process of its own, out of reach of torch and of the verdicts
    refusals.py         how a wrong call ends, as something to compare
    messages.py         exceptions in one line
    places.py           where in a network or a run an element of an array stands
    replay.py, fma.py   the optimizers once more, with torch's own rounding
    cache.py            what was simulated before
    judging.py          the verdict on one case, from both its runs
    run.py              all cases of a run
    processes.py        on worker processes
    log.py, schema.py   the results log, and the types of what its lines hold
    files.py            results replace those of an earlier run in one step

What is known to go wrong, beside it:

    divergences/        mistakes and dialects, each a patch of the reference
    reach.py            which of them a case can show
    kill.py             which case catches which
    matching.py,        which of them explain an implementation's results
    diagnose.py
    explain.py          what one does, in numbers
    notebook_path.py    those of a notebook's layer, taken back one after another
    onnx_node_tests.py  how many of them ONNX' tests catch

    cli.py              the commands
"""

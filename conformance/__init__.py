"""Does an implementation of a recurrent network and its optimizers do what torch does?

Data flows one way:

    case.py, cases/     what is run: configurations with seeded arrays
    adapters/           how: the reference, torch, a user's file, each a namespace of functions named after families
    trace.py            what one run produced
    noise.py,           how much rounding can explain, by running the reference with simulated rounding
    tolerance.py
    compare.py          verdicts, and the place where two traces part
    isolated.py         a user's file in a process of its own, out of reach of torch and of the verdicts
    run.py              all cases of a run on worker processes
    log.py, schema.py   the results log, and the types of what its lines hold
    cli.py              the commands
"""

"""Wrong calls, and calls that look wrong and that torch accepts: a call is refused with torch's exception class.

``config["call"]`` is torch's name for what is called, without the package; ``arguments`` are what it is constructed or
called with by keyword; the arrays are a module's input, states and parameters, a function's arguments, or an
optimizer's ``param.<name>`` and ``grad.<name>``. ``dtypes`` are those of arrays that are not float64.
"""

from __future__ import annotations

from collections.abc import Iterator

from conformance.case import Case
from conformance.cases.error import functions, modules, optimizers, schedules


def cases() -> Iterator[Case]:
    for module in (modules, functions, optimizers, schedules):
        yield from module.cases()

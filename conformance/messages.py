"""Exceptions and lists of names in one line that a terminal, a log and a report can hold."""

from __future__ import annotations

from collections.abc import Sequence


def in_words(error: BaseException) -> str:
    """An exception in one line: class and message."""
    return f"{type(error).__name__}: {message_of(error)}"


def printable(text: str) -> str:
    """A text with an escape in place of every character that cannot be shown, or not be written."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def message_of(error: BaseException) -> str:
    """An exception's message in one line, without what a terminal would take for a command."""
    try:
        return printable(" ".join(str(error).split()))
    except Exception as failure:  # a class of the user's, whose message is code under test too
        return f"no message: its __str__ raises {type(failure).__name__}"


def listed(names: Sequence[str], most: int) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more

"""Errors that a person reads: one sentence with what was got, what is allowed and the nearest name.

Library code raises these and never prints or exits; the command line turns them into exit code 2.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class DreamloopError(Exception):
    """A user's mistake or a missing part, said in one sentence."""


class SchemaError(DreamloopError):
    """An action schema that cannot be read, or does not offer what a model needs."""


class ConfigError(DreamloopError):
    """A configuration file (world, training) with a value or key that is not allowed."""


class MissingPartError(DreamloopError):
    """An optional part (simulator, display, microphone, codec) is not there; the sentence says the mend."""


def nearest(got: str, allowed: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest allowed name, or an empty string."""
    close = get_close_matches(got, list(allowed), n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else ""


def unknown(kind: str, got: str, allowed: Iterable[str]) -> str:
    """Return the sentence for a name that is not known: got, allowed, nearest.

    >>> unknown("world", "dom", ["doom", "echo"])
    "unknown world 'dom' (known: doom, echo; did you mean 'doom'?)"
    """
    names = sorted(allowed)
    return f"unknown {kind} '{got}' (known: {', '.join(names) or 'none'}{nearest(got, names)})"

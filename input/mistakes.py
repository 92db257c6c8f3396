"""Mistakes in a schema file: where each is, what was got, what is allowed. Knows nothing about controls.

TOML parsers do not tell where a value stood, so the line is found again in the text: a table by its header,
a key by the first line after that header which assigns it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dreamloop.input.errors import SchemaError, nearest

HEADER = re.compile(r"^\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$")
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong. ``str(mistake)`` is the line a person reads."""

    where: str  # the file, or what stands for it
    line: int | None  # counted from 1; None when it cannot be told
    what: str  # "control 'turn': range"
    text: str  # what was got, what is allowed, the nearest name

    def __str__(self) -> str:
        place = self.where if self.line is None else f"{self.where}:{self.line}"
        return f"{place}: {self.what}: {self.text}" if self.what else f"{place}: {self.text}"


class Mistakes:
    """Collects the mistakes of one file. ``at`` says which table is being read."""

    def __init__(self, where: str, text: str = "") -> None:
        self.where = where
        self.found: list[Mistake] = []
        self._lines = text.splitlines()

    def __len__(self) -> int:
        return len(self.found)

    def add(self, path: Path, what: str, text: str) -> None:
        """Note a mistake at ``path``, such as ``("control", 3, "range")``."""
        self.found.append(Mistake(self.where, self.line(path), what, text))

    def allowed(self, path: Path, what: str, got: object, allowed: str, choices: Iterable[str] = ()) -> None:
        """Note a value that is not allowed, with the nearest of ``choices``."""
        close = nearest(got, choices) if isinstance(got, str) else ""
        self.add(path, what, f"got {shown(got)}, allowed: {allowed}{close}")

    def unknown(self, path: Path, what: str, got: object, names: Iterable[str]) -> None:
        """Note a name that is not known, with the nearest one that is."""
        listed = sorted(names)
        known = f"known: {', '.join(listed)}" if len(listed) <= 24 else f"{len(listed)} are known"
        self.add(path, what, f"unknown name {shown(got)} ({known or 'none'}{nearest(str(got), listed)})")

    def error(self) -> SchemaError:
        """Return the error that says all of them, in the order of the file."""
        lines = [str(one) for one in sorted(self.found, key=lambda one: one.line or 0)]
        return SchemaError(lines[0] if len(lines) == 1 else f"{len(lines)} mistakes\n" + "\n".join(lines))

    def line(self, path: Path) -> int | None:
        """Return the line of ``path``, of its table when the key is not there, or None without a text."""
        if not self._lines:
            return None
        names = [part for part in path if isinstance(part, str)]
        index = next((part for part in path if isinstance(part, int)), 0)
        if not names:
            return 1
        start, stop = self._table(names[0], index)
        key = re.compile(rf"^\s*[\"']?{re.escape(names[-1])}[\"']?\s*[=.]") if len(names) > 1 else None
        for i in range(start, stop):
            if key is not None and key.match(self._lines[i]):
                return i + 1
        if start == 0:  # a key of the top of the file
            top = re.compile(rf"^\s*[\"']?{re.escape(names[0])}[\"']?\s*=")
            return next((i + 1 for i, line in enumerate(self._lines) if top.match(line)), 1)
        return start + 1

    def _table(self, name: str, index: int) -> tuple[int, int]:
        """Return the lines from the header of table ``name`` number ``index`` to the next table's header."""
        seen = -1
        start, stop = 0, 0
        for i, line in enumerate(self._lines):
            match = HEADER.match(line)
            if match is None:
                continue
            header = match[1].strip("\"'")
            if start and not header.startswith(f"{name}."):
                return start - 1, i
            if not start and header == name:
                seen += 1
                start = i + 1 if seen == index else 0
        stop = len(self._lines)
        return (start - 1, stop) if start else (0, 0)


def shown(value: object) -> str:
    """Return a value as a person would write it, shortened."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def listed(names: Sequence[str]) -> str:
    """Return names as a list in a sentence."""
    return ", ".join(names)

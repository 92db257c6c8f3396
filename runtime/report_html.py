"""The smallest pieces of a page: tables and numbers. Knows nothing about figures."""

from collections.abc import Callable, Sequence
from html import escape

WIDE = 7  # columns that a page shows without leaving the last one out


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """Return a table; cells are HTML already, columns in ``numbers`` are set flush right. Many columns stand closer."""
    mark: Callable[[int], str] = lambda i: ' class="n"' if i in numbers else ""  # noqa: E731
    top = "".join(f"<th{mark(i)}>{escape(name)}</th>" for i, name in enumerate(columns))
    body = "".join(
        "<tr>" + "".join(f"<td{mark(i)}>{cell}</td>" for i, cell in enumerate(row)) + "</tr>" for row in rows
    )
    wide = ' class="wide"' if len(columns) > WIDE else ""
    return f'<div class="scroll"><table{wide}><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def number(value: float | None, digits: int = 2) -> str:
    """Return a number for people; a dash for one that there is not."""
    return "-" if value is None else f"{value:.{digits}f}"

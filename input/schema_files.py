"""Where action schemas lie: layouts shipped with dreamloop, a player's own remapping in their configuration folder.

Knows nothing about worlds; a world's own schema lies in its folder and is found by it.
"""

from pathlib import Path

from platformdirs import user_config_path

from dreamloop.input.errors import SchemaError, nearest
from dreamloop.input.schema import ActionSchema

LAYOUTS = Path(__file__).parent / "layouts"


def list_layouts() -> list[str]:
    """Return the names of the shipped schemas that reproduce known models' action vectors."""
    return sorted(path.stem for path in LAYOUTS.glob("*.toml"))


def load_layout(name: str) -> ActionSchema:
    """Return a shipped schema: ``load_layout("oasis")``.

    Raises:
        SchemaError: there is no such layout.
    """
    return ActionSchema.load(find_schema(name))


def find_schema(name_or_path: str | Path) -> Path:
    """Return the file of a schema: a path, or the name of a shipped layout.

    Raises:
        SchemaError: neither a file nor a layout.
    """
    path = Path(name_or_path).expanduser()
    if path.is_file():
        return path
    names = list_layouts()
    if str(name_or_path) in names:
        return LAYOUTS / f"{name_or_path}.toml"
    close = nearest(str(name_or_path), names)
    raise SchemaError(f"no action schema '{name_or_path}' (a file, or one of: {', '.join(names)}{close})")


def remapping_path(world: str, config: Path | None = None) -> Path:
    """Return where a player's own bindings for a world are looked for; the file need not exist.

    On Linux ``~/.config/dreamloop/schemas/<world>.toml``. ``config`` stands in for the folder in tests.
    """
    folder = user_config_path("dreamloop", appauthor=False) if config is None else config
    return folder / "schemas" / f"{world}.toml"


def player_schema(wanted: ActionSchema, path: Path | None, world: str, config: Path | None = None) -> ActionSchema:
    """Return ``wanted``'s layout with the player's bindings: from ``path``, else their own file, else as it is.

    Raises:
        SchemaError: the file is wrong, or does not offer what ``wanted`` needs.
    """
    own = path if path is not None else remapping_path(world, config)
    if path is None and not own.is_file():
        return wanted
    return ActionSchema.load(own).fit(wanted)

"""Reads ``world.toml``: which schema, scenes, weights and simulator make up a world. Finds worlds by name or
folder.

A world is a folder of data. The folders under ``demos/`` are found by their name; a folder of one's own by
its path; an installed one through the entry point ``dreamloop.worlds`` (an object that is, or returns, the
path of the folder). Knows nothing about windows or time.
"""

import importlib
import importlib.util
import math
import os
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from importlib.metadata import entry_points
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, get_type_hints

from dreamloop.input.errors import ConfigError, DreamloopError, MissingPartError, nearest, unknown
from dreamloop.input.schema import ActionSchema
from dreamloop.input.schema_files import find_schema, list_layouts
from dreamloop.model.stage import Chain, open_stage
from dreamloop.model.world_model import Card, OpenOptions, Scene, WorldModel, open_model, open_untrained
from dreamloop.runtime.weights_store import Published, folder_of, read_published

if TYPE_CHECKING:
    import gymnasium

DEMOS = Path(__file__).resolve().parent.parent / "demos"
FILE_NAME = "world.toml"
TABLES = ("published", "model", "stages")  # of world.toml, beside [world]


class WorldError(ConfigError):
    """A world that does not exist, or whose ``world.toml`` cannot be used."""


@dataclass(frozen=True)
class WorldFile:
    """The table ``[world]`` of a ``world.toml``, as it is written."""

    name: str
    rate_hz: float  # ticks per second
    width_px: int
    height_px: int
    arch: str  # model architecture, model/arch_<arch>.py
    title: str = ""  # as the window shows it; the name when empty
    description: str = ""  # one line for `dreamloop worlds`
    schema: str = "schema.toml"  # action schema, relative to the folder, or the name of a shipped layout
    stage: str = ""  # stage of [stages] that play draws with when nothing else is asked for
    weights: str = ""  # checkpoint, relative to the folder; empty: the architecture has none, or see [published]
    context_frames: int = 1  # true frames that a scene should bring; a checkpoint of ours says it itself
    scenes: str = ""  # folder of recordings to start from
    simulator: str = ""  # "package.module:callable" or "file.py:callable", returns a gymnasium.Env
    explorer: str = ""  # same form, returns a scripted player
    practice: str = ""  # same form, returns one who does often what is rare, for training
    judge: str = ""  # same form, returns what reads the world's pictures for `eval --suite interface`
    demo: str = ""  # script of timed inputs that shows the world off
    licence: str = ""


@dataclass(frozen=True)
class World:
    """A place to play: read once, never changed."""

    name: str
    title: str
    description: str
    folder: Path
    schema: ActionSchema
    rate_hz: float
    width_px: int
    height_px: int
    arch: str
    weights: Path | None
    scenes: tuple[Path, ...]
    simulator: str | None
    explorer: str | None
    demo_script: Path | None
    practice: str | None = None
    judge: str | None = None
    licence: str = ""
    context_frames: int = 1
    published: Published | None = None  # [published]: files of somebody else's, in the user's data folder
    config: Mapping[str, Any] = field(default_factory=dict)  # [model]: the architecture's own configuration
    stages: Mapping[str, Path] = field(default_factory=dict)  # [stages]: weights of what may be drawn with, by name
    stage: str = ""  # of them, the one that play draws with when nothing else is asked for

    def with_weights(self, weights: Path | None) -> "World":
        """Return the world with other weights; None: with its own."""
        return self if weights is None else replace(self, weights=weights)

    @cached_property
    def scene_names(self) -> tuple[str, ...]:
        """Names of the scenes, in order."""
        return tuple(path.stem for path in self.scenes)

    def scene_path(self, which: str | int | None) -> Path | None:
        """Return the file of a scene by name or by number (wrapping round); None in a world without scenes."""
        if not self.scenes:
            if isinstance(which, str):
                raise WorldError(f"world '{self.name}' has no scenes, so there is no scene '{which}'")
            return None
        if which is None or isinstance(which, int):
            return self.scenes[(which or 0) % len(self.scenes)]
        if which in self.scene_names:
            return self.scenes[self.scene_names.index(which)]
        if which.isdigit():
            return self.scenes[int(which) % len(self.scenes)]
        raise WorldError(unknown("scene", which, self.scene_names))

    def scene(self, which: str | int | None = None, context: int | None = None) -> Scene | None:
        """Return true frames to start from, ``context`` of them (None: as many as the model's card asks
        for).
        """
        path = self.scene_path(which)
        if path is None:
            return None
        from dreamloop.model.recording import Recording

        frames = context if context is not None else self.card().context_frames
        recording = Recording.open(path)
        return replace(recording.scene(len(recording), frames), name=path.stem)

    def card(self) -> Card:
        """Return the card of the weights, or one made from ``world.toml`` for an architecture without
        weights.
        """
        weights_hash = ""
        if self.published is not None and self.weights is not None and not self.weights.is_file():
            weights_hash = self.published.weights_hash(self.name, self.weights)
        elif self.weights is not None:
            from dreamloop.model.checkpoint import load_card

            return load_card(self.weights)
        return Card(
            name=self.name,
            arch=self.arch,
            width_px=self.width_px,
            height_px=self.height_px,
            rate_hz=self.rate_hz,
            schema=self.schema.to_dict(),
            context_frames=self.context_frames,
            licence=self.licence or "MIT",
            config=self.config,
            weights_hash=weights_hash,
        )

    @property
    def is_ready(self) -> bool:
        """Whether the world has all the weights that it is played with."""
        if self.published is not None and self.weights is not None and not self.weights.is_file():
            return not self.published.missing(self.weights)
        return self.weights is None or self.weights.is_file()

    def open_model(self, options: OpenOptions | None = None) -> WorldModel:
        """Open the world's model.

        Raises:
            ModelError, CheckpointError: unknown architecture; weights that are missing, damaged or foreign.
            SchemaError: the world's schema does not offer what the weights were trained with.
        """
        card = self.card()
        self.schema.fit(ActionSchema.from_dict(card.schema, where=f"card of {card.name}"))
        return open_model(self.arch, card, self.weights, options)

    def open_chain(self, stages: Sequence[str], options: OpenOptions | None = None) -> WorldModel:
        """Open the world's model with ``stages`` behind it, in this order; without any it is the model alone.

        Raises:
            WorldError: a stage that the world does not have.
            ModelError, CheckpointError, SchemaError: as :meth:`open_model`.
        """
        paths = self.stage_paths(stages)
        model = self.open_model(options)
        return Chain(model, [(name, open_stage(path, options)) for name, path in paths]) if paths else model

    def open_untrained(self, options: OpenOptions | None = None) -> WorldModel:
        """Open the world's model at its full size with seeded random weights: for timing, where there are none.

        Raises:
            ModelError: an architecture that offers none.
        """
        return open_untrained(self.arch, replace(self, weights=None).card(), options)

    def stage_paths(self, stages: Sequence[str]) -> list[tuple[str, Path]]:
        """Return names and weights of ``stages``.

        Raises:
            WorldError: one that the world does not have.
        """
        for name in stages:
            if not self.stages:
                raise WorldError(f"world '{self.name}' has no stages, so there is no stage '{name}'")
            if name not in self.stages:
                raise WorldError(unknown(f"stage of world '{self.name}'", name, self.stages))
        return [(name, self.stages[name]) for name in stages]

    def shown_px(self, stages: Sequence[str]) -> tuple[int, int]:
        """Return width and height of the frames that are shown with ``stages``."""
        from dreamloop.model.checkpoint import load_card

        cards = [load_card(path) for _, path in self.stage_paths(stages)]
        return (cards[-1].width_px, cards[-1].height_px) if cards else (self.width_px, self.height_px)

    def make_env(self, **options: Any) -> "gymnasium.Env[Any, Any]":
        """Open the simulator that the world was learnt from, as a ``gymnasium.Env``.

        Raises:
            MissingPartError: the world has no simulator, or what it runs on is not installed.
        """
        if self.simulator is None:
            raise MissingPartError(f"world '{self.name}' has no simulator; world.toml names one with simulator = ...")
        env: gymnasium.Env[Any, Any] = self._plug("simulator", self.simulator)(**options)
        return env

    def can_leave_out_monsters(self) -> bool:
        """Say whether the simulator has a parameter ``monsters``, so that a measurement can do without them."""
        return (
            self.simulator is not None and "monsters" in signature(self._plug("simulator", self.simulator)).parameters
        )

    def make_explorer(self, seed: int = 0, *, practice: bool = False) -> Any:
        """Return the world's scripted player (``reset(seed)``, ``act(observation, info) -> (a,)``).

        With ``practice`` it is one who does often what is rare, where the world has one.
        """
        if practice and self.practice is not None:
            return self._plug("practice", self.practice)(seed)
        if self.explorer is None:
            raise MissingPartError(f"world '{self.name}' has no explorer; world.toml names one with explorer = ...")
        return self._plug("explorer", self.explorer)(seed)

    def make_judge(self) -> Any:
        """Return what reads the world's pictures (``Judge`` in model/eval_interface.py)."""
        if self.judge is None:
            raise MissingPartError(f"world '{self.name}' has no judge; world.toml names one with judge = ...")
        return self._plug("judge", self.judge)()

    def _plug(self, key: str, target: str) -> Callable[..., Any]:
        """Import ``package.module:callable`` or ``file.py:callable`` (relative to the folder)."""
        place, colon, attribute = target.partition(":")
        if not colon:
            raise WorldError(f"{key} = '{target}' in {self.folder / FILE_NAME} must be 'module:callable'")
        try:
            module = _load_file(self.folder / place) if place.endswith(".py") else importlib.import_module(place)
        except ImportError as error:
            missing = error.name or place
            raise MissingPartError(
                f"the {key} of world '{self.name}' needs '{missing}', which is not installed: "
                "pip install -e '.[sim]' in the checkout"
            ) from error
        found: Callable[..., Any] | None = getattr(module, attribute, None)
        if not callable(found):
            names = [name for name in vars(module) if not name.startswith("_")]
            raise WorldError(f"{key} of world '{self.name}': {place} has no '{attribute}'{nearest(attribute, names)}")
        return found


def world_folders() -> dict[str, Path]:
    """Return name -> folder of every world on disk and behind the entry point ``dreamloop.worlds``."""
    found = {path.parent.name: path.parent for path in sorted(DEMOS.glob(f"*/{FILE_NAME}"))}
    for point in entry_points(group="dreamloop.worlds"):
        place = point.load()
        found[point.name] = Path(place() if callable(place) else place)
    return found


def list_worlds() -> list[str]:
    """Return the names of the worlds that can be played by name, sorted."""
    return sorted(world_folders())


def find_world(name: str | Path) -> World:
    """Return the world of that name, or in that folder.

    Raises:
        WorldError: no such world; the sentence lists the known ones and the nearest.
    """
    folders = world_folders()
    if str(name) in folders:
        return load_world(folders[str(name)])
    path = Path(name)
    if path.name == FILE_NAME and path.is_file():
        return load_world(path.parent)
    if (path / FILE_NAME).is_file():
        return load_world(path)
    if os.sep in str(name) or path.is_dir():
        raise WorldError(f"no {FILE_NAME} in {path}; a world is a folder that holds one")
    raise WorldError(unknown("world", str(name), folders))


def load_world(folder: Path) -> World:
    """Read ``folder/world.toml`` and the action schema that it names.

    Raises:
        WorldError: the file cannot be read, or a key is unknown, missing, or of the wrong type.
        SchemaError: the action schema is broken.
    """
    path = folder / FILE_NAME
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WorldError(f"{path} cannot be read: {error}") from error
    file = _read(path, {name: table for name, table in values.items() if name not in TABLES})
    published = read_published(values["published"], str(path)) if "published" in values else None
    weights = folder / file.weights if file.weights else folder_of(file.name) if published else None
    stages = _stages(path, values, file.stage)
    made_here = folder_of(file.name) / "scenes"  # scenes that a player made from pictures
    return World(
        name=file.name,
        title=file.title or file.name,
        description=file.description,
        folder=folder,
        schema=ActionSchema.load(_schema_path(folder, file.schema)),
        rate_hz=file.rate_hz,
        width_px=file.width_px,
        height_px=file.height_px,
        arch=file.arch,
        weights=weights,
        scenes=tuple(sorted((folder / file.scenes).glob("*.dream")) if file.scenes else ())
        + tuple(sorted(made_here.glob("*.dream"))),
        simulator=file.simulator or None,
        explorer=file.explorer or None,
        practice=file.practice or None,
        judge=file.judge or None,
        demo_script=folder / file.demo if file.demo else None,
        licence=file.licence,
        context_frames=file.context_frames,
        published=published,
        config=_table(path, values, "model"),
        stages=stages,
        stage=file.stage,
    )


def _stages(path: Path, values: Mapping[str, Any], default: str) -> dict[str, Path]:
    """Return the weights of the stages by name; the one that play draws with must be among them."""
    table = _table(path, values, "stages")
    for name, weights in table.items():
        if not isinstance(weights, str):
            raise WorldError(f"{path}: [stages] {name} = {weights!r} must be a text in quotes, a file of weights")
    if default and default not in table:
        raise WorldError(f"{path}: " + unknown("stage", default, table))
    return {name: path.parent / weights for name, weights in table.items()}


def _schema_path(folder: Path, name: str) -> Path:
    """A file of the world's own, or the name of a shipped layout."""
    own = folder / name
    return own if own.exists() or name not in list_layouts() else find_schema(name)


def _table(path: Path, values: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = values.get(name, {})
    if not isinstance(table, dict):
        raise WorldError(f"{path}: {name} must be a table, [{name}]")
    return table


def _read(path: Path, values: Mapping[str, Any]) -> WorldFile:
    """Check the table and return it; every mistake is named in one sentence."""
    known = {field.name: field for field in fields(WorldFile)}
    types = get_type_hints(WorldFile)
    mistakes = [
        f"[{name}] is not a table it knows{nearest(name, ['world', *TABLES])}" for name in values if name != "world"
    ]
    table = values.get("world", {})
    if not isinstance(table, dict):
        raise WorldError(f"{path}: world must be a table, [world]")
    for name, value in table.items():
        if name not in known:
            mistakes.append(f"unknown key '{name}'{nearest(name, known)}")
        elif not _fits(value, types[name]):
            mistakes.append(f"{name} = {value!r} must be {_WORDS[types[name]]}")
    required = [name for name in ("name", "rate_hz", "width_px", "height_px", "arch") if name not in table]
    mistakes += [f"'{name}' is missing" for name in required]
    if mistakes:
        raise WorldError(f"{path}: {'; '.join(mistakes)}")
    return WorldFile(**{name: types[name](value) for name, value in table.items()})


_WORDS: Mapping[type, str] = {
    str: "a text in quotes",
    int: "a whole number from 1 to 8192",
    float: "a number of ticks a second from 0.1 to 1000",
}


def _fits(value: Any, wanted: type) -> bool:
    if wanted is str:
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    return 0.1 <= value <= 1000 if wanted is float else isinstance(value, int) and 1 <= value <= 8192


def _load_file(path: Path) -> ModuleType:
    """Import a file that belongs to no package, once."""
    name = f"dreamloop_world_{abs(hash(str(path.resolve()))):x}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise WorldError(f"{path} does not exist, or is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (ImportError, DreamloopError):
        del sys.modules[name]
        raise
    return module

"""Where weights that others published lie on this machine: one folder a world, in the user's own data folder.

Puts them there from a folder or from the Hugging Face hub (only when asked), checks what arrives, goes on where a copy
stopped, and says in one sentence what is missing. Nothing here is reached over a network while a world is played. Knows
nothing about what is in the files.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamloop.input.errors import ConfigError, DreamloopError, MissingPartError
from dreamloop.model.whole_file import whole_file
from dreamloop.runtime import places

MANIFEST = "weights.json"
CHUNK = 1 << 22  # bytes
Progress = Callable[[str, int, int], None]  # file, bytes done, bytes in all


class WeightsError(DreamloopError):
    """Weights that are missing, that did not arrive whole, or that are not the files that were added."""


@dataclass(frozen=True)
class Published:
    """The table ``[published]`` of a world: which files of somebody else's it is played with."""

    source: str  # "hf:OWNER/NAME"
    files: Mapping[str, str]  # name in our folder -> path at the source; a pickled one is converted on arrival

    @property
    def page(self) -> str:
        """Where a person finds the files."""
        return f"https://huggingface.co/{self.source.removeprefix('hf:')}"

    def missing(self, folder: Path) -> list[str]:
        """Names of the files that are not in ``folder``."""
        return [name for name in self.files if not (folder / name).is_file()]

    def weights_hash(self, world: str, folder: Path) -> str:
        """Return a hash (16 characters) over the files in ``folder``, as noted when they were added.

        Raises:
            WeightsError: a file is missing, or is not the one that was added; the sentence says the mend.
        """
        missing = self.missing(folder)
        if missing:
            raise WeightsError(self._lacks(world, folder, missing))
        noted = read_manifest(folder)
        digest = hashlib.sha256()
        for name in self.files:
            path, note = folder / name, noted.get(name)
            if note is not None and note["bytes"] != path.stat().st_size:
                raise WeightsError(
                    f"{path} is not the file that was added ({path.stat().st_size} bytes, not {note['bytes']}); "
                    f"add it again with 'dreamloop weights add {world} FOLDER'"
                )
            digest.update(f"{name}:{note['sha256'] if note else sha256(path)};".encode())
        return digest.hexdigest()[:16]

    def _lacks(self, world: str, folder: Path, missing: list[str]) -> str:
        wanted = " and ".join(self.files[name] for name in missing)
        command = f"dreamloop weights add {world}"
        return (
            f"world '{world}' lacks its weights: {' and '.join(missing)} not in {folder}; "
            f"get {wanted} from {self.page} and run '{command} FOLDER', or let '{command} {self.source}' get it"
        )


def read_published(table: Any, where: str) -> Published:
    """Check the table ``[published]``.

    Raises:
        ConfigError: a table that is not of this form.
    """
    if not isinstance(table, Mapping) or set(table) != {"source", "files"}:
        raise ConfigError(f"{where}: [published] must hold exactly source and files")
    source, files = table["source"], table["files"]
    if not isinstance(source, str) or not source.startswith("hf:") or source.count("/") != 1:
        raise ConfigError(f"{where}: [published] source must be 'hf:OWNER/NAME', got {source!r}")
    if not isinstance(files, Mapping) or not files:
        raise ConfigError(f"{where}: [published.files] must name the files, 'name here' = 'path there'")
    for name, path in files.items():
        if not isinstance(path, str) or Path(name).name != name or ".." in Path(path).parts:
            raise ConfigError(f"{where}: [published.files] '{name}' = {path!r} must be a file name and a relative path")
    return Published(source, dict(files))


def folder_of(world: str) -> Path:
    """The folder of a world's weights; it may not exist yet."""
    return places.home() / "weights" / world


def read_manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """Return file name -> {"sha256", "bytes", "source"} of the files that were added; empty where none were."""
    try:
        noted = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        return {name: note for name, note in noted.items() if {"sha256", "bytes"} <= set(note)}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{folder / MANIFEST} cannot be read ({error}); delete it and add the weights again"
        ) from error


def add(world: str, published: Published, source: str, progress: Progress | None = None) -> Path:
    """Put the world's files into its folder, from a folder or from "hf:OWNER/NAME", and return that folder.

    Files that are there already and whole are left alone, and a copy that was cut short goes on where it stopped.
    Raises:
        WeightsError: a file that the source lacks, or that did not arrive whole.
        MissingPartError: huggingface_hub is not installed.
        CheckpointError: a file that is damaged or no weights.
    """
    target = folder_of(world)
    target.mkdir(parents=True, exist_ok=True)
    for name, path in published.files.items():
        note = read_manifest(target).get(name)
        if note and (target / name).is_file() and (target / name).stat().st_size == note["bytes"]:
            continue
        if source.startswith("hf:"):
            found = fetch_from_hub(source.removeprefix("hf:"), path, target / "download")
        else:
            found = _find(Path(source).expanduser(), name, path, published)
        _take(found, target / name, progress)
        _note(target, name, source)
    shutil.rmtree(target / "download", ignore_errors=True)
    return target


def check(published: Published, folder: Path, world: str) -> list[str]:
    """Read every file again and return the names of those that are not what was added."""
    missing = published.missing(folder)
    if missing:
        published.weights_hash(world, folder)  # says which
    noted = read_manifest(folder)
    return [name for name in published.files if name not in noted or noted[name]["sha256"] != sha256(folder / name)]


def sha256(path: Path) -> str:
    """Return the hash of a file (hex)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch_from_hub(repository: str, path: str, scratch: Path) -> Path:
    """Download one file with huggingface_hub, which goes on where it stopped, and compare its hash with the hub's.

    Raises:
        MissingPartError: huggingface_hub is not installed.
        WeightsError: no connection, no such file, or a file that arrived damaged.
    """
    try:
        import huggingface_hub as hub
    except ImportError as error:
        raise MissingPartError(
            "the Hugging Face hub needs huggingface_hub: pip install -e '.[weights]' in the checkout"
        ) from error
    try:
        found = Path(hub.hf_hub_download(repository, path, local_dir=scratch))
        etag = hub.get_hf_file_metadata(hub.hf_hub_url(repository, path)).etag
    except Exception as error:  # the library raises errors of several others
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise WeightsError(
            f"{path} could not be fetched from https://huggingface.co/{repository} ({reason})"
        ) from error
    if etag and len(etag) == 64 and sha256(found) != etag:  # the hub names large files by their sha256
        found.unlink()
        raise WeightsError(f"{path} arrived damaged from https://huggingface.co/{repository}; run the command again")
    return found


def _find(folder: Path, name: str, path: str, published: Published) -> Path:
    """Return the file in somebody's folder: under its name there, or under ours."""
    places_to_look = [folder / path, folder / Path(path).name, folder / name]
    found = [place for place in places_to_look if place.is_file()]
    if not found:
        raise WeightsError(f"{folder} holds neither {path} nor {name}; get it from {published.page}")
    return found[0]


def _take(source: Path, target: Path, progress: Progress | None) -> None:
    """Copy or convert one file; what stands under its final name is always whole."""
    if source.suffix != ".safetensors":
        from dreamloop.model.convert import convert

        convert(source, target)
        return
    part = target.with_name(target.name + ".part")
    size = source.stat().st_size
    with source.open("rb") as reader, part.open("ab") as writer:
        done = writer.tell() if writer.tell() <= size else 0
        writer.truncate(done)
        reader.seek(done)
        while chunk := reader.read(CHUNK):
            writer.write(chunk)
            done += len(chunk)
            if progress is not None:
                progress(target.name, done, size)
    if sha256(part) != sha256(source):
        part.unlink()
        raise WeightsError(f"{source.name} was not copied whole to {target}; run the command again")
    os.replace(part, target)


def _note(folder: Path, name: str, source: str) -> None:
    """Write down what arrived, after a look whether it is a safetensors file at all."""
    from safetensors import SafetensorError, safe_open

    path = folder / name
    try:
        with safe_open(path, framework="pt") as file:
            count = len(file.keys())
    except (SafetensorError, OSError) as error:
        path.unlink(missing_ok=True)
        raise WeightsError(f"{name} from {source} is damaged, cut short or no safetensors file ({error})") from error
    noted = read_manifest(folder)
    noted[name] = {"sha256": sha256(path), "bytes": path.stat().st_size, "source": source, "tensors": count}
    with whole_file(folder / MANIFEST) as scratch:
        scratch.write_text(json.dumps({"format": 1, "files": noted}, indent=2) + "\n", encoding="utf-8")

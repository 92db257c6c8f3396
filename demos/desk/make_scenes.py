"""Choose the scenes of the desk: eight desks that are never trained on, as short recordings.

A scene brings the last ticks before its start, so that what lies under the windows is remembered.

Run ``python -m dreamloop.demos.desk.make_scenes`` to write them anew; the same versions write the same files.
"""

from pathlib import Path

from dreamloop.input.state import InputState
from dreamloop.model.frame_codec import frame_hash
from dreamloop.model.recording import RecordingWriter
from dreamloop.runtime.collect import episodes
from dreamloop.runtime.world import World, find_world

SCENES = 8
TICKS = 160  # of true play before a scene begins
CONTEXT = 96  # of them, the last ones, that it brings
SEED = 11


def write(world: World, folder: Path) -> list[Path]:
    """Write the scenes of ``world`` into ``folder`` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for place, (frames, actions, *_) in enumerate(episodes(world, SEED, maps="test", ticks=TICKS, limit=SCENES)):
        path = folder / f"desk-{place + 1:02d}.dream"
        header = {
            "world": world.name,
            "schema": world.schema.to_dict(),
            "schema_fingerprint": world.schema.fingerprint,
            "rate_hz": world.rate_hz,
            "seed": SEED,
            "initial_frame": False,
        }
        with RecordingWriter(path, header, replace=True) as writer:
            for number, tick in enumerate(range(TICKS - CONTEXT, TICKS)):
                state = InputState(tick=number, dt_s=1 / world.rate_hz)
                writer.tick(state, actions[tick], frames[tick], frame_hash(frames[tick]))
        paths.append(path)
    return paths


if __name__ == "__main__":
    write(find_world("desk"), Path(__file__).parent / "scenes")

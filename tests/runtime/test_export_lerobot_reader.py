"""LeRobot's own reader takes what is exported; needs `pip install lerobot`, which nothing else here does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dreamloop.input.state import InputState
from dreamloop.model.recording import Recording, RecordingWriter, frame_hash
from dreamloop.runtime.export_lerobot import export_lerobot

lerobot: Any = pytest.importorskip("lerobot.datasets.lerobot_dataset", reason="LeRobot is not installed")


def test_lerobot_reads_the_rows_and_pictures_of_two_episodes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    recordings = []
    for name in ("a", "b"):
        with RecordingWriter(tmp_path / f"{name}.dream", {"world": "w", "rate_hz": 35.0}) as writer:
            for i in range(30):
                frame = np.full((48, 64, 3), 8 * i, np.uint8)
                writer.tick(InputState(tick=i), rng.random(5).astype(np.float32), frame, frame_hash(frame))
        recordings.append(Recording.open(tmp_path / f"{name}.dream"))
    export_lerobot(recordings, tmp_path / "data")
    data = lerobot.LeRobotDataset("local/test", root=tmp_path / "data", video_backend="pyav")
    assert (len(data), data.meta.total_episodes, data.meta.fps) == (60, 2, 35)
    for index in (0, 7, 29, 30, 58):
        recording, i = recordings[index // 30], index % 30
        item = data[index]
        wanted = recording.actions[i + 1] if i < 29 else np.zeros(5, np.float32)
        assert np.array_equal(item["action"].numpy(), wanted)
        assert np.array_equal(item["previous.action"].numpy(), recording.actions[i])
        picture = item["observation.image"].numpy().transpose(1, 2, 0) * 255
        assert np.abs(picture - recording.frames(i, i + 1)[0]).mean() < 3

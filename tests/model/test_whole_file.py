"""A file is there whole or not at all."""

from pathlib import Path

import pytest

from dreamloop.model.whole_file import whole_file


def test_it_takes_its_place_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "one.txt"
    with whole_file(path) as scratch:
        scratch.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_after_an_error_the_old_one_is_what_it_was(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "one.txt"
    path.write_text("old")

    def write_half() -> None:
        with whole_file(path) as scratch:
            scratch.write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]

"""The shipped layouts give exactly the numbers that known models were trained on."""

import math

import numpy as np
import pytest

from dreamloop.input.errors import SchemaError
from dreamloop.input.schema import ActionSchema
from dreamloop.input.schema_files import find_schema, list_layouts, load_layout, player_schema, remapping_path
from dreamloop.input.state import InputState

OASIS_ORDER = (
    *("inventory", "esc", *(f"hotbar_{i}" for i in range(1, 10)), "forward", "back", "left", "right"),
    *("pitch", "yaw", "jump", "sneak", "sprint", "swap_hands", "attack", "use", "pick_item", "drop"),
)
# Degrees of a camera move -> entry, as a user of the model tabulated them (open-oasis issue 48).
OASIS_CAMERA = {
    **{22.0: 1.0, 21.0: 1.0, 20.0: 1.0, 19.0: 0.975, 18.0: 0.95, 17.0: 0.9, 16.0: 0.875, 15.0: 0.85},
    **{14.0: 0.8, 13.0: 0.775, 12.0: 0.725, 11.0: 0.7, 10.0: 0.65, 9.0: 0.6, 8.0: 0.55, 7.0: 0.5},
    **{6.0: 0.45, 5.0: 0.4, 19.9: 1.0, 18.9: 0.975, 17.9: 0.95, 16.9: 0.9, 15.9: 0.875, 12.9: 0.775},
    **{9.9: 0.65, 8.9: 0.6, 7.9: 0.55, 6.9: 0.5},
}
CSGO_X = [-1000, -500, -300, -200, -100, -60, -30, -20, -10, -4, -2, 0]
CSGO_X += [-value for value in CSGO_X[-2::-1]]
CSGO_Y = [-200, -100, -50, -20, -10, -4, -2, 0, 2, 4, 10, 20, 50, 100, 200]


@pytest.fixture
def oasis() -> ActionSchema:
    return load_layout("oasis")


def test_oasis_order(oasis: ActionSchema) -> None:
    assert oasis.columns == OASIS_ORDER
    assert oasis.size == 25
    for i, name in enumerate(OASIS_ORDER):
        if name not in ("pitch", "yaw"):
            assert np.flatnonzero(oasis.vector(**{name: 1})).tolist() == [i]


@pytest.mark.parametrize(("degrees", "entry"), OASIS_CAMERA.items())
def test_oasis_camera_table(oasis: ActionSchema, degrees: float, entry: float) -> None:
    assert oasis.vector(yaw=degrees)[16] == np.float32(entry)
    assert oasis.vector(yaw=-degrees)[16] == np.float32(-entry)
    assert oasis.vector(pitch=degrees)[15] == np.float32(entry)


def oasis_bin(degrees: float) -> int:
    """The published quantiser of the training data (open-oasis issue 9): bins 0..80, 40 is no motion."""
    share = min(max(degrees, -20.0), 20.0) / 20.0
    share = math.copysign(math.log(1.0 + 2.7 * abs(share)) / math.log(1.0 + 2.7), share)
    return int(np.round((share * 20.0 + 20.0) / 0.5))


def test_oasis_camera_over_the_whole_range(oasis: ActionSchema) -> None:
    for degrees in np.linspace(-25, 25, 1001):
        assert oasis.vector(yaw=float(degrees))[16] == np.float32((oasis_bin(degrees) - 40) / 40)


def test_oasis_signs(oasis: ActionSchema) -> None:
    """Positive pitch looks down, positive yaw turns right: its users found them swapped (issue 35)."""
    action = oasis.encode(InputState(motion_px=(10.0, 20.0)))
    assert 0 < action[16] < action[15]


def test_csgo_order() -> None:
    csgo = load_layout("csgo")
    assert csgo.size == 51
    keys = ["w", "a", "s", "d", "space", "left ctrl", "left shift", "1", "2", "3", "r"]
    for i, key in enumerate(keys):
        pressed = csgo.encode(InputState(held=frozenset({f"key:{key}"})))
        assert np.flatnonzero(pressed[:13]).tolist() == [i]
    for i, click in ((11, "left"), (12, "right")):
        assert csgo.encode(InputState(held=frozenset({f"mouse:{click}"})))[i] == 1.0
    assert csgo.columns[13:36] == tuple(f"mouse_x.{value}" for value in CSGO_X)
    assert csgo.columns[36:] == tuple(f"mouse_y.{value}" for value in CSGO_Y)


@pytest.mark.parametrize("pixels", [-500, -101, -40, -3, -1, 0, 1, 2, 7, 15, 21, 33, 200])
def test_csgo_mouse_takes_the_nearest_step(pixels: int) -> None:
    csgo = load_layout("csgo")
    action = csgo.encode(InputState(motion_px=(float(pixels), float(pixels))))
    for start, steps in ((13, CSGO_X), (36, CSGO_Y)):
        counts = min(max(10 * pixels, steps[0]), steps[-1])
        nearest = min(steps, key=lambda step: abs(step - counts))
        assert np.flatnonzero(action[start : start + len(steps)]).tolist() == [steps.index(nearest)]


def test_csgo_forbidden_pairs_and_arrows() -> None:
    csgo = load_layout("csgo")
    action = csgo.encode(InputState(held=frozenset({"key:w", "key:s", "key:1", "key:3", "key:left", "key:down"})))
    values = csgo.decode(action)
    assert values["forward"] == values["back"] == values["weapon_3"] == 0.0
    assert values["weapon_1"] == 1.0
    assert values["mouse_x"] == -60.0
    assert values["mouse_y"] == 50.0


def test_matrix_game_2() -> None:
    """Four keys in its order, then [pitch, yaw] with 0.1 for up and for right."""
    layout = load_layout("matrix_game_2")
    pressed: dict[str, list[float]] = {
        "w": [1, 0, 0, 0, 0, 0],
        "s": [0, 1, 0, 0, 0, 0],
        "a": [0, 0, 1, 0, 0, 0],
        "d": [0, 0, 0, 1, 0, 0],
    }
    pressed |= {"i": [0, 0, 0, 0, 0.1, 0], "k": [0, 0, 0, 0, -0.1, 0]}
    pressed |= {"j": [0, 0, 0, 0, 0, -0.1], "l": [0, 0, 0, 0, 0, 0.1]}
    for key, vector in pressed.items():
        action = layout.encode(InputState(held=frozenset({f"key:{key}"})))
        assert np.array_equal(action, np.array(vector, np.float32))


def test_layouts_are_found_and_a_wrong_name_gets_the_nearest() -> None:
    assert list_layouts() == ["csgo", "matrix_game_2", "oasis"]
    with pytest.raises(SchemaError, match=r"no action schema 'oasys' \(a file, or one of: .*did you mean 'oasis'"):
        find_schema("oasys")


def test_a_players_own_file_is_used_without_being_named(tmp_path) -> None:  # type: ignore[no-untyped-def]
    wanted = load_layout("matrix_game_2")
    assert player_schema(wanted, None, "mine", tmp_path) is wanted
    own = remapping_path("mine", tmp_path)
    own.parent.mkdir()
    own.write_text(find_schema("matrix_game_2").read_text().replace('keys = ["w"]', 'keys = ["t"]'))
    bound = player_schema(wanted, None, "mine", tmp_path)
    assert bound.encode(InputState(held=frozenset({"key:t"})))[0] == 1.0
    assert bound.fingerprint == wanted.fingerprint

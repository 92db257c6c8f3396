"""What an action schema promises: layout, encoding, opposites, layers, derived controls, fitting."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from dreamloop.input.errors import SchemaError
from dreamloop.input.schema import ActionSchema
from dreamloop.input.state import InputState

DOOM = Path(__file__).parents[2] / "demos" / "doom" / "schema.toml"


def schema(text: str) -> ActionSchema:
    return ActionSchema.from_dict({"format": 1, "name": "test", **tomllib.loads(text)})


@pytest.fixture(scope="module")
def doom() -> ActionSchema:
    return ActionSchema.load(DOOM)


def held(*parts: str, **more: object) -> InputState:
    return InputState(held=frozenset(parts), **more)  # type: ignore[arg-type]


def test_layout_is_the_order_of_the_file(doom: ActionSchema) -> None:
    names = ("forward", "back", "left", "right", "run", "turn", "look", "attack", "use")
    assert doom.columns == names
    assert doom.size == 9
    assert doom.space.shape == (9,)
    assert doom.space.contains(doom.vector(turn=-12.0, forward=1))


def test_keys_motion_and_sticks_drive_controls(doom: ActionSchema) -> None:
    state = held("key:w", "mouse:left", motion_px=(20.0, 4.0), axes={"pad:left_x": 0.9})
    values = doom.decode(doom.encode(state))
    assert values["forward"] == values["attack"] == values["right"] == 1.0
    assert values["turn"] == pytest.approx(3.0)  # 20 px to the right, 0.15 degrees each: positive is right
    assert values["look"] == pytest.approx(-0.4)  # 4 px down: positive is up


def test_a_tap_counts_as_pressed(doom: ActionSchema) -> None:
    action = doom.encode(InputState(tapped=frozenset({"key:space"})))
    assert doom.decode(action)["use"] == 1.0


def test_motion_beyond_the_range_is_clipped(doom: ActionSchema) -> None:
    assert doom.encode(held(motion_px=(5000.0, 0.0)))[5] == 1.0


def test_opposites_cancel(doom: ActionSchema) -> None:
    values = doom.decode(doom.encode(held("key:w", "key:s", "key:a")))
    assert values["forward"] == values["back"] == 0.0
    assert values["left"] == 1.0


def test_intents_join_buttons_and_override_axes(doom: ActionSchema) -> None:
    state = held("key:w", motion_px=(20.0, 0.0), intents={"forward": 0.0, "use": 1.0, "turn": -6.0})
    values = doom.decode(doom.encode(state))
    assert values["forward"] == values["use"] == 1.0
    assert values["turn"] == pytest.approx(-6.0)


def test_a_dead_zone_is_taken_out_and_the_rest_stretched(doom: ActionSchema) -> None:
    assert doom.encode(held(axes={"pad:right_x": 0.14}))[5] == 0.0
    assert doom.encode(held(axes={"pad:right_x": 1.0}))[5] == 1.0
    assert 0.0 < doom.encode(held(axes={"pad:right_x": 0.16}))[5] < 0.05


def test_a_stick_pushed_up_looks_up(doom: ActionSchema) -> None:
    assert doom.encode(held(axes={"pad:right_y": -1.0}))[6] == 1.0


def test_vector_is_the_inverse_of_decode(doom: ActionSchema) -> None:
    action = doom.vector(forward=1, turn=-4.0, look=3.0)
    assert np.array_equal(doom.vector(**doom.decode(action)), action)


def test_vector_names_the_nearest_control(doom: ActionSchema) -> None:
    with pytest.raises(SchemaError, match=r"unknown control 'foward'.*did you mean 'forward'"):
        doom.vector(foward=1)


def test_decode_wants_the_right_length(doom: ActionSchema) -> None:
    with pytest.raises(SchemaError, match="an action of 3 numbers, schema 'doom' has 9"):
        doom.decode([0.0, 1.0, 0.0])


def test_to_dict_and_back_gives_an_equal_schema(doom: ActionSchema) -> None:
    again = ActionSchema.from_dict(doom.to_dict())
    assert again == doom
    assert hash(again) == hash(doom)
    assert again.fingerprint == doom.fingerprint


def test_the_fingerprint_sees_what_the_model_sees(doom: ActionSchema) -> None:
    """Rebinding a key must not make a checkpoint foreign; another range must."""
    values = doom.to_dict()
    values["control"][0]["keys"] = ["i"]
    values["control"][0]["help"] = "go"
    assert ActionSchema.from_dict(values).fingerprint == doom.fingerprint
    values["control"][5]["range"] = [-10.0, 10.0]
    assert ActionSchema.from_dict(values).fingerprint != doom.fingerprint


CHOICE = """
[[control]]
name = "weapon"
kind = "choice"
options = [{name = "knife", keys = ["1"]}, {name = "pistol", keys = ["2"]}, "none_yet"]
[[control]]
name = "pointer"
kind = "pointer"
clicks = ["left", "right"]
"""


def test_choice_and_pointer() -> None:
    both = schema(CHOICE)
    assert both.columns == (
        *("weapon.knife", "weapon.pistol", "weapon.none_yet"),
        *("pointer.x", "pointer.y", "pointer.left", "pointer.right"),
    )
    assert both.neutral.tolist() == [0, 0, 0, 0.5, 0.5, 0, 0]
    action = both.encode(held("key:2", "mouse:right", pointer=(0.25, 0.75)))
    assert action.tolist() == [0, 1, 0, 0.25, 0.75, 0, 1]
    assert both.decode(action)["weapon"] == 1.0
    assert both.decode(both.neutral)["weapon"] == -1.0
    assert both.encode(held("key:1", "key:2"))[:3].tolist() == [1, 0, 0]


DERIVED = """
[[control]]
name = "forward"
kind = "button"
keys = ["w"]
[[control]]
name = "run"
kind = "button"
keys = ["left shift"]
[[control]]
name = "turn"
kind = "axis"
range = [-10, 10]
motion = "x"
[[derived]]
name = "sprint"
keys = ["c"]
chords = [["key:left ctrl", "key:w"]]
sets = {forward = 1, run = 1}
[[layer]]
name = "aim"
mouse = ["right"]
scale = {turn = 0.25}
bind.run = {keys = ["x"]}
"""


def test_a_derived_control_sets_others() -> None:
    both = schema(DERIVED)
    assert both.size == 3
    assert both.encode(held("key:c")).tolist() == [1, 1, 0]
    assert both.encode(held("key:left ctrl")).tolist() == [0, 0, 0]
    assert both.encode(held("key:left ctrl", "key:w")).tolist() == [1, 1, 0]
    assert both.encode(held(intents={"sprint": 1.0})).tolist() == [1, 1, 0]


def test_a_layer_rebinds_and_rescales_while_it_is_held() -> None:
    both = schema(DERIVED)
    assert both.encode(held("key:left shift", motion_px=(4.0, 0.0))).tolist() == [0, 1, np.float32(0.4)]
    aiming = held("mouse:right", "key:left shift", motion_px=(4.0, 0.0))
    assert both.encode(aiming).tolist() == [0, 0, np.float32(0.1)]
    assert both.encode(held("mouse:right", "key:x")).tolist() == [0, 1, 0]


def test_of_an_exclusive_group_the_first_counts() -> None:
    slots = schema(
        "".join(f'[[control]]\nname = "s{i}"\nkind = "button"\nkeys = ["{i}"]\n' for i in (1, 2, 3))
        + '[[exclusive]]\ngroup = ["s1", "s2", "s3"]'
    )
    assert slots.encode(held("key:2", "key:3")).tolist() == [0, 1, 0]


def test_fit_takes_the_layout_of_the_model_and_the_bindings_of_the_player(doom: ActionSchema) -> None:
    values = doom.to_dict()
    values["control"].reverse()
    values["control"][-1]["keys"] = ["i"]  # forward
    values["control"].append({"name": "dance", "kind": "button", "keys": ["o"]})
    fitted = ActionSchema.from_dict(values).fit(doom)
    assert fitted.fingerprint == doom.fingerprint
    assert fitted.encode(held("key:i"))[0] == 1.0
    assert not fitted.encode(held("key:w", "key:o")).any()
    assert fitted.opposites == doom.opposites


def test_fit_names_what_is_missing(doom: ActionSchema) -> None:
    values = doom.to_dict()
    values["control"][0]["name"] = "foward"
    del values["opposites"], values["phrase"]
    with pytest.raises(SchemaError, match=r"lacks what 'doom' needs.*'forward'.*did you mean 'foward'"):
        ActionSchema.from_dict(values).fit(doom)


def test_fit_names_a_control_of_another_kind(doom: ActionSchema) -> None:
    values = doom.to_dict()
    values["control"][4] = {"name": "run", "kind": "axis"}
    del values["phrase"]
    with pytest.raises(SchemaError, match="'run' has kind axis in schema 'doom', 'doom' needs kind button"):
        ActionSchema.from_dict(values).fit(doom)


def test_neutral_cannot_be_changed_by_accident(doom: ActionSchema) -> None:
    doom.vector(forward=1)
    assert not doom.neutral.any()
    assert not doom.neutral.flags.writeable

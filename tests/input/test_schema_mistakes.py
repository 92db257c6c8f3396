"""Whatever a person writes into a schema file, they get a valid schema or sentences that help, never a traceback."""

import random
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamloop.input.errors import SchemaError
from dreamloop.input.schema import ActionSchema, check_file
from dreamloop.input.schema_files import LAYOUTS
from dreamloop.input.schema_text import describe, to_toml
from dreamloop.input.state import InputState

DEMOS = Path(__file__).parents[2] / "demos"
FILES = [*sorted(LAYOUTS.glob("*.toml")), *sorted(DEMOS.glob("*/schema.toml"))]
TEXTS = [path.read_text() for path in FILES]

WRONG = """\
format = 1
name = "wrong"
colour = "red"

[[control]]
name = "forward"
kind = "button"
keys = ["w", "upp"]

[[control]]
name = "turn"
kind = "axis"
range = [5]
keyz_positive = ["right"]
motion = "sideways"
phrases_positive = [{ act = "tap" }, { say = "right", act = "kick" }]

[[control]]
name = "fire"
kind = "buton"

[[control]]
kind = "button"

[[control]]
name = "forward"
kind = "button"
phrases = ["go", "go"]

[[opposites]]
pair = ["forward", "backward"]

[[phrase]]
say = "spin"
steps = [{ seconds = 1.0, total = { trun = 360 } }]
"""


def test_every_mistake_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(WRONG)
    told = [str(one).removeprefix(f"{path}:") for one in check_file(path)]
    expected = [
        "3: top of the file: unknown name 'colour' (known: control,",
        "8: control 'forward': keys: unknown name 'upp' (120 are known; did you mean 'up'?)",
        "13: control 'turn': range: got [5], allowed: two numbers [low, high], low < high",
        "14: control 'turn': unknown name 'keyz_positive' (",
        "15: control 'turn': motion: got 'sideways', allowed: mouse motion: 'x', '-x', 'y' (down) or '-y' (up)",
        "16: control 'turn': phrases: 'say' is missing",
        "16: control 'turn': phrases: act: got 'kick', allowed: one of tap, hold",
        "20: control 'fire': kind: got 'buton', allowed: one of button, axis, pointer, choice; did you mean",
        "22: control 4: 'name' is missing",
        "26: control 'forward': this name stands twice, allowed: one control of a name",
        "28: control 'forward': phrases: the phrase 'go' stands twice, in control 'forward': phrases too",
        "31: opposites: pair: unknown name 'backward' (known: forward; did you mean 'forward'?)",
        "35: phrase 1: unknown name 'trun' (known: turn; did you mean 'turn'?)",
    ]
    for line in expected:
        assert any(one.startswith(line) for one in told), f"{line}\n\nis not among\n\n" + "\n".join(told)
    assert len(told) == len(expected), "\n".join(told)


def test_load_raises_all_of_them_in_one_error(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(WRONG)
    with pytest.raises(SchemaError) as caught:
        ActionSchema.load(path)
    assert str(caught.value).splitlines()[0] == "13 mistakes"
    assert str(caught.value).splitlines()[1].startswith(f"{path}:3: ")


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_schema_in_the_house_is_right(path: Path) -> None:
    assert check_file(path) == []
    schema = ActionSchema.load(path)
    assert schema.fit(schema) == schema
    assert ActionSchema.from_dict(schema.to_dict()) == schema
    assert tomllib.loads(to_toml(schema.to_dict())) == schema.to_dict()
    assert all(row.help for row in describe(schema) if row.entries)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\xff\xfe", "it is not UTF-8 text"),
        (b"format = ", "this is not TOML"),
        (b"", "'format' is missing"),
        (b"format = 1\nname = 'x'\ncontrol = 3", "control: got 3, allowed: tables [[control]]"),
        (b"format = 2\nname = 'x'", "format: got 2, allowed: 1"),
        (b"format = 1\nname = 'x'\n[control]\nname = 'y'", "allowed: tables [[control]]"),
    ],
)
def test_files_that_are_wrong_altogether(tmp_path: Path, content: bytes, text: str) -> None:
    path = tmp_path / "schema.toml"
    path.write_bytes(content)
    with pytest.raises(SchemaError) as caught:
        ActionSchema.load(path)
    assert text in str(caught.value)
    assert text in "\n".join(str(one) for one in check_file(path))


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"none.toml: cannot read this action schema: No such file"):
        ActionSchema.load(tmp_path / "none.toml")


JUNK = ["=", "[[control]]", "[", "]", "{", '"', "name", "kind = 'axis'", "range = [1, 0]", "-1", "nan", "1e400"]
JUNK += ["inf", "''", "bins = [0, 0]", "companding = 'bins'", "mu = 0", "true", "1979-05-27", "\x00", "é", "[[layer]]"]
JUNK += [
    "options = [{name = 'a'}]",
    "steps = []",
    "phrases = [{}]",
    "kind = 'choice'",
    "kind = 'pointer'",
    "[[phrase]]",
]


def mutated(text: str, random: random.Random) -> str:
    """Return the text with a few lines dropped, doubled, swapped, or words replaced by junk or by each other."""
    lines = text.splitlines()
    for _ in range(random.randint(1, 4)):
        i, j = random.randrange(len(lines)), random.randrange(len(lines))
        match random.randrange(6):
            case 0:
                del lines[i]
            case 1:
                lines.insert(i, lines[j])
            case 2:
                lines[i], lines[j] = lines[j], lines[i]
            case 3:
                lines.insert(i, random.choice(JUNK))
            case 4:
                words = lines[i].split(" ")
                words[random.randrange(len(words))] = random.choice(JUNK)
                lines[i] = " ".join(words)
            case 5:
                key, _, _value = lines[i].partition("=")
                lines[i] = f"{key}={lines[j].partition('=')[2] or random.choice(JUNK)}"
        if not lines:
            return ""
    return "\n".join(lines)


def use(schema: ActionSchema) -> None:
    """Do with a schema whatever a game would do with it."""
    action = schema.encode(InputState(held=frozenset({"key:w"}), motion_px=(3.0, 3.0), axes={"pad:left_x": 1.0}))
    schema.decode(action)
    describe(schema)
    assert ActionSchema.from_dict(schema.to_dict()) == schema
    assert schema.fit(schema).fingerprint == schema.fingerprint


def test_mutated_files_give_an_error_or_a_schema(tmp_path: Path) -> None:
    chance, path = random.Random(7), tmp_path / "mutated.toml"
    good = 0
    for i in range(3000):
        path.write_text(mutated(TEXTS[i % len(TEXTS)], chance), encoding="utf-8")
        try:
            schema = ActionSchema.load(path)
        except SchemaError as error:
            where = str(error)
            assert str(path) in where
        else:
            use(schema)
            good += 1
    assert 100 < good < 2900  # both ways were tried


NAMES = ["name", "say", "turn"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(["x", "turn", "w"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "say", "turn"]), inner, max_size=2)
    ),
    max_leaves=4,
)
KEYS = ["name", "kind", "range", "bins", "companding", "mu", "levels", "options", "clicks", "keys", "pad", "mouse"]
KEYS += ["phrases", "phrases_positive", "motion", "per_px", "dead_zone", "axes", "parts", "chords", "sets", "bind"]
KEYS += ["scale", "say", "steps", "pair", "group", "key_value", "keys_negative", "toggle", "sticky", "synonyms"]
KEYS += ["queue", "spell", "writes"]
TABLE = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5)
TURN = {"name": "turn", "kind": "axis"}


@settings(max_examples=300, deadline=None)
@given(
    table=TABLE,
    kind=st.sampled_from(["button", "axis", "pointer", "choice"]),
    others=st.dictionaries(
        st.sampled_from(["opposites", "exclusive", "derived", "layer", "phrase", "stop", "language"]),
        st.lists(TABLE, max_size=2) | VALUES,
        max_size=2,
    ),
)
def test_any_values_give_an_error_or_a_schema(table: dict, kind: str, others: dict) -> None:  # type: ignore[type-arg]
    values = {"format": 1, "name": "x", "control": [TURN, {"name": "a", "kind": kind, **table}], **others}
    try:
        schema = ActionSchema.from_dict(values)
    except SchemaError:
        return
    use(schema)

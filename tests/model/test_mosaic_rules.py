"""Rules: what follows again and again is foreseen, what does not is left open; learnt in one look, known in all."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dreamloop.model import arch_mosaic
from dreamloop.model.mosaic_cells import signs, turned
from dreamloop.model.mosaic_config import mosaic_config
from dreamloop.model.mosaic_contexts import ANEW, Setting, contexts_of
from dreamloop.model.mosaic_counts import Counts
from dreamloop.model.mosaic_known import Known, empty_tables
from dreamloop.model.mosaic_net import Seen
from dreamloop.model.mosaic_pile import CAST, HIDE, IN_FRONT, TOLD, UNKNOWN, Idea, stays
from dreamloop.model.mosaic_player import MosaicPlayer
from dreamloop.model.mosaic_rules import Rules, empty_rules, sure_of, vote
from dreamloop.model.mosaic_setting import setting_of

TINY = replace(mosaic_config(arch_mosaic.tiny_card().config), button=2)
NONE, PIXELS = TINY.colours, TINY.cell**2
BLANK, CARET = 1, 2
SAME = np.arange(NONE + 1, dtype=np.uint8)
A, B = 5, 6  # what the keys write


def rules_of(*, grows: bool = True) -> Rules:
    tables = empty_rules(PIXELS, NONE)
    return Rules(tables["rules"], tables["outcomes"], NONE, grows=grows)


def known() -> Known:
    return Known(empty_tables(TINY.grid, PIXELS, NONE), grows=True)


def line(column: int, rng: np.random.Generator | None = None) -> NDArray[np.uint8]:
    """A page with a caret in its second row; around it something or other."""
    cells = np.full((*TINY.grid, PIXELS), BLANK, np.uint8)
    if rng is not None:
        cells[3] = rng.integers(3, 8, (TINY.grid[1], 1))
    cells[1, column] = CARET
    return cells


def typed(cells: NDArray[np.uint8], letter: int) -> NDArray[np.uint8]:
    """The page once a key was typed: a letter where the caret was, and the caret beside it."""
    y, x = np.argwhere((cells == CARET).all(-1))[0]
    after = cells.copy()
    after[y, x], after[y, x + 1] = letter, CARET
    return after


def act(player: MosaicPlayer, key: bool, x: float = 0.0, down: bool = False) -> None:
    player.act(np.array([x, 0, down, key], np.float32))


def write(player: MosaicPlayer, seed: int, times: int, into: NDArray[np.uint8] = SAME) -> None:
    """Let a player see how a key is typed, here and there."""
    rng = np.random.default_rng(seed)
    for _ in range(times):
        page = line(int(rng.integers(6)), rng)
        act(player, False)
        player.show(into[page])
        act(player, True)
        player.show(into[typed(page, A)])


def foreseen(player: MosaicPlayer, page: NDArray[np.uint8], key: bool = True) -> NDArray[np.uint8]:
    """What is foreseen of a page; what stays as it is included."""
    act(player, False)
    player.show(page)
    act(player, key)
    look = dict(zip(Seen._fields, player.look(), strict=True))
    told = look["becomes"] % IN_FRONT == TOLD
    return np.where(told[..., None], look["foreseen"], page)


def test_what_followed_again_and_again_is_foreseen_where_it_was_never_seen() -> None:
    player = MosaicPlayer(TINY, known=known())
    page = line(6)
    write(player, 1, 12)
    player.layers.known.by_rule.settle()
    write(player, 2, 20)
    player.layers.known.by_rule.settle()
    assert np.array_equal(foreseen(player, page), typed(page, A))
    assert np.array_equal(foreseen(player, page, key=False), page), "nothing is done"


def test_what_is_so_now_is_not_held_back_by_what_was_so_before() -> None:
    """What was counted while little was known, and wrongly, is outvoted by as much and then forgotten."""
    one = [0, A, 0, 0]
    for outcome in [A] * 10 + [B] * 40:
        vote(one, outcome)
    assert one[1] == B
    assert sure_of(one[0], one[2]) > 0.9e6
    for outcome in [A, B] * 20:
        vote(one, outcome)
    assert sure_of(one[0], one[2]) < 0.8e6


def test_what_was_met_once_is_no_rule() -> None:
    player = MosaicPlayer(TINY, known=known())
    page = line(6)
    write(player, 1, 2)
    player.layers.known.by_rule.settle()
    assert len(player.layers.known.by_rule) == 0
    assert np.array_equal(foreseen(player, page), page)


def test_what_is_now_this_and_now_that_is_left_open() -> None:
    player, rng = MosaicPlayer(TINY, known=known()), np.random.default_rng(3)
    for i in range(60):
        page = line(int(rng.integers(6)))
        act(player, False)
        player.show(page)
        act(player, True)
        player.show(typed(page, (A, B)[i % 2]))
    player.layers.known.by_rule.settle()
    page = line(6)
    told = foreseen(player, page)
    assert (told[1, 6] == CARET).all(), "the letter is anybody's guess"
    assert (told[1, 7] == CARET).all(), "that the caret comes beside it is not"


def test_a_rule_holds_in_all_colours_that_a_picture_may_turn_to() -> None:
    """It was never seen in the dark, but how everything turns dark was."""
    lore = known()
    dark = np.array([7, 7, 3, 7, 7, 4, 7, 7, NONE], np.uint8)
    dark[[BLANK, CARET, A]] = 0, 3, 4
    cast = np.full(NONE, NONE, np.uint8)
    cast[[BLANK, CARET, A]] = dark[[BLANK, CARET, A]]
    for _ in range(3):
        lore.learn_cast(cast)
    player, page = MosaicPlayer(TINY, known=lore), line(6)
    rng = np.random.default_rng(1)
    for _ in range(20):
        seen = line(int(rng.integers(6)))
        act(player, False)
        player.show(seen)
        act(player, True)
        player.show(typed(seen, A))
    lore.by_rule.settle()
    assert np.array_equal(foreseen(MosaicPlayer(TINY, known=lore), dark[page]), dark[typed(page, A)])


def test_tables_hold_all_that_is_known() -> None:
    """Rules that are read from tables foresee the same, and more is learnt on top of them."""
    lore = known()
    player, page = MosaicPlayer(TINY, known=lore), line(6)
    write(player, 1, 10)
    lore.by_rule.settle()
    write(player, 2, 10)
    lore.by_rule.settle()
    tables = {name: np.array(getattr(lore, name)) for name in empty_tables(TINY.grid, PIXELS, NONE)}
    for grows in (False, True):
        again = Known(tables, grows=grows)
        assert len(again.by_rule) == len(lore.by_rule) > 0
        assert np.array_equal(foreseen(MosaicPlayer(TINY, known=again), page), typed(page, A))
    again.by_rule.settle()
    assert len(again.by_rule) == len(lore.by_rule)


def setting(**other: Any) -> Setting:
    """A caret in the second row of a page, and a key that is typed."""
    page, flat = line(6), np.ones(TINY.grid, np.int64)
    where: dict[str, Any] = dict.fromkeys(
        ("layer", "place", "height", "row", "column", "tail", "last", "mine", "new"), flat
    )
    where |= {
        "off": 0 * flat,
        "edge": flat > 1,
        "pressed": None,
        "blank": (0, 0),
    }
    numbers: dict[str, Any] = {
        "paper": BLANK,
        "said": 1,
        "done": 2,
        "front": 3,
        "form": 4,
        "own": 0,
        "deed": 5,
        "next": 6,
        "idea": 0,
        "cast": False,
    }
    plain = Setting(cells=page, then=page[0, :4], title=BLANK, **where, **numbers)
    return plain._replace(**other)


def learnt(*cases: tuple[dict[str, Any], NDArray[np.uint8]]) -> Rules:
    """Rules that have seen what follows in each case, often."""
    rules = rules_of()
    in_a_row(cases, rules)
    return rules


@pytest.mark.parametrize(("name", "other"), [("form", {"form": 40}), ("deed", {"deed": 50})])
def test_what_a_window_begins_with_and_what_was_done_in_it_tell_what_follows(name: str, other: dict[str, Any]) -> None:
    """Bold letters follow in a window of bold letters; a digit after a result begins a new number."""
    page = setting().cells
    rules = learnt(({}, typed(page, A)), (other, typed(page, B)))
    for case, letter in (({}, A), (other, B)):
        foretold = rules.foretell(setting(**case))
        assert np.array_equal(foretold[1, 6:8], typed(page, letter)[1, 6:8]), name


def test_an_exception_to_a_rule_is_a_rule_itself() -> None:
    """Whatever is typed, a caret comes beside what is written; but for one key, after which nothing does."""
    page = setting().cells
    keys = [({"done": 20 + i}, typed(page, A)) for i in range(12)]
    rules = learnt(*keys, ({"done": 50}, page))
    assert np.array_equal(rules.foretell(setting(done=21))[1, 6:8], typed(page, A)[1, 6:8])
    exception = rules.foretell(setting(done=50))
    told = exception[..., 0] != NONE
    assert np.array_equal(exception[told], page[told])


def test_what_is_turned_to_other_colours_is_told_by_what_it_shows() -> None:
    """Most of what lies below something empty is empty, too; but what is written there stays written."""
    page = np.full((*TINY.grid, PIXELS), BLANK, np.uint8)
    written = page.copy()
    written[1, 3] = A
    dark = {"cells": page, "idea": 7, "cast": True, **places()}
    rules = learnt((dark, np.full_like(page, 0)))
    assert (rules.foretell(setting(**{**dark, "cells": written}))[1, 3] == NONE).all()
    assert (rules.foretell(setting(**dark))[1, 3] == 0).all()


def test_a_layer_behind_is_written_anew_as_a_whole_or_not_at_all() -> None:
    """A key that writes where the caret is does not write beside a caret that is seen in a window behind."""
    rules, one = rules_of(grows=False), setting()
    several = one.cells.copy()
    several[1, 2:7] = CARET
    kinds = contexts_of(rules.rules[:0], one, signs(one.cells, NONE), NONE, {})
    context = next(contexts for what, contexts in kinds if what == ANEW)[1, 6]
    rules.rules[0], rules.outcomes[0] = (context, 0, 950_000), A
    rules = Rules(rules.rules, rules.outcomes, NONE)
    behind = np.zeros(TINY.grid, np.int64)
    assert (rules.foretell(one)[1, 6] == A).all()
    assert (rules.foretell(setting(mine=behind)) == NONE).all()
    assert (rules.foretell(setting(mine=behind, cells=several))[1, 2:7] == A).all()


def test_of_rules_that_say_the_same_the_one_that_is_needed_stays() -> None:
    """A general rule makes those that say no more than it does superfluous: they go first where room is short."""
    rules = learnt(({}, typed(setting().cells, A)), ({"front": 30}, typed(setting().cells, A)))
    needed = [one for one in rules._met.values() if one[3]]
    assert 0 < len(needed) < len(rules._met) / 3


def drawn(player: MosaicPlayer, by_net: NDArray[np.uint8], idea: Idea | None = None) -> NDArray[np.uint8]:
    """What is shown next if the net would draw so."""
    cells, sure = player.foresee(idea)
    return np.where(sure[..., None], cells, by_net)


def test_where_rules_are_known_the_net_has_a_say_only_in_what_was_never_seen() -> None:
    lore = known()
    player, page = MosaicPlayer(TINY, known=lore), line(6)
    for seed in (1, 2):
        write(player, seed, 40)
        lore.by_rule.settle()
    garbage = np.full_like(page, 7)
    player = MosaicPlayer(TINY, known=lore)
    assert np.array_equal(foreseen(player, page), typed(page, A))
    assert np.array_equal(drawn(player, garbage), typed(page, A))
    foreseen(player, line(5), key=False)
    assert np.array_equal(drawn(player, garbage), line(5)), "nothing is done"
    unseen = line(5)
    unseen[0, 3] = NONE
    foreseen(player, unseen, key=False)
    assert (drawn(player, garbage)[0, 3] == 7).all()


def test_what_a_believed_idea_foresees_is_not_doubted() -> None:
    """A window goes, and what it hid is seen again, whatever the net makes of it."""
    wide = replace(TINY, height_px=64, width_px=128)
    player, rng = MosaicPlayer(wide), np.random.default_rng(1)
    ground = rng.integers(1, 3, (*wide.grid, PIXELS)).astype(np.uint8)
    window = ground.copy()
    window[:3, 1:7] = rng.integers(3, 7, (3, 6, PIXELS))
    for picture in (ground, window, window):
        act(player, False)
        player.show(picture)
    act(player, False)
    goes = next(idea for idea in player.ideas if idea.kind == HIDE)
    garbage = np.full_like(ground, 7)
    shown = drawn(player, garbage, goes)
    assert np.array_equal(shown[:3, 1:7], ground[:3, 1:7])
    assert (shown[3] == 7).all(), "the rest is the net's"


def test_nothing_happens_after_what_never_does_anything() -> None:
    """Dark mode is asked for in the dark: the net is not to make something of it."""
    lore, page, garbage = known(), line(3), np.full((*TINY.grid, PIXELS), 7, np.uint8)
    player = MosaicPlayer(TINY, known=lore)
    for _ in range(20):
        act(player, False)
        player.show(page)
        act(player, True)
        player.show(page)
    lore.by_rule.settle()
    player = MosaicPlayer(TINY, known=lore)
    foreseen(player, page)
    assert np.array_equal(drawn(player, garbage), page)


def test_a_button_that_stays_down_does_nothing_anew() -> None:
    player = MosaicPlayer(TINY)
    player.show(line(3))

    def told() -> bool:
        pointed = player.places[0] // TINY.cell
        seen = TINY, player.layers, player.memory.now
        return setting_of(*seen, None, player.actions[-2:], pointed, player.deeds) is not None

    act(player, False, 0.5)
    assert not told()
    act(player, False, 0.6, down=True)
    assert told()
    act(player, False, 0.7, down=True)
    assert not told()
    act(player, False, 0.7)
    assert told()
    act(player, True, 0.7)
    assert told()


def test_rules_tell_only_what_an_idea_leaves_as_it_is() -> None:
    becomes = np.array([[0, TOLD, UNKNOWN, IN_FRONT, IN_FRONT + TOLD]], np.uint8)
    assert stays(becomes).tolist() == [[True, False, False, True, False]]


@pytest.mark.parametrize("grows", [False, True])
def test_nothing_is_known_at_first(grows: bool) -> None:
    rules, page = rules_of(grows=grows), line(2)
    player = MosaicPlayer(TINY)
    player.show(page)
    act(player, True)
    setting = setting_of(TINY, player.layers, page, None, player.actions[-2:], player.places[0], player.deeds)
    assert setting is not None
    assert (rules.foretell(setting) == NONE).all()


def test_what_moves_along_is_foreseen_whatever_it_is() -> None:
    """Digits move to the left when another comes: these were never seen together."""
    player, rng = MosaicPlayer(TINY, known=known()), np.random.default_rng(2)

    def display(digits: list[int]) -> NDArray[np.uint8]:
        cells = np.full((*TINY.grid, PIXELS), BLANK, np.uint8)
        cells[2, 5 - len(digits) : 5] = np.array(digits, np.uint8)[:, None]
        return cells

    for _ in range(80):
        digits = rng.choice([3, 4, 5], 3).tolist()
        act(player, False)
        player.show(display(digits))
        act(player, True)
        player.show(display([*digits, 7]))
    player.layers.known.by_rule.settle()
    assert np.array_equal(foreseen(player, display([6, 4, 2])), display([6, 4, 2, 7]))


def in_a_row(rules_seen: Sequence[tuple[dict[str, Any], NDArray[np.uint8]]], rules: Rules) -> None:
    """Let rules see cases, twelve times over, with what is known drawn up three times."""
    everywhere = np.ones(TINY.grid, np.bool_)
    for _ in range(3):
        for _ in range(12):
            for case, after in rules_seen:
                rules.learn(setting(**case), everywhere, ~everywhere, after, [SAME])
        rules.settle()


def places() -> dict[str, NDArray[np.int64]]:
    """Every cell told by where it lies."""
    rows, columns = TINY.grid
    row, column = np.arange(rows)[:, None] + np.zeros(columns, int), np.arange(columns) + np.zeros((rows, 1), int)
    return {"place": 1 + row * 100 + column, "height": 1 + row, "row": row, "column": column}


def test_what_a_key_writes_is_known_where_that_key_was_never_seen_to_write() -> None:
    """At the end of a line the letter comes in the next one: seen with other keys only."""
    keys = {30 + i: 3 + i for i in range(4)}  # what is done, and the letter it writes
    cases = [({"cells": line(2), "done": key, **places()}, typed(line(2), letter)) for key, letter in keys.items()]
    end, wraps = line(7), {}
    for key, letter in keys.items():
        wraps[key] = end.copy()
        wraps[key][1, 7], wraps[key][2, 0], wraps[key][2, 1] = BLANK, letter, CARET
    rules = rules_of()
    in_a_row(cases, rules)
    in_a_row([({"cells": end, "done": key, **places()}, wraps[key]) for key in list(keys)[:3]], rules)
    last = list(keys)[3]
    assert np.array_equal(foretold(rules, {"cells": end, "done": last, **places()})[2, :2], wraps[last][2, :2])


@pytest.mark.parametrize("far", [1, 2])
def test_what_scrolls_is_foreseen_whatever_it_is(far: int) -> None:
    rng, rules = np.random.default_rng(4), rules_of()

    def page() -> NDArray[np.uint8]:
        cells = np.full((*TINY.grid, PIXELS), BLANK, np.uint8)
        cells[:, :4] = rng.integers(3, 7, (4, 4, 1))
        cells[3, 2], cells[3, 3] = CARET, BLANK
        return cells

    def scrolled(cells: NDArray[np.uint8]) -> NDArray[np.uint8]:
        after = np.full_like(cells, BLANK)
        after[:-far] = cells[far:]
        after[(after == CARET).all(-1)] = BLANK
        after[3, 0] = CARET
        return after

    def written(cells: NDArray[np.uint8]) -> NDArray[np.uint8]:
        after = cells.copy()
        after[3, 2], after[3, 3] = A, CARET
        return after

    pages = [page() for _ in range(30)]
    scrolls = [({"cells": cells, **places()}, scrolled(cells)) for cells in pages]
    writes = [({"cells": cells, "done": 20, **places()}, written(cells)) for cells in pages]  # nothing else moves then
    in_a_row([*scrolls, *writes], rules)
    unseen = page()
    told = foretold(rules, {"cells": unseen, **places()})
    assert np.array_equal(told[: 3 - far], scrolled(unseen)[: 3 - far])
    gap = page()
    gap[3 - far, :4] = BLANK  # above the caret stands nothing, and the caret does not come along
    assert np.array_equal(foretold(rules, {"cells": gap, **places()})[3 - far], scrolled(gap)[3 - far])


def test_what_stands_as_a_rule_says_already_is_nothing_against_it() -> None:
    """A line is wiped whatever stands in it; mostly that is little."""
    page = line(6)
    full = [page.copy() for _ in range(5)]
    for letter, one in enumerate(full, 3):
        one[2, :2] = letter
    *seen, other = full
    rules = learnt(*(({"cells": cells, **places()}, page) for cells in (*seen, *[page] * 30)))
    assert np.array_equal(foretold(rules, {"cells": other, **places()})[2], page[2])


def test_what_is_wiped_is_wiped_to_the_paper_of_its_window() -> None:
    """Windows in the light and in the dark begin with the same title in front."""
    page, rng = line(6), np.random.default_rng(3)
    cases, unseen = list[tuple[dict[str, Any], NDArray[np.uint8]]](), list[tuple[dict[str, Any], NDArray[np.uint8]]]()
    for letter in range(3, 8):
        for paper in (BLANK, 0):
            clean = page.copy()
            clean[(clean == BLANK).all(-1)] = paper
            clean[[0, 1, 3], :2] = rng.integers(3, 8, (3, 2, 1))  # what stands around it tells nothing
            cells = clean.copy()
            cells[2, :2] = letter
            case = {"cells": cells, "paper": paper, "then": page[0, :4], "blank": (0, 4), **places()}
            (unseen if letter == 7 else cases).append((case, clean))
    rules = learnt(*cases)
    for case, clean in unseen:
        assert np.array_equal(foretold(rules, case)[2], clean[2])


def test_what_is_written_at_a_calculator_is_not_written_elsewhere() -> None:
    """A caret stands in a window behind the one that is written in."""
    page, behind = setting().cells, {"mine": np.zeros(TINY.grid, np.int64), "front": 30, "form": 40}
    rules = learnt(({}, typed(page, A)))
    for case, after in (({}, typed(page, A)), (behind, page)):
        assert np.array_equal(foretold(rules, case)[1, 6], after[1, 6])


def foretold(rules: Rules, case: dict[str, Any]) -> NDArray[np.uint8]:
    """What rules foretell, what they leave open as it is."""
    now = setting(**case)
    told = rules.foretell(now)
    return np.where(told[..., :1] == NONE, now.cells, told)


def test_a_clock_goes_on_by_itself() -> None:
    """Its last digit changes every sixth tick and the one before when that begins anew; nothing else does."""
    rules, rng = rules_of(), np.random.default_rng(2)
    place, layer = places()["place"], np.zeros(TINY.grid, np.int64)
    layer[0, 2:6] = 1

    def face(time: int) -> NDArray[np.uint8]:
        cells = line(1, rng)
        cells[0, 2:6] = BLANK
        cells[0, 3], cells[0, 4] = 3 + time // 3 % 4, 3 + time % 3
        return cells

    age = np.full(TINY.grid, 20, np.int64)
    for time in range(300):
        for ticks in range(6):
            age[0, 4] = ticks
            cells = face(time)
            after = cells.copy()
            after[0, 2:6] = face(time + (ticks == 5))[0, 2:6]
            rules.learn_alone(cells, place, age, layer, after, np.ones(TINY.grid, np.bool_))
    rules.settle()
    for time in range(12):
        for ticks in range(6):
            age[0, 4] = ticks
            cells = face(time)
            told = rules.go_on(cells, place, age, layer)
            shown = np.where(told[..., :1] == NONE, cells, told)
            assert np.array_equal(shown[0, 2:6], face(time + (ticks == 5))[0, 2:6])
            assert np.array_equal(shown[1:], cells[1:])


def test_what_was_counted_here_and_there_is_added_up(tmp_path: Path) -> None:
    """Two that have seen half of it know together what one knows that has seen all."""
    halves = []
    for seed in (1, 2):
        lore = known()
        write(MosaicPlayer(TINY, known=lore), seed, 4)
        Counts.of(lore, 4).save(tmp_path / f"{seed}")
        halves.append(Counts.load(tmp_path / f"{seed}"))
    joined, page = Counts.join(halves), line(6)
    assert joined.episodes.tolist() == [8]
    assert len(np.unique(joined.rules[:, 0])) == len(joined.rules)
    sums = {row[0]: row[1] for row in np.concatenate([half.rules for half in halves]).tolist()}
    both = set(halves[0].rules[:, 0].tolist()) & set(halves[1].rules[:, 0].tolist())
    assert both
    for context, times, *_ in joined.rules.tolist():
        assert times >= sums[context]
        assert (context in both) == (times > sums[context])
    lore = known()
    joined.put_in(lore)
    assert np.array_equal(foreseen(MosaicPlayer(TINY, known=lore), page), typed(page, A))


def test_the_cast_that_always_follows_needs_no_weighing() -> None:
    lore = known()
    turns = np.full(NONE, NONE, np.uint8)
    turns[[BLANK, CARET]] = 0, 3
    for _ in range(3):
        lore.learn_cast(turns)
    for times in (0, 20):
        player = MosaicPlayer(TINY, known=lore)
        for _ in range(times):
            act(player, False)
            player.show(line(3))
            act(player, True)
            player.show(turned(line(3), turns))
        lore.by_rule.settle()
        act(player, False)
        player.show(line(3))
        act(player, True)
        ideas = player.ideas
        casts = [i for i, idea in enumerate(ideas) if idea.kind == CAST]
        assert len(casts) == 1
        assert player.sure(ideas) == (casts[0] if times else -1)
        act(player, False)
        assert player.sure(ideas) == -1, "nothing is done"


def test_the_colour_that_is_pressed_tells_what_no_place_does_yet() -> None:
    """A button that was always pressed in its middle is pressed at its edge."""
    lore, turns = known(), np.full(NONE, NONE, np.uint8)
    turns[[BLANK, CARET]] = 0, 3
    for _ in range(3):
        lore.learn_cast(turns)
    page = line(3)
    page[2, 1:3], page[2, 5] = A, B
    cell, across = TINY.cell, TINY.grid[1] * TINY.cell - 1
    player = MosaicPlayer(TINY, known=lore)
    button = np.array((1.5 * cell, 2.5 * cell))
    edge, elsewhere = button + np.array((cell, 0)), button + np.array((4 * cell, 0))

    def press(one: MosaicPlayer, at: NDArray[np.float64]) -> None:
        x, y = at / np.array((across, TINY.grid[0] * cell - 1))
        for down in (0, 1):
            one.act(np.array([x, y, down, 0], np.float32))
            if not down:
                one.show(page)

    for _ in range(20):
        press(player, button)
        player.show(turned(page, turns))
    lore.by_rule.settle()
    for at, sure in ((button, True), (edge, True), (elsewhere, False)):
        other = MosaicPlayer(TINY, known=lore)
        press(other, at)
        assert (other.sure(other.ideas) >= 0) == sure

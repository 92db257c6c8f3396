"""The teller: deeds are kept, lessons are taken from bare play, it learns what follows, and ideas heed what it says."""

from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dreamloop.model import arch_mosaic
from dreamloop.model.dataset import Episode
from dreamloop.model.mosaic_cells import to_cells
from dreamloop.model.mosaic_config import mosaic_config
from dreamloop.model.mosaic_hand import DEEDS, Hand
from dreamloop.model.mosaic_known import Known
from dreamloop.model.mosaic_net import MosaicConfig, MosaicNet
from dreamloop.model.mosaic_pile import HIDE, RAISE, TOLD, Idea, Pile
from dreamloop.model.mosaic_teller import Teller
from dreamloop.model.mosaic_telling import SURE, Telling, heed, tell
from dreamloop.model.teller_lessons import Shelf, Watcher, smudge
from dreamloop.model.train_teller import TellerTraining, lose, teach_teller, teller_figures
from dreamloop.model.world_model import OpenOptions

SIZE = 8
NET: MosaicConfig = mosaic_config(
    {
        **{"height_px": 4 * SIZE, "width_px": 6 * SIZE, "actions": 6, "action_ticks": 2, "colours": 8, "cond": 16},
        **{"tell": (16, 16), "tell_blocks": 1, "pointer": 0, "button": 2},
    }
)
COLOURS = np.arange(8, dtype=np.uint8)[:, None].repeat(3, 1) * 30
CPU = torch.device("cpu")


def typed(ticks: int, seed: int) -> Episode:
    """A screen on which control 3 writes a 1 at the caret, control 4 a 2, and control 5 clears; the caret moves on."""
    rng = np.random.default_rng(seed)
    row, frames, actions = [7, 0, 0, 0, 0, 0], [], []
    for tick in range(ticks):
        key = int(rng.choice([0, 3, 4, 5], p=[0.3, 0.3, 0.3, 0.1])) if tick else 0
        caret = row.index(7)
        if key == 5:
            row = [7, 0, 0, 0, 0, 0]
        elif key and caret < 5:
            row[caret : caret + 2] = [key - 2, 7]
        picture = np.zeros((4, 6), np.uint8)
        picture[1] = row
        frames.append(COLOURS[picture.repeat(SIZE, 0).repeat(SIZE, 1)])
        actions.append([0.9, 0.9, 0.0, *(float(key == k) for k in (3, 4, 5))])
    return np.stack(frames), np.array(actions, np.float32)


def watcher(folder: Path) -> Watcher:
    palette = np.zeros((8, 3), np.uint8)
    palette[:] = COLOURS
    return Watcher(NET, palette, folder)


def act(**on: float) -> NDArray[np.float32]:
    names = {"x": 0, "y": 1, "button": 2, "a": 3, "b": 4, "c": 5}
    action = np.zeros(6, np.float32)
    for name, value in on.items():
        action[names[name]] = value
    return action


def test_a_cell_knows_with_which_deed_it_changed_last() -> None:
    hand, now, nothing = Hand(NET), np.zeros((4, 6, 64), np.uint8), np.zeros((4, 6), bool)
    one = nothing.copy()
    one[1, 2] = True
    hand.act(act(a=1))
    hand.show(one, now)
    assert hand.ago[1, 2] == 1
    assert hand.ago.sum() == 1
    hand.act(act())
    hand.show(nothing, now)
    hand.act(act(b=1))
    hand.show(nothing, now)
    assert hand.ago[1, 2] == 2
    assert hand.done[:2].tolist() == [1 + 4, 1 + 3], "the latest first"
    hand.act(act())
    hand.show(one, now)
    assert hand.ago[1, 2] == 0, "it went on by itself"
    for _ in range(DEEDS + 1):
        hand.act(act(a=1))
        hand.show(nothing, now)
    hand.by[0, 0] = 1
    assert hand.ago[0, 0] == 0, "that is too long ago"


def test_a_button_that_stays_down_is_no_deed_and_what_it_hit_is_kept() -> None:
    hand, now, nothing = Hand(NET), np.zeros((4, 6, 64), np.uint8), np.zeros((4, 6), bool)
    now[3, 5] = 4
    for _ in range(3):
        hand.act(act(x=1, y=1, button=1))
        hand.show(nothing, now)
    assert hand.count == 1
    assert (hand.hits[0] == 4).all()
    assert hand.places[2].tolist() == [47, 31]


def test_a_hand_goes_on_from_what_it_saved() -> None:
    hand, other, rng = Hand(NET), Hand(NET), np.random.default_rng(0)
    now = np.zeros((4, 6, 64), np.uint8)
    for _ in range(9):
        hand.act(rng.random(6).astype(np.float32))
        hand.show(rng.random((4, 6)) < 0.2, now)
    other.restore(hand.state())
    for one in (hand, other):
        one.act(act(a=1))
        one.show(np.ones((4, 6), bool), now)
    assert all(np.array_equal(hand.state()[name], other.state()[name]) for name in hand.state())
    other.restore({name: hand.state()[name] for name in ("actions", "places")})  # saved before there were deeds
    assert other.count == 0
    assert not other.by.any()
    assert not other.done.any()
    assert (other.hits == NET.colours).all()


def test_lessons_are_the_ticks_in_which_something_is_begun(tmp_path: Path) -> None:
    episode = typed(40, 0)
    found = watcher(tmp_path).look(episode)
    begun = np.flatnonzero(episode[1][:, 3:].any(1))
    assert len(found["now"]) == len(begun)
    cells = to_cells(episode[0][..., 0] // 30, SIZE)
    assert np.array_equal(found["now"], cells[begun - 1])
    assert np.array_equal(found["then"], cells[begun])
    assert watcher(tmp_path)((episode[0][:1], episode[1][:1])) is None


def test_a_shelf_keeps_the_latest_and_deletes_what_it_took(tmp_path: Path) -> None:
    shelf = Shelf(20, NET, "cpu")
    for seed in range(3):
        path = watcher(tmp_path)(typed(30, seed))
        assert path is not None
        shelf.add(path)
    assert shelf.filled == 20 < shelf.added
    assert not list(tmp_path.iterdir())
    last = watcher(tmp_path).look(typed(30, 2))
    at = (shelf.head - 1 - np.arange(5)) % 20
    assert np.array_equal(shelf.parts["then"][at].numpy(), last["then"][-1:-6:-1])
    shelf.put({name: np.concatenate([part, part]) for name, part in last.items()})
    assert np.array_equal(shelf.parts["then"][shelf.head - 1].numpy(), last["then"][-1]), "of too many, the latest"
    assert shelf.draw(5).then.shape == (5, 4, 6, 64)


def test_a_smudge_that_stays_teaches_nothing() -> None:
    torch.manual_seed(0)
    shelf = Shelf(8, NET, "cpu")
    found = watcher(Path()).look(typed(30, 0))
    found = {name: part[:8] for name, part in found.items()}
    shelf.put({**found, "then": found["now"]})
    lesson = shelf.draw(8, smudged=1.0)
    assert not lesson.counts.all()
    _, figures = lose(Teller(NET), lesson, TellerTraining())
    assert float(figures["whole"]) == 0.0


@given(share=st.sampled_from([0.0, 0.5, 1.0]), seed=st.integers(0, 99))
def test_smudges_are_contents_of_the_same_picture(share: float, seed: int) -> None:
    torch.manual_seed(seed)
    now = torch.randint(0, 8, (6, 4, 6, 4), dtype=torch.uint8)
    seen, wrong = smudge(now, torch.randint(0, 3, (6, 4, 6)), share)
    assert torch.equal((seen != now).any(-1), wrong)
    assert wrong.flatten(1).sum(1).max() <= 8
    for before, after in zip(now, seen, strict=True):
        assert {*map(tuple, after.flatten(0, 1).tolist())} <= {*map(tuple, before.flatten(0, 1).tolist())}
    if share == 0.0:
        assert not wrong.any()


@pytest.fixture(scope="module")
def taught() -> Teller:
    torch.manual_seed(0)
    shelf, unseen = Shelf(400, NET, "cpu"), Shelf(100, NET, "cpu")
    for seed in range(10):
        shelf.put(watcher(Path()).look(typed(40, seed)))
    unseen.put(watcher(Path()).look(typed(60, 99)))
    steps = count()
    config = TellerTraining(batch=16, smudged=0.1, adam_lr=3e-3, muon_lr=5e-3, ema=0.98, look_s=1e9)
    teller, _ = teach_teller(
        Teller(NET), shelf, unseen, minutes=1000 / 60, now_s=lambda: float(next(steps)), config=config
    )
    figures = teller_figures(teller, unseen)
    assert figures["ticks_all"] > 0.9, figures
    assert figures["false"] < 0.1
    return teller


def test_it_tells_what_follows_and_what_stays(taught: Teller) -> None:
    episode = typed(40, 123)
    cells = to_cells(episode[0][..., 0] // 30, SIZE)
    hand, right, told = Hand(NET), 0, 0
    for tick, action in enumerate(episode[1]):
        hand.act(action)
        if tick and action[3:].any():
            telling = tell(taught, cells[tick - 1], hand, CPU)
            turns = (cells[tick] != cells[tick - 1]).any(-1)
            assert not (telling.changes & telling.stays).any()
            right += int((telling.changes == turns).all() and (telling.cells[turns] == cells[tick][turns]).all())
            told += 1
        if tick:
            hand.show((cells[tick] != cells[tick - 1]).any(-1), cells[tick - 1])
    assert right > 0.9 * told


@pytest.mark.parametrize("seed", range(5))
def test_before_it_is_taught_it_is_sure_of_nothing(seed: int) -> None:
    torch.manual_seed(seed)
    hand = Hand(NET)
    hand.act(act(a=1))
    cells = np.random.default_rng(seed).integers(0, 8, (4, 6, 64)).astype(np.uint8)
    telling = tell(Teller(NET), cells, hand, CPU)
    assert not telling.changes.any()
    assert not telling.stays.any()


class Foretold(Pile):
    """A pile whose ideas each foresee one cell that turns to their layer's number."""

    def foresee(self, idea: Idea | None) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        cells, becomes = np.full((4, 6, 64), 8, np.uint8), np.zeros((4, 6), np.uint8)
        if idea is not None:
            cells[0], becomes[0] = idea.layer, TOLD
        return cells, becomes


def a_pile() -> Foretold:
    pile = Foretold((4, 6), 64, 8, Known.nothing((4, 6), 64, 8))
    pile.level[1:3] = 1
    return pile


def said(number: int) -> Telling:
    """It is told that the first row turns to a number, and that all else stays."""
    changes = np.zeros((4, 6), bool)
    changes[0] = True
    return Telling(changes, ~changes, np.full((4, 6, 64), number, np.uint8))


def test_an_idea_that_foresees_what_is_told_is_believed_sooner() -> None:
    ideas, logits = [Idea(RAISE, 1), Idea(HIDE, 2)], torch.tensor([-3.0, 1.0, 0.5])
    heard = heed(a_pile(), ideas, logits, -1, said(2))
    assert heard[2] > logits[2] + 0.5 > heard[1]
    assert heard.argmax() == 2
    assert torch.equal(logits, torch.tensor([-3.0, 1.0, 0.5])), "what was weighed is left alone"
    assert heed(a_pile(), ideas, logits, -1, said(1)).argmax() == 1


def test_what_no_idea_explains_does_not_speak_against_none() -> None:
    """As where all text is written anew: one idea must not be believed because it is right about a little by chance."""
    ideas, logits = [Idea(RAISE, 1), Idea(HIDE, 2)], torch.tensor([1.0, 0.9, 0.5])
    heard = heed(a_pile(), ideas, logits, -1, said(5))
    assert heard[0] == logits[0]
    assert heard.argmax() == 0
    assert heed(a_pile(), ideas, logits, -1, said(2)).argmax() == 2


def test_what_nobody_can_see_is_no_business_of_the_teller() -> None:
    pile = a_pile()
    pile.level[1] = 0
    logits = torch.tensor([-3.0, 1.0, 0.5])
    assert torch.equal(heed(pile, [Idea(RAISE, 1), Idea(HIDE, 2)], logits, -1, said(2)), logits)


def test_nothing_comes_up_where_nothing_is_told_to_change() -> None:
    pile = a_pile()
    pile.level[1] = 0
    ideas, logits = [Idea(RAISE, 1), Idea(HIDE, 2)], torch.tensor([-9.0, 9.0, 0.5])
    silent = said(2)._replace(changes=np.zeros((4, 6), bool))
    assert heed(pile, ideas, logits, -1, silent).argmax() == 0
    pile.level[1] = 2
    assert heed(pile, ideas, logits, -1, silent).argmax() == 1, "what is seen already has to change nothing to come up"


def test_nothing_happens_to_layers_where_nothing_is_begun() -> None:
    card = arch_mosaic.tiny_card()
    net = MosaicNet(mosaic_config(card.config))
    net.load_state_dict(arch_mosaic.tiny_weights())
    net.ideas.get_parameter("none.2.bias").data.fill_(-99.0)  # it believes anything
    model = arch_mosaic.MosaicModel(net, card, OpenOptions(device="cpu", players=1))
    model.reset(0, None, 0)
    layers = model.known[0].layers
    layers.contents[1, 0, :2], layers.rects[1] = 3, (0, 0, 1, 2)
    layers.refresh()
    for on, expected in ((0.0, [None]), (1.0, [Idea(RAISE, 1)])):
        model.known[0].act(np.array([0.5, 0.5, 0.0, on], np.float32))
        assert model._ideas([None]) == expected


def test_what_a_rule_is_sure_of_is_ahead_but_can_be_outvoted() -> None:
    ideas, logits = [Idea(RAISE, 1), Idea(HIDE, 2)], torch.tensor([-3.0, 0.5, 1.0])
    assert heed(a_pile(), ideas, logits, 0, said(1)).argmax() == 1
    assert heed(a_pile(), ideas, logits, 0, said(5))[1] < 1.0 + SURE
    assert (
        heed(WholePicture((4, 6), 64, 8, Known.nothing((4, 6), 64, 8)), ideas, logits, 0, all_turn_to(2)).argmax() == 2
    )


class WholePicture(Foretold):
    """A pile whose ideas, which bring up nothing, each foresee that all cells turn."""

    def __init__(self, *about: Any) -> None:
        super().__init__(*about)
        self.level[1:3] = 1

    def foresee(self, idea: Idea | None) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        number = 0 if idea is None else idea.layer
        return np.full((4, 6, 64), number, np.uint8), np.full((4, 6), TOLD, np.uint8)


def all_turn_to(number: int) -> Telling:
    return Telling(np.ones((4, 6), bool), np.zeros((4, 6), bool), np.full((4, 6, 64), number, np.uint8))


def test_what_one_player_begins_changes_no_byte_of_anothers_picture() -> None:
    card, weights = arch_mosaic.tiny_card(), arch_mosaic.tiny_weights()
    shown = []
    for neighbour in (0.0, 1.0):
        net = MosaicNet(mosaic_config(card.config))
        net.load_state_dict(weights)
        net.teller.change.bias.data.fill_(2.0)
        model = arch_mosaic.MosaicModel(net, card, OpenOptions(device="cpu", players=2))
        for player in range(2):
            model.reset(player, None, 0)
        mine, other = (np.array([0.5, 0.5, 0.0, on], np.float32) for on in (1.0, neighbour))
        shown.append(model.step(np.stack([mine, other]))[0].copy())
    assert np.array_equal(*shown)

"""The mosaic model: its cells' memory, its palette, what is carried, what is chosen, and its training."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dreamloop.model import arch_mosaic
from dreamloop.model.dataset import DataError, Episode
from dreamloop.model.mosaic_book import EMPTY, OFTEN, Book
from dreamloop.model.mosaic_cells import from_cells, to_cells
from dreamloop.model.mosaic_config import MosaicTrainConfig, mosaic_config
from dreamloop.model.mosaic_known import Known
from dreamloop.model.mosaic_lessons import Lessons, smudge
from dreamloop.model.mosaic_memory import OLDEST, STABLE, CellMemory
from dreamloop.model.mosaic_net import AROUND, CARRIED, MosaicConfig, MosaicNet, chosen, surprise
from dreamloop.model.mosaic_player import MosaicPlayer, Palette, stack
from dreamloop.model.mosaic_sprite import CLEAR, SIDE, Sprite
from dreamloop.model.train_mosaic import (
    MosaicTrainer,
    fair_weights,
    pick_cells,
    train_mosaic,
)
from dreamloop.model.train_store import load_weights, read_progress
from dreamloop.model.world_model import OpenOptions, Scene

TINY = mosaic_config(arch_mosaic.tiny_card().config)


def cells_of(*numbers: int) -> NDArray[np.uint8]:
    """A row of cells, each of one colour."""
    return np.repeat(np.array(numbers, np.uint8)[None, :, None], 4, 2)


def test_what_stood_still_is_remembered_and_what_only_passed_is_not() -> None:
    memory = CellMemory((1, 2), 4, 2, none=9)
    for _ in range(STABLE + 1):
        memory.show(cells_of(1, 1))
    assert memory.show(cells_of(2, 1)).tolist() == [[True, False]]
    memory.show(cells_of(3, 1))  # 2 stood for one tick only
    assert memory.slots[:, 0, 0, 0].tolist() == [1, 9]
    assert memory.slots[:, 0, 1, 0].tolist() == [9, 9]
    assert memory.age.tolist() == [[0, STABLE + 2]]


def test_what_comes_back_moves_to_the_front_and_is_not_kept_twice() -> None:
    """A pointer that hides and shows a cell again and again must not push out what a window covers there."""
    memory = CellMemory((1, 1), 100, 3, none=9)
    pictures = [np.full((1, 1, 100), number, np.uint8) for number in (5, 1, 2, 1, 2, 1)]
    for picture in pictures:
        for _ in range(STABLE + 1):
            memory.show(picture)
    assert memory.slots[:, 0, 0, 0].tolist() == [2, 1, 5]


def test_a_cell_gets_no_older_than_can_be_told() -> None:
    memory = CellMemory((1, 1), 4, 1, none=9)
    for _ in range(300):
        memory.show(cells_of(1))
    assert memory.age.tolist() == [[OLDEST]]


def test_a_palette_learns_colours_while_it_grows_and_then_takes_the_nearest() -> None:
    palette = Palette(np.zeros((3, 3), np.uint8), grows=True)
    assert palette.numbers(np.array([[0, 0, 0], [200, 0, 0]], np.uint8)).tolist() == [0, 1]
    assert palette.numbers(np.array([[0, 200, 0], [200, 0, 0]], np.uint8)).tolist() == [2, 1]
    assert palette.numbers(np.array([[0, 190, 0]], np.uint8)).tolist() == [2]  # it is full
    frozen = Palette(palette.colours)
    assert frozen.numbers(np.array([[0, 0, 60], [210, 0, 0]], np.uint8)).tolist() == [0, 1]
    assert np.array_equal(frozen.colours, palette.colours)


def test_cells_and_pictures_are_the_same_thing() -> None:
    picture = np.arange(2 * 16 * 24).reshape(2, 16, 24)
    cells = to_cells(picture, 8)
    assert cells.shape == (2, 2, 3, 64)
    assert np.array_equal(cells[0, 1, 2].reshape(8, 8), picture[0, 8:, 16:])
    assert np.array_equal(from_cells(cells, 8), picture)


def drag(player: MosaicPlayer, x: float, held: bool) -> None:
    player.act(np.array([x / (TINY.width_px - 1), 0.5, held, 0], np.float32))


def test_what_is_held_comes_along_by_whole_steps_of_the_grid() -> None:
    """The third cell is carried to the fourth exactly when the pointer is nearer to eight pixels than to none."""
    config = replace(TINY, button=2)
    player = MosaicPlayer(config)
    picture = np.broadcast_to(np.arange(8, dtype=np.uint8)[None, :, None], (4, 8, 64))
    drag(player, 20, False)
    player.show(picture)
    shifts = []
    for x in (20, 23, 24, 25, 31, 32, 12):
        drag(player, x, True)
        shifts.append(int(player.shift[0]))
        sources = player.look()[0]
        moved = sources[1, 3, 1 : 1 + CARRIED, 0].tolist()
        wanted = {0: [8, 8, 8, 8], 8: [2, 2, 8, 8], -24: [6, 6, 8, 8]}[shifts[-1]]
        assert moved == wanted
        player.show(picture)
    assert shifts == [0, 0, 8, 0, 0, 8, -24]
    drag(player, 40, False)
    assert player.shift.tolist() == [0, 0]


def test_options_that_hold_the_same_colour_count_together() -> None:
    """Two sources of colour 1 outweigh the one painted colour 0 that each of them alone would lose to."""
    logits = torch.log(torch.tensor([0.4, 0.0001, 0.0, 0.3, 0.2999])).view(1, 5, 1)
    sources = torch.tensor([1, 1]).view(1, 2, 1)
    assert chosen(logits, sources, 3).item() == 1
    loss = surprise(logits, sources, torch.tensor([[1]]), 3)
    assert loss.item() == pytest.approx(-np.log(0.6), abs=1e-3)


def test_cells_to_learn_from_are_those_that_change_and_those_that_seem_to() -> None:
    new, known = torch.zeros(2, 3, 4, dtype=torch.bool), torch.zeros(2, 3, 4, dtype=torch.bool)
    new[0, 1, 2] = new[1, 0, 0] = known[1, 2, 3] = True
    known[0, 0] = True
    logits = torch.zeros(2, 3, 4)
    logits[0, 2, 1] = 5.0
    config = replace(CONFIG, drawn=8, cells=2, others=1)
    rows = [tuple(row) for row in pick_cells(new, known, logits, config).tolist()]
    assert {(0, 1, 2), (0, 2, 1), (1, 0, 0), (1, 2, 3)} < set(rows)
    assert sum(row[:2] == (0, 0) for row in rows) == 2, "no more of the known ones than asked for"
    assert len(rows) == len(set(rows)) == 7


def test_lessons_with_few_cells_are_not_drowned() -> None:
    lessons = torch.tensor([0, 0, 1, 1, 1, 1, 1, 1, 1, 1])
    fair, equal = (fair_weights(lessons, share) for share in (1.0, 0.0))
    assert float(fair.sum()) == pytest.approx(1)
    assert fair[:2].sum() == pytest.approx(0.5)
    assert equal.tolist() == pytest.approx([0.1] * 10)


def blinking(ticks: int, seed: int) -> Episode:
    """A world of one lamp: while the button is down the cell under the pointer is lit."""
    rng = np.random.default_rng(seed)
    actions = np.zeros((ticks, TINY.actions), np.float32)
    actions[:, :2] = np.repeat(rng.random((ticks // 4 + 1, 2)), 4, 0)[:ticks]
    actions[:, 2] = rng.random(ticks) < 0.5
    frames = np.full((ticks, TINY.height_px, TINY.width_px, 3), 40, np.uint8)
    for frame, action in zip(frames, actions, strict=True):
        x, y = int(action[0] * 63) // 8 * 8, int(action[1] * 31) // 8 * 8
        if action[2]:
            frame[y : y + 8, x : x + 8] = 250
    return frames, actions


CONFIG = MosaicTrainConfig(
    net=replace(TINY, button=2, luck=0.0),
    batch=8,
    lessons=400,
    steps=40,
    test_ticks=60,
    adam_lr=1e-2,
    muon_lr=1e-2,
)


def blank_book(grows: bool = False) -> Book:
    return Book(np.full((TINY.book, 64), EMPTY, np.uint8), grows)


def no_sprite() -> Sprite:
    return Sprite(np.full((SIDE, SIDE), CLEAR, np.uint8))


def nothing_known() -> Known:
    return Known.nothing(CONFIG.net.grid, CONFIG.net.cell**2, CONFIG.net.colours)


def test_a_batch_can_be_learnt_by_heart() -> None:
    """A gradient that does not reach the gate or the choice of pixels leaves one of the two losses where it was."""
    palette = Palette(np.zeros((8, 3), np.uint8), grows=True)
    batches = Lessons(CONFIG, [blinking(60, 1)], palette, blank_book(), no_sprite(), nothing_known()).batch(8)
    trainer = MosaicTrainer(replace(CONFIG, steps=1000), dtype=torch.float32)
    figures = [trainer.step(batches) for _ in range(120)]
    assert figures[-1]["gate"] < 0.3 * figures[0]["gate"]
    assert figures[-1]["pixels"] < 0.5 * figures[0]["pixels"]
    assert figures[-1]["drawn"] > 0, "what no source and no page of an empty book shows is drawn"


def test_what_is_in_the_book_is_told_as_a_whole_and_never_drawn() -> None:
    palette, book = Palette(np.zeros((8, 3), np.uint8), grows=True), blank_book(grows=True)
    batches = Lessons(CONFIG, [blinking(200, 1)], palette, book, no_sprite(), nothing_known()).batch(8)
    trainer = MosaicTrainer(replace(CONFIG, steps=1000, adam_lr=3e-3, muon_lr=3e-3), dtype=torch.float32)
    trainer.know(palette, book, no_sprite())
    figures = [trainer.step(batches) for _ in range(160)]
    assert 0 < book.used < len(book.pages)
    assert figures[-1]["drawn"] < 0.2
    assert figures[-1]["whole"] < 0.3 * figures[0]["whole"]


def test_a_book_takes_what_is_met_often_until_it_is_full() -> None:
    pages = np.full((2, 4), EMPTY, np.uint8)
    book, one, two, three = Book(pages, grows=True), *(np.full((3, 4), number, np.uint8) for number in (1, 2, 3))
    for _ in range(OFTEN - 1):
        book.learn(one)
    assert book.used == 0, "three cells of one tick count once"
    book.learn(one)
    for content in (two, three):
        for _ in range(OFTEN):
            book.learn(content)
    assert book.pages.tolist() == [[1] * 4, [2] * 4]
    closed = Book(np.full((2, 4), EMPTY, np.uint8))
    for _ in range(OFTEN):
        closed.learn(one)
    assert closed.used == 0
    assert Book(book.pages, grows=True).used == 2


@pytest.mark.parametrize("own", [2, 0])
def test_options_of_one_content_count_together(own: int) -> None:
    """Two sources and a page that show the same are one answer; the likeliest single option is another."""
    net = MosaicNet(TINY)
    content, other = torch.full((64,), 3), torch.full((64,), 5)
    net.book[1] = content.to(torch.uint8)
    sources = torch.full((1, 1 + CARRIED + TINY.slots + 1, 64), TINY.colours)
    sources[0, :3] = torch.stack([other, content, content])
    if own == 0:
        sources[0, 1:3] = TINY.colours
    options = torch.full((1, 1 + sources.shape[1] + TINY.book), -torch.inf)
    chances = {0: 0.1, 1: 0.3, 2: 0.2, 3: 0.2, 1 + sources.shape[1] + 1: 0.2}
    for place, chance in chances.items():
        if own or place not in (2, 3):
            options[0, place] = float(np.log(chance))
    cells, drawing = net._likeliest(options, sources)
    assert cells[0].tolist() == (content if own else other).tolist()
    assert not drawing.any()
    options[0, 0] = 3.0
    assert net._likeliest(options, sources)[1].all()


def test_what_nothing_shows_is_nobodys_choice() -> None:
    net = MosaicNet(TINY).freeze()
    player = MosaicPlayer(TINY)
    player.memory.now[:] = 1
    seen = stack([player.look()])
    options = net.whole(net.look(seen), seen, torch.tensor([[0, 1, 2], [0, 3, 7]]))
    assert options.shape == (2, 1 + TINY.sources + 1 + TINY.book)
    around = slice(1 + TINY.sources - AROUND, 1 + TINY.sources)
    assert options[:, :2].isfinite().all()
    assert options[:, around].isfinite().any(1).all(), "what the cells around show"
    options[:, around] = -torch.inf
    assert (options[:, 2:] == -torch.inf).all()


def test_ticks_in_which_a_player_changes_much_are_shown_more_often() -> None:
    palette = Palette(np.zeros((8, 3), np.uint8), grows=True)

    def changing(turns: float) -> float:
        lessons = Lessons(
            replace(CONFIG, much=0, calm=1.0, turns=turns, smudge=0.0),
            [blinking(200, 1)],
            palette,
            blank_book(),
            no_sprite(),
            nothing_known(),
        )
        told = [(truth != seen.sources[:, :, :, 0]).any(-1).flatten(1).any(1) for seen, truth in lessons.batch(200)]
        return float(torch.cat(told).float().mean())

    assert changing(0.0) < 0.5
    assert 0.5 <= changing(0.5) < 0.8
    assert changing(1.0) == 1.0


def test_a_lesson_in_which_little_changes_shows_a_part_and_knows_where_it_lies() -> None:
    """What the net is told of a part is what it is told of that part of the whole."""
    palette = Palette(np.zeros((8, 3), np.uint8), grows=True)
    config = replace(CONFIG, part=(2, 4), much=0, turns=0.5)
    lessons = Lessons(config, [blinking(200, 1)], palette, blank_book(), no_sprite(), nothing_known())
    shapes = {tuple(seen.age.shape[1:]) for seen, _ in lessons.batch(40)}
    assert shapes == {(4, 8), (2, 4)}
    assert {tuple(corner) for seen, _ in lessons.batch(40) for corner in seen.corner.tolist()} > {(0, 0)}
    player = MosaicPlayer(CONFIG.net)
    player.show(np.random.default_rng(0).integers(0, 8, (4, 8, 64)).astype(np.uint8))
    net, part = MosaicNet(CONFIG.net), (slice(2, 4), slice(4, 8))
    whole, corner = stack([player.look()]), stack([player.look(part)])
    inputs = net._inputs(whole)[:, :, 2:4, 4:8]
    assert torch.equal(net._inputs(corner), inputs)
    assert torch.equal(net._pointer(corner), net._pointer(whole)[:, :, 2:4, 4:8])


def test_a_smudge_is_kept_where_nothing_happens_and_the_truth_is_not_smudged() -> None:
    palette = Palette(np.zeros((8, 3), np.uint8), grows=True)
    lessons = Lessons(CONFIG, [blinking(60, 1)], palette, blank_book(), no_sprite(), nothing_known())
    seen, truth = lessons.batch_of(lessons.kept[:8])
    now = seen.sources[:, :, :, 0]
    changed = (truth != now).any(-1)
    torch.manual_seed(1)
    smudged, target = smudge(seen, truth, 0.5)
    shown = smudged.sources[:, :, :, 0]
    assert 0 < (shown != now).any(-1).float().mean() < 0.5
    assert torch.equal(target[~changed], shown[~changed])
    assert torch.equal(target[changed], truth[changed])
    assert torch.equal(smudged.sources[:, :, :, 1:-AROUND], seen.sources[:, :, :, 1:-AROUND])
    assert torch.equal(smudged.sources[:, :, :-1, -AROUND], shown[:, :, 1:]), "and so it is seen from beside"
    assert torch.equal(smudge(seen, truth, 0.0)[0].sources, seen.sources)


def test_a_run_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    train_mosaic(replace(CONFIG, steps=3), [blinking(200, 1)], [blinking(60, 2)], tmp_path)
    before = load_weights(tmp_path)
    train_mosaic(replace(CONFIG, steps=5, part=(2, 4), much=0), [blinking(200, 1)], [blinking(60, 2)], tmp_path)
    assert read_progress(tmp_path)["step"] == 5
    assert not torch.equal(before["stem.weight"], load_weights(tmp_path)["stem.weight"])
    assert {tuple(colour) for colour in before["palette"].tolist()} == {(0, 0, 0), (40, 40, 40), (250, 250, 250)}
    line = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert 0 <= line["changed_cells_right"] <= line["changed_cells_found"] <= 1


def test_a_run_begins_with_given_weights_and_resumes_with_its_own(tmp_path: Path) -> None:
    train_mosaic(replace(CONFIG, steps=3), [blinking(200, 1)], [blinking(60, 2)], tmp_path / "a")
    given = load_weights(tmp_path / "a")
    still = replace(CONFIG, steps=1, adam_lr=0.0, muon_lr=0.0)
    train_mosaic(still, [blinking(200, 1)], [blinking(60, 2)], tmp_path / "b", start=given)
    begun = load_weights(tmp_path / "b")
    assert torch.equal(begun["stem.weight"], given["stem.weight"])
    zeros = {name: torch.zeros_like(tensor) for name, tensor in given.items()}
    train_mosaic(replace(still, steps=2), [blinking(200, 1)], [blinking(60, 2)], tmp_path / "b", start=zeros)
    assert torch.equal(load_weights(tmp_path / "b")["stem.weight"], given["stem.weight"])


def turned(colour: int, into: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A picture in two colours, and the next, in which ``colour`` is ``into`` everywhere."""
    now = torch.arange(2).repeat(1, 4, 4)[..., None].expand(-1, -1, -1, 64).contiguous()
    return now, torch.where(now == colour, into, now)


def test_no_play_is_said_so() -> None:
    with pytest.raises(DataError, match="no episodes"):
        Lessons(CONFIG, [], Palette(np.zeros((8, 3), np.uint8), grows=True), blank_book(), no_sprite(), nothing_known())


def test_the_size_of_the_picture_costs_no_memory_over_time() -> None:
    config = MosaicConfig()
    player = MosaicPlayer(config)
    before = player.memory.nbytes
    rng = np.random.default_rng(0)
    for _ in range(20):
        player.act(rng.random(config.actions).astype(np.float32))
        player.show(rng.integers(0, 20, (*config.grid, 64)).astype(np.uint8))
    assert player.memory.nbytes == before < 500_000


def test_a_dream_with_a_memory_and_a_pointer_goes_on_from_where_it_was_saved() -> None:
    """The contract's tiny world has no sprite, and nothing in it stands long enough to be remembered."""
    card, weights = arch_mosaic.tiny_card(), arch_mosaic.tiny_weights()
    net = MosaicNet(TINY)
    net.load_state_dict(weights)
    net.change.bias.data.fill_(-2.0)
    net.sprite[8:11, 8:11] = 3
    model = arch_mosaic.MosaicModel(net, card, OpenOptions(players=2))
    rng = np.random.default_rng(2)
    frames = np.repeat(model.palette.colours[rng.integers(0, 8, (2, 32, 64))], 8, 0)
    actions = np.repeat(rng.random((4, 4)).astype(np.float32), 4, 0)
    for player in range(2):
        model.reset(player, Scene("a", frames, actions), seed=player)
    for action in actions:
        model.step(np.stack([action, action[::-1]]))
    assert (model.known[1].memory.slots != TINY.colours).any(), "something is remembered"
    saved = model.save(1)
    assert np.array_equal(model.load(1, saved), model._shown(1))
    first = [model.step(np.stack([action, action[::-1]]))[1].copy() for action in actions]
    model.load(1, saved)
    model.load(0, saved)
    again = [model.step(np.stack([action[::-1], action[::-1]])).copy() for action in actions]
    assert all(np.array_equal(a, b[1]) for a, b in zip(first, again, strict=True))
    assert all(np.array_equal(b[0], b[1]) for b in again), "whichever player it is loaded into"

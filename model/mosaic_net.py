"""The net of the mosaic model, for pictures that stand still: interfaces, boards, maps in few colours.

A picture is a mosaic of small cells, every pixel one colour of a palette. A coarse U-Net over the cells says where
something changes; only those cells are told anew, and what they show is *chosen*. First as a whole: what one of the
cell's sources shows (the picture that moved along with a drag, what the cell showed earlier), a content from the book
of those that are known, or none of these. Where it is none of these, every pixel is chosen: from the sources, or
painted in a colour of the palette. Nothing is blended, so what does not change cannot drift, and a colour is right or
wrong but never almost right.

Both choices are trained as mixtures (a pointer network): whatever option holds the truth is right. A pointer is no
part of the picture (see mosaic_sprite.py): where it is enters as maps over the cells, as learned stamps laid where it
is, and as a look at what lies under it.

What is foreseen for the picture as a whole (see mosaic_pile.py) is one more source of every cell, and the idea that
it follows from is told with the actions.

Knows nothing about players, files or training.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dreamloop.model.layers import Blocks, Conv, Linear, Shrink, unfold
from dreamloop.model.mosaic_book import EMPTY, signs
from dreamloop.model.mosaic_cells import MARKS
from dreamloop.model.mosaic_ideas import LOUD, NEAR, Ideas, Moment
from dreamloop.model.mosaic_known import TABLES, Known, empty_tables
from dreamloop.model.mosaic_layers import FACTS, IDEAS
from dreamloop.model.mosaic_pile import IN_FRONT, OF_IT, TOLD, UNKNOWN
from dreamloop.model.mosaic_sprite import CLEAR, SIDE
from dreamloop.model.mosaic_stamps import REACH, stamp
from dreamloop.model.mosaic_teller import Teller

CARRIED = 4  # sources that move along with the pointer: both ways, across, down; and what was seen there before
TURNED = 2  # ... that are the picture of now in other colours: as what leaves the front, as what comes there
AROUND = 4  # ... that the cells around show: to the right, to the left, below, above
INKS = 3  # ... in which the way of a pointer that is down is drawn: in the colour of its last place, in which it drew
# last, and that it was pressed on the time before in that layer
AGES = 32  # ages of a cell that are told apart, in ticks
Chance = Callable[[Tensor, Tensor], Tensor]  # logits (n, ...) and the players (n,) they are of, to logits


@dataclass(frozen=True, slots=True)
class MosaicConfig:
    """The shape of the net. Frozen into the card of every checkpoint."""

    height_px: int = 192
    width_px: int = 256
    actions: int = 62  # length of the action vector
    action_ticks: int = 3  # how many of the latest actions it sees
    pointer: int = 0  # where the pointer's x stands in the action vector, y beside it; -1: there is no pointer
    button: int = 2  # where its button stands; -1: it has none
    snap: int = 8  # pixels of the grid on which things are dragged
    leap: int = 0  # cells by which the front layer may move at once, where it is told to
    floor: int = 0  # rows of cells at the bottom over which no layer moves
    cell: int = 8  # pixels of one side of a cell
    colours: int = 32  # of the palette
    slots: int = 5  # earlier contents that are remembered per cell
    looks: int = 2  # of these, the latest ones, that the coarse net sees; all of them can be fetched from
    emb: int = 4  # channels of a colour's code
    book: int = 3072  # contents of whole cells that can be known
    code: int = 64  # channels of the code of a whole content
    ask: int = 384  # ... of the layer that asks for one
    widths: tuple[int, ...] = (48, 96)  # channels at one cell, two, ...
    down: tuple[int, ...] = (1, 2)  # residual blocks on the way down, per width
    up: tuple[int, ...] = (1, 0)
    cond: int = 96  # width of the condition made of actions
    stamp: int = 8  # channels of the stamps
    fine: int = 48  # channels per pixel where cells are drawn
    fine_blocks: int = 1
    page: int = 64  # channels of what is known of an idea
    heads: int = 4  # of the attention among the coarsest places
    prefix: int = 128  # ticks of true history that a scene should bring, to be remembered
    threshold: float = 0.3  # probability of a change above which a cell is drawn
    tell: tuple[int, int] = (96, 256)  # channels of the teller, fine and coarse
    tell_blocks: int = 0  # its blocks of attention; 0: there is no teller
    luck: float = 0.0  # how much chance there is in what is chosen; 0: the likeliest, whatever the seed

    @property
    def sources(self) -> int:
        """How many contents of each cell the picture itself offers."""
        return 1 + CARRIED + self.slots + TURNED + INKS + AROUND

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return self.height_px // self.cell, self.width_px // self.cell


class Seen(NamedTuple):
    """What the net sees of b players: the whole picture in play, a part of it in some lessons."""

    sources: (
        Tensor  # (b, rows, columns, sources, pixels) uint8, ``colours`` where there is none: now, carried, remembered,
        # turned, drawn, around
    )
    age: Tensor  # (b, rows, columns) int64, ticks since the cell changed, at most AGES - 1
    corner: Tensor  # (b, 2) column and row of the first cell
    near: Tensor  # (b, cells, pixels) int64, what the cells around the pointer show
    inks: Tensor  # (b, INKS) int64, colours that the pointer may draw in, ``colours`` where it is not down
    actions: Tensor  # (b, action_ticks, a), oldest first
    places: Tensor  # (b, 3, 2) x and y in pixels: the pointer now, a tick ago, and where its button went down
    shift: Tensor  # (b, 2) pixels that a thing held since the press has come with this tick
    foreseen: Tensor  # (b, rows, columns, pixels) uint8, what follows from an idea; ``colours`` where nothing does
    becomes: Tensor  # (b, rows, columns) uint8, what becomes of every cell (see mosaic_layers.py)
    facts: Tensor  # (b, FACTS) what is known of the idea; zeros where there is none
    begins: Tensor  # (b, 3, MARKS, pixels) uint8, how the idea's layer begins, that in front now, and in front then


class Drawn(NamedTuple):
    """What the coarse net says, ready for cells to be drawn."""

    change: Tensor  # (b, rows, columns) logits
    features: Tensor  # (b, c, rows, columns)
    cond: Tensor  # (b, cond)


class MosaicNet(nn.Module):
    """``look`` once at the whole picture, then ``draw`` the cells that change."""

    palette: Tensor
    book: Tensor
    ink: Tensor
    sprite: Tensor

    def __init__(self, config: MosaicConfig) -> None:
        super().__init__()
        self.config, self._dtype = config, torch.float32
        k, w, pixels = config.colours, config.widths, config.cell**2
        self.register_buffer("palette", torch.zeros(k, 3, dtype=torch.uint8))
        self.register_buffer("book", torch.full((config.book, pixels), EMPTY, dtype=torch.uint8))
        for name, table in empty_tables(config.grid, pixels, k).items():
            self.register_buffer(name, torch.from_numpy(table))
        self.register_buffer("sprite", torch.full((SIDE, SIDE), CLEAR, dtype=torch.uint8))
        codes = torch.randn(k + 1, config.emb, generator=torch.Generator().manual_seed(1))
        self.register_buffer("ink", codes)  # not trained: the layers behind it are
        near = (2 * NEAR + 1) ** 2 * pixels * config.emb + 2
        self.under = nn.Sequential(Linear(near, config.cond), nn.SiLU(), Linear(config.cond, config.cond))
        self.know = Linear(config.actions * config.action_ticks + 3, config.cond)
        self.mix = nn.Sequential(
            Linear(2 * config.cond + k, 2 * config.cond), nn.SiLU(), Linear(2 * config.cond, config.cond), nn.SiLU()
        )
        self.idea = Linear(FACTS + 3 * MARKS * config.code, config.cond)
        rows, columns = config.grid
        self.ideas = Ideas(config)
        inputs = (2 + config.looks) * pixels * config.emb + AGES + 3 * 3 + 2 + rows + columns
        more = config.code + 5
        self.stem = Conv(inputs + more, w[0], 1)
        self.around = nn.Parameter(0.2 * torch.randn(3, 4 * REACH * REACH, w[0]))
        self.down = nn.ModuleList(Blocks(n, c, config.cond) for n, c in zip(config.down, w, strict=True))
        self.among = Attention(w[-1], config.heads)
        self.up = nn.ModuleList(Blocks(n, c, config.cond) for n, c in zip(config.up, w, strict=True))
        self.shrink = nn.ModuleList(Shrink(a, b) for a, b in pairwise(w))
        self.grow = nn.ModuleList(Conv(b, 4 * a, 1) for a, b in pairwise(w))
        self.merge = nn.ModuleList(Conv(2 * a, a, 1) for a in w[:-1])
        self.change = Conv(w[0], 1, 1)
        self.straight = Conv(more, 1, 1)
        self.straight.weight.data[:, -2:] = 4.0  # what is foreseen happens,
        sources = config.sources + 1
        self.trust = nn.Parameter(torch.tensor(3.0))  # and so as it is foreseen
        self.code = Linear(pixels * config.emb, config.code)
        self.page = nn.Parameter(torch.zeros(config.book, config.code))
        self.kind = nn.Parameter(0.2 * torch.randn(sources, config.code))
        asked = w[0] + config.cond + 3 * config.code + config.actions * config.action_ticks
        self.ask = nn.Sequential(Linear(asked, config.ask), nn.SiLU(), Linear(config.ask, config.code + 1))
        self._keys: Tensor | None = None  # of the book, for play
        self._order: tuple[Tensor, Tensor] | None = None  # its pages by their signs, for play
        self.close = nn.Parameter(0.2 * torch.randn(3, 4 * REACH * REACH, config.stamp))
        self.plan = Linear(w[0] + config.cond, 8 * pixels)  # a sketch of the cell
        self.enter = Conv(config.emb * (sources + INKS) + 3 * config.stamp + 8 + 2, config.fine, 1)
        self.told = Linear(w[0] + config.cond, config.cond)
        self.fine = Blocks(config.fine_blocks, config.fine, config.cond)
        self.leave = Conv(config.fine, k + sources + INKS, 1)
        if config.tell_blocks:
            self.teller = Teller(config)
        self.change.bias.data.fill_(-3.0)  # most cells stand still,
        self.leave.bias.data[k:] = 1.0  # and most pixels are found somewhere

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the arithmetic inside."""
        return self._dtype

    def compute_in(self, dtype: torch.dtype) -> "MosaicNet":
        """Choose the dtype of the arithmetic and return self."""
        self._dtype = dtype
        if self.config.tell_blocks:
            self.teller.dtype = dtype
        return self

    def known(self, grows: bool = False) -> Known:
        """Return what is known of layers."""
        return Known({name: getattr(self, name).cpu().numpy() for name in TABLES}, grows=grows)

    def freeze(self) -> "MosaicNet":
        """Look at the book once and for all, and return self: for play only."""
        self.requires_grad_(False).eval()
        self._keys, self._order = self._read_book(), self._sort_book()
        if self.config.tell_blocks:
            self.teller.to(self._dtype)
        return self

    def look(self, seen: Seen) -> Drawn:
        """Say where the picture changes."""
        cond = self._condition(seen)
        foreseen = self._foreseen(seen).permute(0, 3, 1, 2)
        x = torch.cat([self._inputs(seen).to(self.dtype), foreseen], 1)
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        x = (x + self._pointer(seen).to(self.dtype)).contiguous(memory_format=torch.channels_last)
        skips: list[Tensor] = []
        for level, blocks in enumerate(self.down):
            if level:
                skips.append(x)
                x = self.shrink[level - 1](x)
            x = blocks(x, cond)
        x = self.among(x)
        for level in reversed(range(len(self.up) - 1)):
            x = unfold(self.grow[level](x), 2)
            x = self.merge[level](torch.cat([x, skips[level]], 1).contiguous(memory_format=torch.channels_last))
            x = self.up[level](x, cond)
        change = self.change(x) + self.straight(foreseen)
        return Drawn(change[:, 0].float(), x, cond)

    def weigh(self, moment: Moment) -> Tensor:
        """Return logits (b, 1 + IDEAS): no idea comes true, or this one does."""
        logits: Tensor = self.ideas(moment, self.ink.to(self.dtype))
        return logits

    def _foreseen(self, seen: Seen) -> Tensor:
        """Return (b, rows, columns, code + 5): what is foreseen of every cell."""
        kind = seen.becomes % IN_FRONT
        drawn = (seen.sources[:, :, :, -AROUND - INKS : -AROUND, 0] != self.config.colours).any(-1)
        told = kind == TOLD
        codes = self.code(F.embedding(seen.foreseen[told].int(), self.ink).flatten(1).to(self.dtype))
        spread = codes.new_zeros(*told.shape, codes.shape[-1]).index_put((told.nonzero(as_tuple=True)), codes)
        flags = torch.stack([drawn, seen.becomes >= IN_FRONT, kind == OF_IT, told, kind == UNKNOWN], -1)
        return torch.cat([spread, flags.to(codes)], -1)

    def choose(self, drawn: Drawn, seen: Seen, rows: Tensor, chance: Chance = lambda logits, players: logits) -> Tensor:
        """Return what cells ``rows`` (n, 3) show, (n, pixels): the likeliest, after ``chance`` had its say."""
        b = rows[:, 0]
        sources, colours = sources_of(seen, rows), self.config.colours
        cells, drawing = self._likeliest(chance(self.whole(drawn, seen, rows), b), sources)
        if drawing.any():
            logits = chance(self.draw(drawn, seen, rows[drawing]), b[drawing])
            cells[drawing] = chosen(logits, with_inks(sources[drawing], seen, b[drawing]), colours)
        return cells

    def whole(self, drawn: Drawn, seen: Seen, rows: Tensor) -> Tensor:
        """Return logits (n, 1 + sources + pages): what cells ``rows`` show is none of these, that of a source, a page.

        A source or page that holds nothing has a logit of -inf.
        """
        config, dtype = self.config, self.dtype
        b, y, x = rows.unbind(1)
        sources = sources_of(seen, rows)
        codes = self.code(F.embedding(sources, self.ink).flatten(2).to(dtype))  # (n, s, code)
        own = codes[:, [0, 1, 1 + CARRIED]].flatten(1)
        did = LOUD * seen.actions.flatten(1)[b].to(dtype)  # a letter follows from the key alone
        there = drawn.features[b, :, y, x]
        there = F.layer_norm(there, there.shape[1:])  # else what was done would be drowned by what is there
        told = self.ask(torch.cat([there, drawn.cond[b], own, did], 1))
        none, question = told[:, :1], told[:, 1:] * config.code**-0.5
        shown = ((codes + self.kind.to(dtype)) @ question[:, :, None])[..., 0]
        shown = torch.cat([shown[:, :-1], shown[:, -1:] + self.trust.to(dtype)], 1)
        pages = question @ (self._read_book() if self._keys is None else self._keys).T
        absent = torch.cat([sources[..., 0] == config.colours, (self.book[:, 0] == EMPTY).expand(len(rows), -1)], 1)
        return torch.cat([none, torch.cat([shown, pages], 1).masked_fill(absent, -torch.inf)], 1).float()

    def holds(self, sources: Tensor, truth: Tensor) -> Tensor:
        """Return (n, sources + pages): which of the ``sources`` (n, s, pixels), and of the book, hold ``truth``."""
        shown = (sources == truth[:, None]).all(-1)
        return torch.cat([shown, signs(truth)[:, None] == signs(self.book)], 1)

    def knows(self, sources: Tensor, truth: Tensor) -> Tensor:
        """Return (...): where one of the ``sources`` (..., s, pixels), or the book, holds ``truth`` (..., pixels)."""
        return (sources == truth[..., None, :]).all(-1).any(-1) | torch.isin(signs(truth), signs(self.book))

    def _read_book(self) -> Tensor:
        """Return the keys (pages, code) of the book."""
        inked = F.embedding(self.book.long().clamp(max=self.config.colours), self.ink).flatten(1)
        read: Tensor = self.code(inked.to(self.dtype)) + self.page.to(self.dtype)
        return read

    def _sort_book(self) -> tuple[Tensor, Tensor]:
        """Return the signs (pages,) of the book in order, and which page each is of."""
        order, at = signs(self.book).sort()
        return order, at

    def _likeliest(self, options: Tensor, sources: Tensor) -> tuple[Tensor, Tensor]:
        """Return the likeliest whole contents (n, pixels), and which cells (n,) show none of the known ones.

        Options that hold the same content count together.
        """
        n, s, _ = sources.shape
        told = options.softmax(1)
        shown, pages = told[:, 1 : 1 + s], told[:, 1 + s :]
        held, (order, at) = signs(sources), self._order or self._sort_book()
        place = at[torch.searchsorted(order, held).clamp(max=len(at) - 1)]  # (n, s) page of the same content, if any
        same = self.book[place] == sources
        paged = same.all(-1)
        alike = held[:, :, None] == held[:, None]
        together = (alike * shown[:, None]).sum(-1) + paged * pages.gather(1, place)
        pages = pages.scatter_add(1, place, shown * paged)
        both = torch.cat([together.masked_fill(sources[..., 0] == self.config.colours, 0.0), pages], 1)
        best, which = both.max(1)
        rows = torch.arange(n, device=sources.device)
        cells = torch.where(
            (which < s)[:, None], sources[rows, which.clamp(max=s - 1)], self.book[(which - s).clamp(min=0)].long()
        )
        return cells, told[:, 0] > best

    def draw(self, drawn: Drawn, seen: Seen, rows: Tensor) -> Tensor:
        """Draw some cells pixel by pixel.

        Args:
            rows: (n, 3) player, row and column of every cell.

        Returns:
            (n, colours + sources + INKS, cell * cell) logits of the options of every pixel; one that holds nothing has
            a logit of -inf.
        """
        config, dtype, c = self.config, self.dtype, self.config.cell
        b, y, x = rows.unbind(1)
        about = torch.cat([drawn.features[b, :, y, x], drawn.cond[b]], 1)
        known = sources_of(seen, rows)
        sources = with_inks(known, seen, b)
        inked = F.embedding(sources, self.ink).permute(0, 1, 3, 2).flatten(1, 2)  # (n, (s + INKS) * emb, pixels)
        split = known.shape[1] * config.emb
        sketch = self.plan(about).view(len(rows), 8, c * c)
        corner = (torch.stack([x, y], 1) + seen.corner[b]) * c
        at = corner[:, None] + _square(c, rows.device)
        stamps = [stamp(self.close[i], at - seen.places[b, i, None]).permute(0, 2, 1) for i in range(3)]
        parts = torch.cat(
            [
                *(inked[:, :split].to(dtype), *(s.to(dtype) for s in stamps), sketch),
                *(path_nearness(at, seen.places[b]).to(dtype), inked[:, split:].to(dtype)),
            ],
            1,
        )
        h = self.enter(parts.view(len(rows), parts.shape[1], c, c).contiguous(memory_format=torch.channels_last))
        h = self.fine(h, F.silu(self.told(about)))
        logits: Tensor = self.leave(F.silu(h)).flatten(2).float()
        absent = F.pad(sources == config.colours, (0, 0, config.colours, 0))
        return logits.masked_fill(absent, -torch.inf)

    def _condition(self, seen: Seen) -> Tensor:
        """Return (b, cond): the actions together with what lies under the pointer."""
        cell, dtype = self.config.cell, self.dtype
        moved = torch.cat([seen.shift.float() / cell, (seen.shift != 0).any(1, keepdim=True).float()], 1)
        acted = self.know(torch.cat([seen.actions.flatten(1), moved], 1).to(dtype))
        inside = (seen.places[:, 0] % cell).float() / cell - 0.5
        under = self.under(torch.cat([F.embedding(seen.near, self.ink).flatten(1), inside], 1).to(dtype))
        begins = self.code(F.embedding(seen.begins.int(), self.ink).flatten(3).to(dtype)).flatten(1)
        idea: Tensor = self.idea(torch.cat([seen.facts.to(dtype), begins], 1))
        mixed: Tensor = self.mix(torch.cat([acted, under, self._colours(seen).to(dtype)], 1))
        return mixed + idea

    def _colours(self, seen: Seen) -> Tensor:
        """Return (b, colours): the root of the share that every colour has in the picture."""
        k, now = self.config.colours, seen.sources[:, :, :, 0].flatten(1).clamp(max=self.config.colours - 1).long()
        counted = torch.zeros(len(now), k, device=now.device)
        counted.scatter_add_(1, now, torch.ones((), device=now.device).expand(now.shape))
        return (counted / now.shape[1]).sqrt()

    def _inputs(self, seen: Seen) -> Tensor:
        """Return (b, channels, rows, columns): colours of now, of what is carried and remembered; ages; places."""
        config = self.config
        looks = [0, 1, *range(1 + CARRIED, 1 + CARRIED + config.looks)]
        inked = F.embedding(seen.sources[:, :, :, looks].int(), self.ink).flatten(3)
        age = F.one_hot(seen.age, AGES)
        cells = self._cells(seen)
        where = torch.cat([F.one_hot(cells[..., 1], config.grid[0]), F.one_hot(cells[..., 0], config.grid[1])], -1)
        away = (config.cell * cells + config.cell // 2)[:, :, :, None] - seen.places[:, None, None]  # (b, r, c, 3, 2)
        apart = away.float() / config.width_px
        bump = torch.exp(-apart.square().sum(-1) * (config.width_px / 12) ** 2)
        maps = torch.cat([apart.flatten(3), bump, self._path(cells, seen.places)], -1)
        return torch.cat([inked, age.to(inked), where.to(inked), maps], -1).permute(0, 3, 1, 2)

    def _path(self, cells: Tensor, places: Tensor) -> Tensor:
        """Return (b, rows, columns, 2): how near to cells the pointer came in this tick, and how much of each it met.

        Args:
            cells: (b, rows, columns, 2) column and row of each.
        """
        b, rows, columns, _ = cells.shape
        every_other = 2 * _square(self.config.cell // 2, cells.device)  # no way passes between them
        at = self.config.cell * cells.flatten(0, 2)[:, None] + every_other
        near, met = path_nearness(at, places.repeat_interleave(rows * columns, 0)).unbind(1)
        return torch.stack([near.amax(1), met.mean(1)], 1).view(b, rows, columns, 2)

    def _pointer(self, seen: Seen) -> Tensor:
        """Return (b, c, rows, columns): the stamps of the three places, as the corners of cells see them."""
        corner = self.config.cell * self._cells(seen)
        stamps = [stamp(self.around[i], corner - seen.places[:, None, None, i]) for i in range(3)]
        return (stamps[0] + stamps[1] + stamps[2]).permute(0, 3, 1, 2)

    def _cells(self, seen: Seen) -> Tensor:
        """Return (b, rows, columns, 2): column and row of every cell in the whole picture."""
        _, rows, columns = seen.age.shape
        step = (torch.arange(n, device=seen.age.device) for n in (columns, rows))
        return torch.stack(torch.meshgrid(*step, indexing="xy"), -1) + seen.corner[:, None, None]


class Attention(nn.Module):
    """Self-attention among the places of a small picture, added to it."""

    def __init__(self, c: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ask, self.out = Linear(c, 3 * c), Linear(c, c, gain=0.3)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, c, h, w) to the same shape."""
        b, c, h, w = x.shape
        rows = F.layer_norm(x.permute(0, 2, 3, 1).reshape(b, h * w, c), (c,))
        q, k, v = self.ask(rows).view(b, h * w, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        heard = (q @ k.transpose(2, 3) * (c // self.heads) ** -0.5).softmax(-1)  # quicker here than the fused kernel
        mixed = (heard @ v).transpose(1, 2).reshape(b, h * w, c)
        told: Tensor = self.out(mixed).view(b, h, w, c).permute(0, 3, 1, 2)
        return x + told


def sources_of(seen: Seen, rows: Tensor) -> Tensor:
    """Return (n, s, pixels) int64: what cells ``rows`` (n, 3) can show without being drawn, the book aside."""
    b, y, x = rows.unbind(1)
    return torch.cat([seen.sources[b, y, x], seen.foreseen[b, y, x][:, None]], 1).long()


def with_inks(sources: Tensor, seen: Seen, players: Tensor) -> Tensor:
    """Return (n, s + INKS, pixels): what pixels of cells of ``players`` (n,) can be, the colours of a pointer too."""
    inks = seen.inks[players][..., None].expand(-1, -1, sources.shape[-1])
    return torch.cat([sources, inks], 1)


def _square(side: int, device: torch.device) -> Tensor:
    """Return (pixels, 2): x and y of the pixels of a cell."""
    step = torch.arange(side, device=device)
    return torch.stack(torch.meshgrid(step, step, indexing="xy"), -1).view(-1, 2)


def path_nearness(at: Tensor, places: Tensor) -> Tensor:
    """Return (n, 2, pixels): how near pixels ``at`` (n, pixels, 2) are to the way of the pointer in this tick."""
    at, a, b = at.float(), places[:, None, 1].float(), places[:, None, 0].float()
    way = b - a
    along = ((at - a) * way).sum(-1) / way.square().sum(-1).clamp_min(1e-6)
    far = (at - a - along.clamp(0, 1)[..., None] * way).abs().amax(-1)
    return torch.stack([1 - (far / 2).clamp(0, 2), (far <= 1.5).float()], 1)


def chosen(logits: Tensor, sources: Tensor, colours: int) -> Tensor:
    """Return the likeliest colour (n, pixels) of every pixel: options that hold the same colour count together."""
    chance = logits.softmax(1)
    held = sources.clamp(max=colours - 1)
    return chance[:, :colours].scatter_add(1, held, chance[:, colours:]).argmax(1)


def surprise(logits: Tensor, sources: Tensor, truth: Tensor, colours: int) -> Tensor:
    """Return (n, pixels): minus the log of the chance that the true colour (n, pixels) is chosen."""
    right = torch.cat([F.one_hot(truth, colours).permute(0, 2, 1).bool(), sources == truth[:, None]], 1)
    return logits.logsumexp(1) - logits.masked_fill(~right, -torch.inf).logsumexp(1)


def count_flop(net: MosaicNet, cells: int) -> float:
    """Return the floating-point operations of a tick in which ``cells`` cells are drawn (a multiply-add is two)."""
    from torch.utils.flop_counter import FlopCounterMode

    config = net.config
    rows, columns = config.grid
    sources = torch.zeros(1, rows, columns, config.sources, config.cell**2, dtype=torch.uint8)
    two, near = torch.zeros(1, 2, dtype=torch.long), (2 * NEAR + 1) ** 2
    seen = Seen(
        *(sources, sources[:, :, :, 0, 0].long(), two, sources[:, 0, :1, 0].long().expand(-1, near, -1)),
        torch.zeros(1, INKS, dtype=torch.long),
        *(torch.zeros(1, config.action_ticks, config.actions), two[:, None].expand(-1, 3, -1), two),
        *(sources[:, :, :, 0], sources[:, :, :, 0, 0]),
        *(torch.zeros(1, FACTS), sources[:, :1, :MARKS, 0].expand(-1, 3, -1, -1)),
    )
    marks = torch.zeros(1, IDEAS, MARKS, dtype=torch.long)
    moment = Moment(
        *(torch.ones(1, IDEAS, FACTS), marks, marks[:, 0, :1].expand(-1, near), seen.places[:, 0].float()),
        *(seen.actions, seen.near[0, :1].to(torch.uint8)),
    )
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.weigh(moment)
        net.draw(net.look(seen), seen, torch.zeros(cells, 3, dtype=torch.long))
    return float(counter.get_total_flops())

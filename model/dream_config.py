"""The shape of the built-in model's net: a frozen dataclass, as it stands in every checkpoint's card."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NetConfig:
    """The shape of the net. Frozen into the card of every checkpoint."""

    height_px: int = 96
    width_px: int = 128
    actions: int = 9  # length of the action vector
    ages: tuple[int, ...] = (
        1,
        2,
        4,
        8,
    )  # the frames it sees, in ticks before the one it draws; must begin with 1
    action_ticks: int = 4  # how many of the latest actions it sees
    fold: int = 4  # pixels of one side that are folded into channels
    widths: tuple[int, ...] = (64, 128, 256)  # channels at 1/4, 1/8, 1/16
    down: tuple[int, ...] = (1, 1, 3)  # residual blocks on the way down, per width
    up: tuple[int, ...] = (2, 2, 0)  # residual blocks on the way up, per width
    refine: int = 2  # residual blocks that see the composed picture
    cond: int = 128  # width of the condition made of actions and noise level
    noise: int = 4  # channels of noise, so that what is unseen can be drawn and not averaged
    warp: bool = True  # fetch pixels from the last frame by a flow (off: the ablation)
    warp_mode: str = "bicubic"
    pages: int = 0  # remembered frames that it sees beside the last ones (0: no memory, and no pose)
    fov_deg: float = 90.0  # of the world's camera, across
    lens: float = 1.6  # focal length over half the height: how far a tilt moves the horizon
    reach: float = 128.0  # map units that count as one
    stride: float = 16.0  # map units of the longest step of one tick
    tilt_limit_deg: float = 25.0
    girth: float = 16.0  # map units from a player's middle to what stops it
    low: float = 17.0  # map units below the eye: over what is no higher a player steps
    high: float = 15.0  # map units above the eye: under what is higher a player passes
    depth: bool = False  # pages are laid as far away as they show things, and the last frame is one of them
    setting_out: float = 0.0  # how much more the last frame, moved as its depth says, is liked by who is setting out
    wearing: float = 0.0  # how much a source is liked for every resampling that it is less worn by (model/wear.py)
    prefix: int = 256  # ticks of true history that a scene should bring, to be remembered

    @property
    def context(self) -> int:
        """How many past frames must be kept."""
        return max(self.ages)

    @property
    def laid(self) -> int:
        """How many pictures are laid into the view: the pages, and with depth the last frame before them."""
        return self.pages + 1 if self.pages and self.depth else self.pages

    @property
    def wears(self) -> bool:
        """Whether it is told how worn pictures are."""
        return bool(self.pages and self.depth and self.wearing)

    @property
    def history(self) -> int:
        """How many true frames a scene should bring."""
        return max(self.prefix, self.context) if self.pages else self.context

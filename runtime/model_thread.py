"""Runs a world model on a thread of its own, so that a slow step never makes the input deaf.

torch releases Python's lock while it computes; meanwhile the calling thread (the one with the window) looks
at the devices every 4 ms. Everything that touches the model goes through here: it lives on one thread, from
its opening to its end, and no other thread should compute with torch. Each that does gets a team of processor threads
of its own; with more of them than cores all go to sleep after every operation, and a step takes half as long again.
Knows nothing about windows: it is handed a function to call while it waits.
"""

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np

from dreamloop.input.errors import DreamloopError
from dreamloop.model.failure import in_words
from dreamloop.model.stage import Chain
from dreamloop.model.world_model import Action, Frame, ModelState, Prepared, Scene, WorldModel
from dreamloop.runtime.pacer import PUMP_S
from dreamloop.runtime.stamps import Stopwatch

T = TypeVar("T")
TAKEN_S = 0.01  # in which a caller who still waits for a result has noticed that it is there
GRACE_ROUNDS = 1250  # looks at the devices (about 5 s) that a closed window still waits for a model that is busy


class WindowClosedError(Exception):
    """The window was closed while the model was busy, and the model did not come back: nobody wants its answer."""


class _Job:
    """Work for the model's thread, and how it ended."""

    def __init__(self, work: Callable[[], Any], then: Callable[[], None] | None = None) -> None:
        self.work, self.then = work, then
        self.done, self.taken = threading.Event(), threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self.work()
        except BaseException as error:  # noqa: BLE001 (handed to the caller, who raises it)
            self.error = error
        self.done.set()


class ModelThread:
    """One player's model behind a thread.

    Args:
        build: opens the model; runs on the thread.
        idle: called every 4 ms while the caller waits; returns False when nobody wants the answer any more.
        stopwatch: told when each step starts and ends.
    """

    def __init__(self, build: Callable[[], WorldModel], idle: Callable[[], bool], stopwatch: Stopwatch) -> None:
        self._idle = idle
        self._stopwatch = stopwatch
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._rests = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dreamloop-model", daemon=True)
        self._thread.start()
        try:
            self._model: WorldModel = self.call(build)
        except BaseException:
            self.close()
            raise

    @property
    def model(self) -> WorldModel:
        """The model itself, for what does not touch its state: the card."""
        return self._model

    def call(self, work: Callable[[], T], then: Callable[[], None] | None = None) -> T:
        """Run ``work`` on the model's thread, look after the devices until it is done, and return its result.

        ``then`` runs on that thread too, while the caller goes on with the result.

        Raises:
            ModelError: the model failed, in one sentence.
            WindowClosedError: the window was closed and the model did not come back.
        """
        job = _Job(work, then)
        self._rests.clear()
        self._jobs.put(job)
        rounds_left = GRACE_ROUNDS
        while not job.done.wait(PUMP_S):
            if not self._idle():
                rounds_left -= 1
            if rounds_left <= 0:
                raise WindowClosedError
        job.taken.set()
        if job.error is None:
            result: T = job.result
            return result
        if isinstance(job.error, DreamloopError) or not isinstance(job.error, Exception):
            raise job.error
        raise in_words(job.error) from job.error

    def step(self, action: Action) -> Frame:
        """Take one tick with ``action`` (a,) and return the frame (h, w, 3) that shows it."""

        actions = np.array(action[np.newaxis], np.float32)  # a copy: the caller may go on writing into its own

        def work() -> Frame:
            with self._stopwatch.model():
                frame: Frame = self._model.step(actions)[0]
            return frame

        return self.call(work, self._prepare)

    def rests(self, wait_s: float) -> bool:
        """Wait so long, in seconds, until the model has nothing to do, and say whether it has."""
        return self._rests.wait(wait_s)

    def _prepare(self) -> None:
        """Let the model do beforehand what it can; what fails here fails again in the step, which tells it."""
        with suppress(Exception):
            if isinstance(self._model, Prepared):
                self._model.prepare()
        self._stopwatch.ready()

    def reset(self, scene: Scene | None, seed: int) -> Frame:
        """Start over and return the first frame."""
        return self.call(lambda: self._model.reset(0, scene, seed), self._prepare)

    def own_frame(self, shown: Frame) -> Frame:
        """Return the frame that decides the future behind the one that is ``shown`` now: without stages, that one."""
        return self._model.decided(0) if isinstance(self._model, Chain) else shown

    def draw(self, frame: Frame) -> Frame:
        """Return a frame (h, w, 3) of the dynamics' as the stages draw it."""
        chain = self._model
        if not isinstance(chain, Chain):
            return frame
        drawn: Frame = self.call(lambda: chain.draw(frame[np.newaxis])[0])
        return drawn

    def save(self) -> ModelState:
        """Return everything that decides the future."""
        return self.call(lambda: self._model.save(0))

    def load(self, state: ModelState) -> Frame:
        """Go back to ``state`` and return the frame that was showing."""
        return self.call(lambda: self._model.load(0, state), self._prepare)

    def close(self) -> None:
        """Let the thread end; a model that is stuck in a step is left behind."""
        self._jobs.put(None)
        self._thread.join(timeout=0.5)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._rests.clear()
            job.run()
            if job.then is not None:
                job.taken.wait(TAKEN_S)  # else it keeps the caller from the processor
                job.then()
            if self._jobs.empty():
                self._rests.set()

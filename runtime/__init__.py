"""What happens while someone plays: command line, session, loop, window, HUD, clock, recorder, replay."""

import os

# Before torch is there, which reads it once. Its processor threads wait for work by turning on the spot, on two cores
# for several milliseconds: in the way of the thread that shows the frame. As long as a step's own pauses is enough.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "30000")

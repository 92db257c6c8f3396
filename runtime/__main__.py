"""``python -m dreamloop.runtime`` is the command ``dreamloop``."""

from dreamloop.runtime.cli import main

main()

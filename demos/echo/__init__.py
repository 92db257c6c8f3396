"""The echo world: data only. It shows what the player does, and nothing else; no weights, no simulator."""

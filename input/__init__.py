"""What the player does, as one vector per tick: sources, polling, action schemas, speech."""

"""The desk world: a little desktop, its scripted user, and how a dream of it is judged."""

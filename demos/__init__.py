"""The worlds, each a folder of data. Nobody imports this room: worlds are found on disk or through entry points."""

"""What happens while someone plays: command line, session, loop, window, HUD, clock, recorder, replay."""

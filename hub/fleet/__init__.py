"""The fleet: every room as its record tells it, and what is sent to it."""

"""Simulated boards: one process per board on a pty that any program can open.

They speak through the board's side of the codecs in `protocols.wire`, keep their state over a kill,
and misbehave when told to.
"""

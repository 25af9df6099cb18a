"""Serial codecs of the boards in a room, both sides of each, without input or output.

One file per board. A decoder offers `receive_data(bytes) -> list[event]`, `flush()` for a line
that went quiet, and `dropped_bytes`, a count that rises with a bad cable. It never raises on what
the line brings. The board's side exists for the simulators and for anybody who builds a board.
"""

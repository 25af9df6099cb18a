"""Recording: what rooms sent becomes rows, once, in order, as the bytes they wrote (WIRE §5)."""

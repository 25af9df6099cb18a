"""The log over everything that was recorded: one tree, checkpoints, witnesses, proofs."""

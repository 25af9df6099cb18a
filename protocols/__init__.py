"""What edge and hub must agree on: serial codecs, messages, rules, evidence.

Pure: standard library only, no input or output, no clock, no randomness. Time, entropy and fast
cryptography come in as arguments, so a rule can be replayed exactly years later.
"""

"""The MQTT contract between room and hub: identities, signed messages, events, acks, orders.

Pure: standard library only, no I/O, clock or randomness. Time, entropy, signing and
signature checks come in as arguments.
"""

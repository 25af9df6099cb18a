"""One driver per board: a port plus a codec, one owner thread per port.

A driver turns what a board says into `edge.devices.Reading`s and never knows another driver.
"""

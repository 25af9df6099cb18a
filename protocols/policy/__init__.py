"""The rules of remote off-site evaluation as pure functions and data.

Time, calendars and packs come in as arguments. Software proposes, counts and records here; it
never decides (DESIGN §2, G6).
"""

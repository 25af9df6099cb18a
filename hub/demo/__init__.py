"""The demonstration: one evaluation day on this machine, every part a process of its own.

`supervise` keeps the processes alive, `people` invents the members, `clients` are the hands that
people have (a browser at the hub, a room's screen, a card, a locker door), `script` is the day,
`judge` says whether it ended as it must, `cli` is the command.
"""

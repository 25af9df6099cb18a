"""The room's own screen: a touch page on loopback that works without any hub."""

"""The hub: books stations, records what rooms write, runs the contingency cases, keeps the archive."""

"""The hub: books stations, records what rooms write, runs contingency cases, keeps the archive."""

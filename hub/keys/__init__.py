"""Keys: whose the hub holds, and how one is used for one act behind its holder's secret."""

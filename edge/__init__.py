"""The room controller: keeps lockers, reads cards, watches seats, power and network, records."""

"""The room's rules by subject; `edge.room` joins them. Pure, like `protocols`."""

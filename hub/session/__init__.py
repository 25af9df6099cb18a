"""A running session as all its venues see it: view, orders, statements, timeline."""

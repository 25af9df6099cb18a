"""The hub's console: pages, their words, the live stream, and the web application."""

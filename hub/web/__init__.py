"""The hub's console: pages, their words, the stream that keeps them live, and the web application."""

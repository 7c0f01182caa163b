"""The demo: `actions` edits, `worker` keeps that in a process of its own, `page` shows it; `serving` serves it."""

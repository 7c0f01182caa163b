"""Shared by the project's pages: their look, and the options with which they are served."""

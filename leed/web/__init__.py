"""What every page of the project shares: its look, and how it is served."""

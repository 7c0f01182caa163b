"""The command `leed`: `main` finds the subcommand, each of which is a module here."""

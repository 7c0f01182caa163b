"""What ends a command before it begins."""


class UsageError(ValueError):
    """A command cannot run as it was called; the message is one sentence for the person who called it."""

"""The one error that a user is meant to see."""


class AsgdError(Exception):
    """Bad input or a failed outside resource. The message is one line: what is wrong, where, and what to do."""

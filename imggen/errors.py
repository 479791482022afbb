"""The error that users are meant to read."""


class UserError(Exception):
    """Bad input. The message is one sentence that names the file or option and the cure.

    Entry points print it without a traceback and exit with status 1.
    """

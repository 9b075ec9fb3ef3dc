"""The one exception for faults that a user can fix."""


class UsageError(ValueError):
    """A fault in what the user gave: the message is one line with the file, the value, and the remedy.

    Tools print it as one line; everything else that is raised is a defect of ours and keeps its traceback.
    """

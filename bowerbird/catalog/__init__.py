"""What has relations: users, boards, pins, saves, sessions, tokens. SQL written once, one module a noun.

Every function takes a SQLAlchemy `Connection` first, from `Database.read()` or `Database.write()`.
A `viewer` is a user's id, or None for someone who is not logged in. Text that is too long for its
column or empty where it must not be raises `ValueError` with a message fit for the person who typed it.
"""


class NotFound(LookupError):
    """There is no such thing, or none that this viewer may know of."""


class Taken(ValueError):
    """Someone else has that name."""


class Forbidden(PermissionError):
    """This user may see it, but may not do that."""


class WrongSchema(RuntimeError):
    """This database's tables are not those this Bowerbird works with; the message says what to do."""

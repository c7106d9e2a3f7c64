"""The tables. A pin shows an image; a save puts a pin on a board; who sees a pin is `pins.seen_by`."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives row ids to INTEGER keys only.
Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


# Seconds since 1970. MySQL's FLOAT has half as many bits as others', enough for two minutes.
Time = sa.Float().with_variant(sa.Double(), "mysql")


def key() -> sa.Column[int]:
    return sa.Column("id", Id, primary_key=True, autoincrement=True)


def ref(name: str, target: str, **more: object) -> sa.Column[int]:
    return sa.Column(name, Id, sa.ForeignKey(f"{target}.id", ondelete="CASCADE"), nullable=False, **more)  # type: ignore[arg-type]


users = sa.Table(
    "users",
    metadata,
    key(),
    sa.Column("username", sa.String(30), nullable=False, unique=True),  # lower case
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("about", sa.String(500), nullable=False, default=""),
    sa.Column("role", sa.String(10), nullable=False),
    sa.Column("password", sa.String(200), nullable=False),  # argon2id
    sa.Column("disabled", sa.Boolean, nullable=False, default=False),
    sa.Column("created_at", Time, nullable=False),
    sqlite_autoincrement=True,
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),  # SHA-256 of the cookie
    ref("user_id", "users", index=True),
    sa.Column("csrf", sa.String(64), nullable=False),
    sa.Column("created_at", Time, nullable=False),
    sa.Column("expires_at", Time, nullable=False, index=True),
)

tokens = sa.Table(
    "tokens",
    metadata,
    key(),
    ref("user_id", "users", index=True),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),  # SHA-256 of the token
    sa.Column("scopes", sa.String(80), nullable=False),  # space-separated
    sa.Column("created_at", Time, nullable=False),
    sa.Column("expires_at", Time, nullable=False),
    sa.Column("used_at", Time, nullable=False, default=0.0),
    sqlite_autoincrement=True,
)

images = sa.Table(
    "images",
    metadata,
    key(),
    sa.Column("sha256", sa.String(64), nullable=False, unique=True),
    sa.Column("media", sa.String(40), nullable=False, unique=True),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("step", sa.String(30), nullable=False, default=""),
    sa.Column("error", sa.String(500), nullable=False, default=""),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("tags", sa.String(500), nullable=False, default=""),  # names, space-separated, for word search
    sa.Column("created_at", Time, nullable=False),
    sa.Column("touched_at", Time, nullable=False),  # last change of state or hand-over to the queue
    sa.Column("original", sa.String(100), nullable=False, default="", server_default=""),  # its key in `Blobs`
    sa.Index("ix_images_state_touched", "state", "touched_at"),
    sqlite_autoincrement=True,  # an id is never used again: the vector index may still hold a removed one
)

pins = sa.Table(
    "pins",
    metadata,
    key(),
    ref("user_id", "users"),
    ref("image_id", "images"),
    sa.Column("title", sa.String(200), nullable=False, default=""),
    sa.Column("description", sa.String(2000), nullable=False, default=""),
    sa.Column("link", sa.String(2000), nullable=False, default=""),
    sa.Column("alt", sa.String(500), nullable=False, default=""),
    sa.Column("secret", sa.Boolean, nullable=False, default=False),
    sa.Column("ready", sa.Boolean, nullable=False, default=False),  # its image's, so that a wall skips no backlog
    sa.Column("saves", sa.Integer, nullable=False, default=0),  # on open boards
    sa.Column("created_at", Time, nullable=False),
    sa.UniqueConstraint("user_id", "image_id"),  # the same picture twice from one person is one pin
    sa.Index("ix_pins_image", "image_id", "secret"),
    sa.Index("ix_pins_user", "user_id", "ready", "id"),
    sa.Index("ix_pins_wall", "ready", "id"),
    sqlite_autoincrement=True,
)

boards = sa.Table(
    "boards",
    metadata,
    key(),
    ref("user_id", "users"),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("slug", sa.String(100), nullable=False),
    sa.Column("description", sa.String(500), nullable=False, default=""),
    sa.Column("secret", sa.Boolean, nullable=False, default=False),
    sa.Column("created_at", Time, nullable=False),
    sa.UniqueConstraint("user_id", "slug"),
    sqlite_autoincrement=True,
)

members = sa.Table(
    "members",
    metadata,
    ref("board_id", "boards", primary_key=True),
    ref("user_id", "users", primary_key=True, index=True),
    sa.Column("created_at", Time, nullable=False),
)

saves = sa.Table(
    "saves",
    metadata,
    ref("board_id", "boards", primary_key=True),
    ref("pin_id", "pins", primary_key=True),
    ref("user_id", "users", index=True),
    sa.Column("saved_at", Time, nullable=False),
    sa.Index("ix_saves_board", "board_id", "saved_at", "pin_id"),
    sa.Index("ix_saves_pin", "pin_id", "user_id"),
)

remains = sa.Table(  # of images whose row is gone: what is still to be removed, written with the end of the row
    "remains",
    metadata,
    sa.Column("image_id", Id, primary_key=True, autoincrement=False),
    sa.Column("media", sa.String(40), nullable=False),
    sa.Column("original", sa.String(100), nullable=False),
)

fetches = sa.Table(  # an upload by URL before its bytes are here
    "fetches",
    metadata,
    key(),
    ref("user_id", "users", index=True),
    sa.Column("url", sa.String(2000), nullable=False),
    sa.Column("form", sa.Text, nullable=False),  # JSON of the pin to be made: title, description, link, board_id
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("error", sa.String(500), nullable=False, default=""),
    sa.Column("pin_id", Id, sa.ForeignKey("pins.id", ondelete="SET NULL"), nullable=True),
    sa.Column("created_at", Time, nullable=False),
    sa.Column("touched_at", Time, nullable=False, index=True),
    sqlite_autoincrement=True,
)

follows = sa.Table(
    "follows",
    metadata,
    ref("follower_id", "users", primary_key=True),
    ref("user_id", "users", primary_key=True, index=True),
    sa.Column("created_at", Time, nullable=False),
)

board_follows = sa.Table(
    "board_follows",
    metadata,
    ref("follower_id", "users", primary_key=True),
    ref("board_id", "boards", primary_key=True, index=True),
    sa.Column("created_at", Time, nullable=False),
)

"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Time = sa.Float().with_variant(sa.Double(), "mysql")


def upgrade() -> None:
    op.create_table(
        "images",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("media", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("step", sa.String(length=30), nullable=False),
        sa.Column("error", sa.String(length=500), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("tags", sa.String(length=500), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("touched_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_images")),
        sa.UniqueConstraint("media", name=op.f("uq_images_media")),
        sa.UniqueConstraint("sha256", name=op.f("uq_images_sha256")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_images_state_touched", "images", ["state", "touched_at"], unique=False)
    op.create_table(
        "users",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("username", sa.String(length=30), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("about", sa.String(length=500), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("password", sa.String(length=200), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("username", name=op.f("uq_users_username")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "boards",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("slug", sa.String(length=100), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=False),
        sa.Column("secret", sa.Boolean(), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_boards_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_boards")),
        sa.UniqueConstraint("user_id", "slug", name=op.f("uq_boards_user_id_slug")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "follows",
        sa.Column("follower_id", Id, nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.ForeignKeyConstraint(["follower_id"], ["users.id"], name=op.f("fk_follows_follower_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_follows_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("follower_id", "user_id", name=op.f("pk_follows")),
    )
    op.create_index(op.f("ix_follows_user_id"), "follows", ["user_id"], unique=False)
    op.create_table(
        "pins",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("image_id", Id, nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=2000), nullable=False),
        sa.Column("link", sa.String(length=2000), nullable=False),
        sa.Column("alt", sa.String(length=500), nullable=False),
        sa.Column("secret", sa.Boolean(), nullable=False),
        sa.Column("ready", sa.Boolean(), nullable=False),
        sa.Column("saves", sa.Integer(), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_pins_image_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_pins_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pins")),
        sa.UniqueConstraint("user_id", "image_id", name=op.f("uq_pins_user_id_image_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_pins_image", "pins", ["image_id", "secret"], unique=False)
    op.create_index("ix_pins_user", "pins", ["user_id", "ready", "id"], unique=False)
    op.create_index("ix_pins_wall", "pins", ["ready", "id"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("csrf", sa.String(length=64), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("expires_at", Time, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_expires_at"), "sessions", ["expires_at"], unique=False)
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"], unique=False)
    op.create_table(
        "tokens",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.String(length=80), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("expires_at", Time, nullable=False),
        sa.Column("used_at", Time, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_tokens_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_tokens_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_tokens_user_id"), "tokens", ["user_id"], unique=False)
    op.create_table(
        "fetches",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("error", sa.String(length=500), nullable=False),
        sa.Column("pin_id", Id, nullable=True),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("touched_at", Time, nullable=False),
        sa.ForeignKeyConstraint(["pin_id"], ["pins.id"], name=op.f("fk_fetches_pin_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_fetches_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fetches")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_fetches_touched_at"), "fetches", ["touched_at"], unique=False)
    op.create_index(op.f("ix_fetches_user_id"), "fetches", ["user_id"], unique=False)
    op.create_table(
        "members",
        sa.Column("board_id", Id, nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.ForeignKeyConstraint(["board_id"], ["boards.id"], name=op.f("fk_members_board_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_members_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("board_id", "user_id", name=op.f("pk_members")),
    )
    op.create_index(op.f("ix_members_user_id"), "members", ["user_id"], unique=False)
    op.create_table(
        "saves",
        sa.Column("board_id", Id, nullable=False),
        sa.Column("pin_id", Id, nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("saved_at", Time, nullable=False),
        sa.ForeignKeyConstraint(["board_id"], ["boards.id"], name=op.f("fk_saves_board_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["pin_id"], ["pins.id"], name=op.f("fk_saves_pin_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_saves_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("board_id", "pin_id", name=op.f("pk_saves")),
    )
    op.create_index("ix_saves_board", "saves", ["board_id", "saved_at", "pin_id"], unique=False)
    op.create_index(op.f("ix_saves_pin_id"), "saves", ["pin_id"], unique=False)
    op.create_index(op.f("ix_saves_user_id"), "saves", ["user_id"], unique=False)
    make_index_of_words()


def make_index_of_words() -> None:
    """See `catalog/words`."""
    if op.get_context().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE words USING fts5(title, description, boards, tags, "
            "tokenize = 'porter unicode61 remove_diacritics 2', prefix = '1 2 3')"
        )
        return
    op.create_table(
        "words_terms",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("term", sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql"), nullable=False),
        sa.Column("pins", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_words_terms")),
        sa.UniqueConstraint("term", name=op.f("uq_words_terms_term")),
    )
    op.create_table(
        "words",
        sa.Column("term_id", Id, autoincrement=False, nullable=False),
        sa.Column("pin_id", Id, nullable=False),
        sa.Column("weight", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("term_id", "pin_id", name=op.f("pk_words"), postgresql_include=["weight"]),
    )
    op.create_index(op.f("ix_words_pin_id"), "words", ["pin_id"], unique=False)

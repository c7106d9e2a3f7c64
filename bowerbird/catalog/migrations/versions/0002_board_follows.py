"""Boards that people follow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Time = sa.Float().with_variant(sa.Double(), "mysql")


def upgrade() -> None:
    op.create_table(
        "board_follows",
        sa.Column("follower_id", Id, nullable=False),
        sa.Column("board_id", Id, nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.ForeignKeyConstraint(
            ["follower_id"], ["users.id"], name=op.f("fk_board_follows_follower_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["board_id"], ["boards.id"], name=op.f("fk_board_follows_board_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("follower_id", "board_id", name=op.f("pk_board_follows")),
    )
    op.create_index(op.f("ix_board_follows_board_id"), "board_follows", ["board_id"], unique=False)

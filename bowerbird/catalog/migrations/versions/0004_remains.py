"""An original has a key of its own, never used again; what is left of images whose row is gone is written down."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "remains",
        sa.Column("image_id", Id, autoincrement=False, nullable=False),
        sa.Column("media", sa.String(length=40), nullable=False),
        sa.Column("original", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_remains")),
    )
    op.add_column("images", sa.Column("original", sa.String(length=100), nullable=False, server_default=""))

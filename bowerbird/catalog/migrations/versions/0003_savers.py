"""Whether someone has saved a pin is read off an index, however many others have."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_saves_pin", "saves", ["pin_id", "user_id"], unique=False)
    op.drop_index(op.f("ix_saves_pin_id"), table_name="saves")

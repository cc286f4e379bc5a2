"""Questions to people, and calls with effects.

Revision: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "approvals",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("run_id", sa.String(120), nullable=False),
        sa.Column("session_id", sa.String(140), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.String(40), nullable=False),
        sa.Column("verdict", sa.String(16)),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("answered_at", sa.String(40)),
    )
    op.create_index("ix_approvals_run_id", "approvals", ["run_id"])
    op.create_index("ix_approvals_session_id", "approvals", ["session_id"])
    op.create_table(
        "effects",
        sa.Column("id", sa.String(220), primary_key=True),
        sa.Column("run_id", sa.String(120), nullable=False),
        sa.Column("tool", sa.String(200), nullable=False),
        sa.Column("begun_at", sa.String(40), nullable=False),
    )
    op.create_index("ix_effects_run_id", "effects", ["run_id"])


def downgrade() -> None:
    """Take it back."""
    op.drop_table("effects")
    op.drop_table("approvals")

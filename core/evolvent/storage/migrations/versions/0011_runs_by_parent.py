"""Runs are found by parent in the order of their time: a page deep in the list sorts nothing.

Revision: 0011
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_index("runs_by_parent", "runs", ["parent_id", "created_at"])
    op.drop_index("ix_runs_parent_id", "runs")


def downgrade() -> None:
    """Take it back."""
    op.create_index("ix_runs_parent_id", "runs", ["parent_id"])
    op.drop_index("runs_by_parent", "runs")

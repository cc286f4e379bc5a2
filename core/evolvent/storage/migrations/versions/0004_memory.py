"""Episodes in full, states and uses of lessons.

Revision: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("journal", sa.Column("request", sa.JSON()))
    op.add_column("lessons", sa.Column("state", sa.String(16), nullable=False, server_default="active"))
    op.create_index("ix_lessons_state", "lessons", ["state"])
    op.create_table(
        "lesson_uses",
        sa.Column("lesson_id", sa.String(80), primary_key=True),
        sa.Column("attempt_id", sa.String(140), primary_key=True),
        sa.Column("success", sa.Boolean(), nullable=False),
        sa.Column("at", sa.String(40), nullable=False),
    )
    op.create_table(
        "episodes",
        sa.Column("id", sa.String(140), primary_key=True),
        sa.Column("run_id", sa.String(120), nullable=False),
        sa.Column("task_id", sa.String(80), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.String(40), nullable=False),
    )
    op.create_index("ix_episodes_run_id", "episodes", ["run_id"])
    op.create_index("ix_episodes_task_id", "episodes", ["task_id"])


def downgrade() -> None:
    """Take it back."""
    op.drop_table("episodes")
    op.drop_table("lesson_uses")
    op.drop_index("ix_lessons_state", "lessons")
    op.drop_column("lessons", "state")
    op.drop_column("journal", "request")

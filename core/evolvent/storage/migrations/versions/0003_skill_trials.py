"""Trials of skills while they are in use.

Revision: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "skill_trials",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("attempt_id", sa.String(140), nullable=False),
        sa.Column("skill", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(16), nullable=False),
        sa.Column("task_id", sa.String(80), nullable=False),
        sa.Column("arm", sa.String(8), nullable=False),
        sa.Column("propensity", sa.Float(), nullable=False),
        sa.Column("score", sa.Float()),
        sa.Column("tokens", sa.Integer()),
        sa.Column("seconds", sa.Float()),
        sa.Column("created_at", sa.String(40), nullable=False),
        sa.UniqueConstraint("attempt_id", "skill", "digest", name="one_trial_an_attempt"),
    )
    op.create_index("trials_by_skill", "skill_trials", ["skill", "digest"])


def downgrade() -> None:
    """Take it back."""
    op.drop_table("skill_trials")

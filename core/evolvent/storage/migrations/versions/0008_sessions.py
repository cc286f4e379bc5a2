"""Sessions of the dashboard.

Revision: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "sessions",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("token_id", sa.String(16), nullable=False),
        sa.Column("ends_at", sa.Float(), nullable=False),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("sessions")

"""Evaluations keep a digest of the answer: who answers alike is not tested at the gate again.

Revision: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("evaluations", sa.Column("answered", sa.String(16), nullable=False, server_default=""))


def downgrade() -> None:
    """Take it back."""
    op.drop_column("evaluations", "answered")

"""Events are found by their kind: what is summed up of weeks of work is a small part of them.

Revision: 0009
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_index("events_by_kind", "events", ["kind", "id"])


def downgrade() -> None:
    """Take it back."""
    op.drop_index("events_by_kind", "events")

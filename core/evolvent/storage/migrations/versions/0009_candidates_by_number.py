"""Candidates are found by parent, variant, run or status without reading all of them.

Revision: 0009
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    for column in ("run_id", "parent", "variant"):
        op.drop_index(f"ix_candidates_{column}", "candidates")
    op.create_index("candidates_by_parent", "candidates", ["parent", "number"])
    op.create_index("candidates_by_variant", "candidates", ["variant", "number"])
    op.create_index("candidates_by_run", "candidates", ["run_id", "number"])
    op.create_index("candidates_by_status", "candidates", ["status", "variant", "number"])

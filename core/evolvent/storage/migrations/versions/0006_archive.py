"""The archive of agent programs.

Revision: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "variants",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(40), nullable=False, unique=True),
        sa.Column("tree", sa.String(40), nullable=False),
        sa.Column("parents", sa.JSON(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(120), nullable=False),
        sa.Column("operator", sa.String(64), nullable=False),
        sa.Column("hypothesis", sa.Text(), nullable=False),
        sa.Column("viable", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(40), nullable=False),
    )
    op.create_index("ix_variants_tree", "variants", ["tree"])
    op.create_index("ix_variants_run_id", "variants", ["run_id"])
    op.create_table(
        "candidates",
        sa.Column("key", sa.String(140), primary_key=True),
        sa.Column("number", sa.Integer(), nullable=False, unique=True),
        sa.Column("run_id", sa.String(120), nullable=False),
        sa.Column("parent", sa.String(40), nullable=False),
        sa.Column("operator", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("hypothesis", sa.Text(), nullable=False),
        sa.Column("variant", sa.String(40), nullable=False),
        sa.Column("changed", sa.JSON(), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("usage", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.String(40), nullable=False),
    )
    for column in ("run_id", "parent", "variant"):
        op.create_index(f"ix_candidates_{column}", "candidates", [column])
    op.create_table(
        "evaluations",
        sa.Column("context", sa.String(16), primary_key=True),
        sa.Column("variant", sa.String(40), primary_key=True),
        sa.Column("split", sa.String(8), primary_key=True),
        sa.Column("task_id", sa.String(80), primary_key=True),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("usage", sa.JSON(), nullable=False),
        sa.Column("failure", sa.JSON()),
        sa.Column("run_id", sa.String(120), nullable=False),
        sa.Column("created_at", sa.String(40), nullable=False),
    )
    op.create_table(
        "gates",
        sa.Column("context", sa.String(16), primary_key=True),
        sa.Column("variant", sa.String(40), primary_key=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("incumbent", sa.String(40), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("decision", sa.JSON(), nullable=False),
        sa.Column("tasks", sa.JSON(), nullable=False),
        sa.Column("run_id", sa.String(120), nullable=False),
        sa.Column("created_at", sa.String(40), nullable=False),
        sa.UniqueConstraint("context", "number", name="one_gate_a_number"),
    )
    op.create_table(
        "freezes",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.String(120), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.String(40), nullable=False),
        sa.Column("lifted_at", sa.String(40)),
        sa.Column("lifted_because", sa.Text()),
    )


def downgrade() -> None:
    """Take it back."""
    for table in ("freezes", "gates", "evaluations", "candidates", "variants"):
        op.drop_table(table)

<%!
from analyzer.migrate.message import docstring


def quoted(value):
    if value is None:
        return "None"
    if isinstance(value, str):
        return '"' + value + '"' if value.isprintable() and not set(value) & set('"\\') else repr(value)
    return "(" + ", ".join(quoted(item) for item in value) + ",)"
%>\
"""${docstring(message)}."""

% if "sa." in f"{upgrades}{downgrades}":
import sqlalchemy as sa
% endif
from alembic import op
% if imports:

${imports}
% endif

revision = ${quoted(up_revision)}
down_revision = ${quoted(down_revision)}
branch_labels = ${quoted(branch_labels)}
depends_on = ${quoted(depends_on)}


def upgrade() -> None:
    """Apply."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Take back."""
    ${downgrades if downgrades else "pass"}

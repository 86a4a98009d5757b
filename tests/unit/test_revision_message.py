"""Whatever a message, a name or a statement holds, a revision is the Python that it is for a plain one."""

import ast
import io
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.operations.ops import DowngradeOps, MigrationScript, UpgradeOps
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analyzer.errors import InputError
from analyzer.migrate.deploy import offline
from analyzer.migrate.deploy.target import Target
from analyzer.migrate.message import docstring
from analyzer.migrate.operations import IndexOperation, NothingOp, ReindexIndexOp, render_operation
from analyzer.migrate.plan.revision import operations_of, write_revision
from analyzer.migrate.plan.split_revision import separate
from analyzer.objects.index import IndexDef, Key
from analyzer.postgres.lex import lex, significant
from analyzer.specs.diff import Change
from analyzer.sql import ident

ROOT = Path(__file__).parents[2]
#: What ends a literal, a line or a comment, or is no character at all.
PIECES = [
    '"',
    '"""',
    "'",
    "'''",
    "\\",
    "\n",
    "\r",
    "\f",
    "\x1b",
    "\u2028",
    "\u202e",
    "\udc80",
    "${1}",
    "%",
    "#",
    "x",
    " ",
]
MESSAGES = st.one_of(st.lists(st.sampled_from(PIECES), max_size=10).map("".join), st.text(max_size=20))
CODE = "import os; os.system('true')"
#: Alembic's own template, then others that projects have.
STOCK = '"""${message}\n\nRevision ID: ${up_revision}\n"""\n'
TEMPLATES = {
    "ours": (ROOT / "migrations/script.py.mako").read_text(encoding="utf-8"),
    "stock": STOCK,
    "closed": '"""${message}"""\n',
    "apostrophes": "'''${message}'''\n",
    "comment": "# ${message}\n",
}
TAIL = """
from alembic import op
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
def upgrade():
    ${upgrades}
def downgrade():
    ${downgrades}
"""
CHANGE = Change(
    kind="create",
    definition=IndexDef(schema="s", table="t", name="i", keys=(Key(column="a"),)),
    spec=None,
    current=None,
)


def project(directory: Path, template: str) -> Config:
    (directory / "versions").mkdir(parents=True, exist_ok=True)
    text = TEMPLATES.get(template, template)
    (directory / "script.py.mako").write_text(text if "def upgrade" in text else text + TAIL, encoding="utf-8")
    (directory / "env.py").write_text("")
    config = Config()
    config.set_main_option("script_location", str(directory))
    config.set_main_option("path_separator", "os")
    return config


def shape(path: Path) -> str:
    """Return what a module does, its constants left out."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.dump(tree)


@pytest.mark.parametrize("template", TEMPLATES)
@settings(max_examples=60, deadline=None)
@given(message=MESSAGES)
def test_a_message_stays_in_its_literal(template: str, message: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("project")
    plain = write_revision(project(place / "plain", template), "plain", [CHANGE])
    path = write_revision(project(place / "other", template), message, [CHANGE])
    assert shape(path) == shape(plain)
    assert path.parent == place / "other/versions"


@pytest.mark.parametrize("template", ["ours", "stock", "closed", "apostrophes"])
@pytest.mark.parametrize(
    "message",
    [
        f'"""\n{CODE}\n"""',
        f"'''\n{CODE}\n'''",
        f'x"\n{CODE}\n',
        f"x\\\n{CODE}",
        f'\\"""\n{CODE} #',
        'say "hi"',
        "don't",
    ],
)
def test_a_message_is_read_as_it_was_given(tmp_path: Path, template: str, message: str) -> None:
    path = write_revision(project(tmp_path, template), message, [CHANGE])
    said = ast.get_docstring(ast.parse(path.read_bytes()), clean=False) or ""
    assert said.partition("\n")[0].removesuffix(".") == " ".join(message.split())
    assert "import os" not in [ast.unparse(node) for node in ast.parse(path.read_bytes()).body]


def test_a_template_that_makes_code_of_a_message_is_refused_before_it_runs(tmp_path: Path) -> None:
    config = project(tmp_path, "title = '${message}'\n")
    canary = tmp_path / "canary"
    with pytest.raises(InputError, match="writes the message where it is code"):
        write_revision(config, f"'; open({str(canary)!r}, 'w') #", [CHANGE])
    assert not list((tmp_path / "versions").iterdir())
    assert not canary.exists()
    assert write_revision(config, "plain words", [CHANGE]).is_file()


@settings(max_examples=100, deadline=None)
@example("*")  # which in a statement for several schemas stands for each of them
@given(name=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12))
def test_names_and_statements_are_what_they_were(name: str) -> None:
    index = IndexDef(schema=name, table=name, name=name, keys=(Key(column=name),), where="a = E'\\n' OR b = 'x  y'")
    (operation,) = operations_of([Change(kind="create", definition=index, spec=None, current=None)], deparse=None)
    assert isinstance(operation, IndexOperation)
    (statement,) = ast.parse(render_operation(operation)).body
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Call)
    first, second = (ast.literal_eval(argument) for argument in statement.value.args)
    facts: dict[str, Any] = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in statement.value.keywords}
    assert (first, second, facts["schema"]) == (name, name, name)
    again = type(operation)(first, second, **facts)
    assert again.target.sql == operation.target.sql


@pytest.mark.parametrize("end", ["\n", "\r", "\f", "\u2028"])
def test_a_name_cannot_leave_a_comment(end: str) -> None:
    operation = ReindexIndexOp(f"i{end}{CODE}", "t", schema="s", lock_timeout="1s").reverse()
    assert isinstance(operation, NothingOp)
    assert [type(node) for node in ast.parse(render_operation(operation)).body] == [ast.Pass]


def test_the_message_of_alembic_s_own_command_is_as_safe(tmp_path: Path) -> None:
    message = docstring(f'"""\n{CODE}\n"""')
    assert docstring(message) is message
    script = MigrationScript("a", UpgradeOps([]), DowngradeOps([]), message=str(message))
    separate([script])
    directory = ScriptDirectory.from_config(project(tmp_path, "ours"))
    written = directory.generate_revision("a", f'"""\n{CODE}\n"""', upgrades="pass", downgrades="pass", imports="")
    assert written is not None
    assert "import os" not in [ast.unparse(node) for node in ast.parse(Path(written.path).read_bytes()).body]


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("only", ["", "ONLY "])
def test_a_name_cannot_leave_a_comment_of_a_script(end: str, only: str) -> None:
    name = f"i{end}DROP TABLE x; --"
    create = f"CREATE INDEX {'' if only else 'CONCURRENTLY '}{ident(name)} ON {only}{ident('s', name)} (a)"
    target = Target(schema="s", table=name, name=name, sql=create, lock_timeout="1s")
    written = "\n".join(offline.build(target))
    assert "--" in written
    tokens = significant(lex(written.replace("\\gexec", "").replace("\\gset", "")))
    assert not [token for token in tokens if token.word == "drop"]
    assert any(token.text == ident(name) for token in tokens)


@pytest.mark.parametrize(("where", "settled"), [(r"a ~ '\d'", True), (r"a ~ E'\\d'", True), ("a = 'd'", False)])
def test_a_script_reads_backslashes_as_the_revision_means_them(where: str, *, settled: bool) -> None:
    buffer = io.StringIO()
    context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True, "output_buffer": buffer})
    create = f"CREATE INDEX CONCURRENTLY i ON s.t (a) WHERE {where}"
    target = Target(schema="s", table="t", name="i", sql=create, lock_timeout="1s")
    offline.write(context, target, offline.build(target))
    before, _, after = buffer.getvalue().partition(create)
    assert ("SET standard_conforming_strings" in before) == settled
    assert ("RESET standard_conforming_strings" in after) == settled


@pytest.mark.parametrize("message", ["x", 'the "new" ones', None])
def test_alembics_own_commands_write_with_our_template(tmp_path: Path, message: str | None) -> None:
    (tmp_path / "versions").mkdir()
    (tmp_path / "script.py.mako").write_text(TEMPLATES["ours"], encoding="utf-8")
    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(tmp_path))
    config.set_main_option("path_separator", "os")
    command.revision(config, message)
    for branch in ("left", "right"):
        command.revision(config, message, head="base", splice=True, branch_label=branch)
    command.merge(config, "heads", message)
    written = [path.read_text(encoding="utf-8") for path in (tmp_path / "versions").glob("*.py")]
    assert len(written) == 4
    said = {ast.get_docstring(ast.parse(text)) for text in written}
    assert said == {f"{message or 'empty message'}."}
    assert "import sqlalchemy" not in "".join(written)

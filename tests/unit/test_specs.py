"""Spec files say what they mean, are edited without a byte lost, and name the line of a mistake."""

import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.errors import ConflictError, InputError
from analyzer.objects.index import IndexDef, Key
from analyzer.objects.statistics import StatisticsDef
from analyzer.postgres.pgvector import advised_lists
from analyzer.specs.file import NewSpec, append_proposals, append_specs, load_specs, set_state
from analyzer.specs.spec_file import SpecFile, json_schema
from analyzer.specs.tolerant import load_sources
from analyzer.workflows.declared import declared
from tests.unit.catalogs import snapshot, table

ROOT = Path(__file__).parents[2]

HAND_WRITTEN = """\
# Written by hand, and it stays that way.
table:   shop.product     # the catalogue
indexes:
    # first
    - name: ix_a          # plain
      keys:   [ a,b ]
      why: >-
        Folded
        text.

    - {name: 'ix_b', keys: ["c"], state: proposed, evidence: {cost: [1, 2]}}
    - state:  approved   # said aloud
      name:  ix_c
      keys:
        - expression: lower(name)
          collation: "C"
      where: |
        a > 1
        # not a comment but a part of the text?

# The end.
manage: named
"""


def proposal(name: str = "ix_new", table: str = "product") -> NewSpec:
    index = IndexDef(schema="shop", table=table, name=name, keys=(Key(column="a"),))
    return NewSpec(
        definition=index, why="Because: 'it' helps # a lot.", evidence={"cost": (1.5, 2), "statements": ["-44"]}
    )


def write(directory: Path, text: str, name: str = "shop.product.yaml") -> Path:
    path = directory / name
    path.write_bytes(text.encode())
    return path


def test_the_committed_schema_is_the_models() -> None:
    assert (ROOT / "index_specs" / "schema.json").read_text() == json_schema()


def test_the_reference_specs_load() -> None:
    assert {spec.schema for spec in load_specs(ROOT / "index_specs").specs} >= {"catalog"}


def test_every_spec_knows_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, HAND_WRITTEN)
    assert [spec.where for spec in load_specs(tmp_path).specs] == [f"{path}:5", f"{path}:11", f"{path}:12"]


def test_a_spec_says_everything_an_index_can_be() -> None:
    file = SpecFile.model_validate(
        {
            "table": '"Sales"."Order ""x"" Items"',
            "indexes": [
                {
                    "name": "ix",
                    "method": "gist",
                    "keys": ["a", {"column": "n", "opclass": "gist_trgm_ops", "opclass_parameters": {"siglen": 64}}],
                    "include": ["b"],
                    "where": "c > 0",
                    "with": {"buffering": "auto", "fillfactor": 90},
                    "tablespace": "fast",
                    "comment": "said on the server",
                }
            ],
        }
    )
    ddl = file.indexes[0].definition(*file.schema_and_table, rows=None).ddl()
    assert ddl == (
        'CREATE INDEX ix ON "Sales"."Order ""x"" Items" USING gist (a, n gist_trgm_ops (siglen = 64)) INCLUDE (b) '
        "WITH (buffering = auto, fillfactor = 90) TABLESPACE fast WHERE c > 0"
    )


@pytest.mark.parametrize(("rows", "lists"), [(None, 10), (0, 10), (20_000, 20), (1_000_000, 1000), (4_000_000, 2000)])
def test_lists_follow_the_rows(rows: float | None, lists: int) -> None:
    assert advised_lists(rows) == lists


def test_a_proposal_is_added_after_the_last_spec_and_every_other_byte_stays(tmp_path: Path) -> None:
    path = write(tmp_path, HAND_WRITTEN)
    path.chmod(0o640)
    before, rest = HAND_WRITTEN[: HAND_WRITTEN.index("# The end.")], HAND_WRITTEN[HAND_WRITTEN.index("# The end.") :]
    assert append_proposals(tmp_path, [proposal()]) == (path,)
    text = path.read_text()
    assert text.startswith(before)
    assert text.endswith(rest)
    added = load_specs(tmp_path).specs[-1].spec
    assert (added.name, added.state) == ("ix_new", "proposed")
    assert (added.why, added.evidence) == (proposal().why, {"cost": [1.5, 2], "statements": ["-44"]})
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_state_is_changed_in_place(tmp_path: Path) -> None:
    path = write(tmp_path, HAND_WRITTEN)
    set_state(tmp_path, ["ix_a", "ix_b", "ix_c"], "retired")
    expected = (
        HAND_WRITTEN.replace("# plain\n", "# plain\n      state: retired\n")
        .replace("state: proposed", "state: retired")
        .replace("state:  approved ", "state:  retired ")
    )
    assert path.read_text() == expected
    set_state(tmp_path, ["ix_b"], "proposed")
    assert path.read_text() == expected.replace('["c"], state: retired', '["c"], state: proposed')


def test_a_table_without_a_file_gets_one(tmp_path: Path) -> None:
    (path,) = append_proposals(tmp_path / "specs", [proposal(table="Order Items"), proposal("ix_2", "Order Items")])
    assert path.name == "shop.Order_Items.yaml"
    assert path.read_text().startswith('# yaml-language-server: $schema=schema.json\ntable: shop."Order Items"\n')
    assert [spec.table for spec in load_specs(tmp_path / "specs").specs] == ["Order Items", "Order Items"]


@pytest.mark.parametrize(
    "text",
    [
        "table: shop.product\n",
        "table: shop.product",
        "table: shop.product\nindexes:\n",
        "table: shop.product\nindexes: # none yet\nmanage: all\n",
        "table: shop.product\nindexes: []\n",
        "table: shop.product\nindexes: []  # none yet\nmanage: all",
        "indexes:\n- name: x\n  keys: [a]\ntable: shop.product\n",
        "table: shop.product\r\nindexes:\r\n  - name: x\r\n    keys: [a]\r\n",
        "table: shop.product\nindexes:\n  - name: x\n    keys: [a]",
        "---\ntable: shop.product\nindexes:\n  - name: x\n    keys: [a]\n  - {name: y, keys: [a]}\n...\n",
    ],
)
def test_every_layout_takes_a_proposal_and_a_state(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    before = [spec.spec for spec in load_specs(tmp_path).specs]
    append_proposals(tmp_path, [proposal()])
    set_state(tmp_path, ["ix_new"], "approved")
    after = [spec.spec for spec in load_specs(tmp_path).specs]
    assert after[:-1] == before
    assert (after[-1].name, after[-1].state) == ("ix_new", "approved")
    kept = [line.rstrip() for line in text.splitlines() if "[]" not in line]
    remaining = iter(line.rstrip() for line in path.read_text().splitlines())
    assert all(line in remaining for line in kept)
    assert ("\r\n" in text) == (b"\r\n" in path.read_bytes())
    assert path.read_bytes().count(b"\r\n") in {0, path.read_bytes().count(b"\n")}


def test_a_list_in_braces_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    text = "table: shop.product\nindexes: [{name: x, keys: [a]}]\n"
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=r"written in braces; write the indexes as a list"):
        append_proposals(tmp_path, [proposal(table="aaa_first"), proposal()])
    assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_that_is_declared_is_not_proposed_again(tmp_path: Path) -> None:
    write(tmp_path, HAND_WRITTEN)
    with pytest.raises(ConflictError, match=r"product.yaml:5: ix_a is declared already"):
        append_proposals(tmp_path, [proposal("ix_a", "other")])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("table: a.b\nindexes: [", r"x.yaml:\d: not YAML, .*; fix"),
        ("table: a.b\nindexes:\n\t- name: x\n", r"x.yaml:3: not YAML"),
        ("table: a.b\ntable: a.c\n", r"x.yaml:2: not YAML, found duplicate key"),
        (
            "a: &x [*x]\n",
            r"x.yaml:1: not YAML, anchors \(&\) and aliases \(\*\) are not supported in a spec file; fix",
        ),
        ("a: 1\nb: *x\n", r"x.yaml:2: not YAML, anchors"),
        (
            "table: a.b\nindexes:\n  - name: x\n    keys: [a]\n    where: a ~ '\\d'\n",
            r"x.yaml:5: indexes.1.where: .* has a backslash in a plain string; write '\\d' as E'\\\\d'",
        ),
        ("a: 1\nb: !!python/name:os.system x\n", r"x.yaml:2: not YAML, tags are not supported in a spec file"),
        ("a: !x 1\n", r"x.yaml:1: not YAML, tags are not supported"),
        ("a: 1\nb: 2\na: 3\n", r"x.yaml:3: not YAML, .*duplicate key"),
        ("a: 1\nb: " + "[" * 100_000, r"x.yaml:2: not YAML, it is nested more than 20 deep"),
        ("- " * 21 + "a", r"x.yaml:1: not YAML, it is nested more than 20 deep"),
        ("a:\n  b: " + "9" * 5_000, r"x.yaml:2: not YAML, '9+…' is out of range for a number or a date"),
        ("a: 1\nb: 2027-02-30\n", r"x.yaml:2: not YAML, '2027-02-30' is out of range for a number or a date"),
        ("a: 1\nb: \x1b\n", r"x.yaml:2: not YAML, .*special characters are not allowed"),
        ("# " + "x" * 500_000, r"x.yaml:1: not YAML, it is longer than 500,000 characters"),
        ("", r"x.yaml:1: not a spec file; start with"),
        ("- table\n", r"x.yaml:1: not a spec file; start with"),
        ("indexes: []\n", r"x.yaml:1: table: missing; add it"),
        ("table: Shop.b\n", r"x.yaml:1: table: 'Shop.b' is not schema.table; quote"),
        ("table: b\n", r"x.yaml:1: table: 'b' is not schema.table; quote"),
        ("table: a.b\nindexes:\n  - name: x\n    keys: [a]\n    wher: b\n", r"x.yaml:5: indexes.1.wher: unknown key"),
        ("table: a.b\nindexes:\n  - name: x\n    keys: []\n", r"x.yaml:4: indexes.1.keys: "),
        ("table: a.b\nindexes:\n  - name: x\n    keys: [lower(a)]\n", r"x.yaml:4: .*write {expression: …}"),
        ("table: a.b\nindexes:\n  - name: x\n    keys: [{opclass: a}]\n", r"x.yaml:4: .*column or expression"),
        (
            "table: a.b\nindexes:\n  - name: x\n    keys: [{column: a, statistics: 9}]\n",
            r"x.yaml:4: .*only an expression",
        ),
        ("table: a.b\nindexes:\n  - name: x\n    method: lsm\n    keys: [a]\n", r"x.yaml:4: indexes.1.method: "),
        (f"table: a.b\nindexes:\n  - name: {'x' * 64}\n    keys: [a]\n", r"x.yaml:3: .*longer than 63 bytes"),
        (
            "table: a.b\nindexes:\n  - {name: x, keys: [a]}\n  - {name: x, keys: [b]}\n",
            r"x.yaml:4: x is already declared at",
        ),
        ("table: shop.product\n", r"x.yaml:1: shop.product has a file already, .*; merge"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, HAND_WRITTEN)
    write(tmp_path, text, "x.yaml")
    with pytest.raises(InputError, match=message) as error:
        load_specs(tmp_path)
    assert "\n" not in str(error.value)


def test_a_missing_directory_and_a_file_that_is_no_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a directory"):
        load_specs(tmp_path / "nowhere")
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"x.yaml:1: cannot be read \(it is not UTF-8\)"):
        load_specs(tmp_path)
    (tmp_path / "x.yaml").unlink()
    with pytest.raises(InputError, match="no spec is named nobody"):
        set_state(tmp_path, ["nobody"], "approved")


@pytest.mark.parametrize("target", ["{outside}", "../secret", "inner/../../secret", "nowhere/../../secret", "x.yaml"])
def test_a_link_out_of_the_directory_is_refused_and_nothing_of_it_is_shown(tmp_path: Path, target: str) -> None:
    secret, specs = tmp_path / "secret", tmp_path / "specs"
    secret.write_text("root:hash:1\nsecret_key: 1\n")
    (specs / "inner").mkdir(parents=True)
    (specs / "x.yaml").symlink_to(target.format(outside=secret))
    for read in (
        lambda: load_specs(specs),
        lambda: load_sources([specs]),
        lambda: append_proposals(specs, [proposal()]),
        lambda: set_state(specs, ["a"], "approved"),
    ):
        with pytest.raises(InputError, match=r"x\.yaml.* is a link to a file outside its directory") as error:
            read()
        assert "hash" not in str(error.value)
        assert "\n" not in str(error.value)
    assert secret.read_text() == "root:hash:1\nsecret_key: 1\n"
    if (specs / "x.yaml").is_file():  # not the link to itself
        with pytest.raises(InputError, match="a file outside its directory"):
            load_sources([specs / "x.yaml"])


def test_a_link_within_the_directory_is_a_spec_file(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    write(tmp_path / "kept", HAND_WRITTEN, "x.yaml")
    (tmp_path / "x.yaml").symlink_to("kept/x.yaml")
    assert load_specs(tmp_path).specs
    append_proposals(tmp_path, [proposal()])
    assert (tmp_path / "x.yaml").is_symlink()
    assert "ix_new" in (tmp_path / "kept" / "x.yaml").read_text()


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    for make in (os.mkfifo, os.mkdir):
        make(tmp_path / "x.yaml")
        with pytest.raises(InputError, match=r"x\.yaml:1: cannot be read \((not a regular file|Is a directory)\)"):
            load_specs(tmp_path)
        path = tmp_path / "x.yaml"
        path.rmdir() if path.is_dir() else path.unlink()


@pytest.mark.parametrize(
    "text",
    [
        "table: shop.product\n{}: 1\n",
        "table: {}\n",
        "table: shop.product\nindexes:\n  - name: ix\n    keys: ['({})']\n",
        "table: shop.product\nindexes:\n  - name: {}\n    keys: [a]\n",
        "table: shop.product\nindexes:\n  - name: ix\n    keys: [a]\n    {}: 1\n",
        "table: !{} shop.product\n",
        "{}: 1\n{}: 2\n",
        "table: shop.product\nmanage: {}\n",
    ],
)
def test_little_of_what_is_wrong_is_shown(tmp_path: Path, text: str) -> None:
    write(tmp_path, text.replace("{}", "secret" * 50))
    with pytest.raises(InputError) as error:
        load_specs(tmp_path)
    assert str(error.value).count("secret") <= 20
    found = [problem.message for source in load_sources([tmp_path]) for problem in source.problems]
    assert found
    assert max(message.count("secret") for message in found) <= 20


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=15)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
KEYS = st.builds(
    Key,
    column=NAMES,
    opclass=st.none() | st.just("gin_trgm_ops"),
    collation=st.none() | NAMES,
    descending=st.booleans(),
    nulls=st.none() | st.sampled_from(["first", "last"]),
) | st.builds(Key, expression=NAMES.filter(str.strip))
#: Access methods name their storage parameters themselves.
PARAMETERS = st.from_regex(r"[a-z][a-z_]{0,20}", fullmatch=True)
INDEXES = st.builds(
    IndexDef,
    schema=NAMES,
    table=NAMES,
    name=NAMES,
    method=st.sampled_from(["btree", "gin", "hnsw"]),
    keys=st.lists(KEYS, min_size=1, max_size=3).map(tuple),
    include=st.lists(NAMES, max_size=2).map(tuple),
    where=st.none() | NAMES,
    unique=st.booleans(),
    parameters=st.dictionaries(PARAMETERS, st.sampled_from(["1", "true", "0.5", "auto", "007", "1e3"]), max_size=2).map(
        lambda pairs: tuple(pairs.items())
    ),
)


@settings(deadline=None, max_examples=60)
@given(index=INDEXES, comment=TEXTS.filter(bool), target=st.integers(0, 10_000))
def test_what_is_pulled_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, index: IndexDef, comment: str, target: int
) -> None:
    directory = tmp_path_factory.mktemp("specs")
    statistics = tuple((n, target) for n, key in enumerate(index.keys, start=1) if key.expression is not None)
    append_specs(directory, [NewSpec(definition=index, state="approved", comment=comment, statistics=statistics)])
    (read,) = load_specs(directory).indexes
    assert (read.spec.comment, read.spec.statistics, read.spec.state) == (comment, statistics, "approved")


@settings(deadline=None, max_examples=60)
@given(index=INDEXES, why=TEXTS, evidence=st.dictionaries(TEXTS, TEXTS | st.integers() | st.floats(allow_nan=False)))
def test_what_is_proposed_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, index: IndexDef, why: str, evidence: dict[str, Any]
) -> None:
    directory = tmp_path_factory.mktemp("specs")
    append_proposals(directory, [NewSpec(definition=index, why=why, evidence=evidence)])
    (read,) = load_specs(directory).indexes
    assert read.spec.definition(read.schema, read.table, None) == index
    assert read.spec.name == index.name
    assert (read.spec.why or "", read.spec.evidence) == (why, evidence)


BOTH_KINDS = """\
# By hand.
table: shop.product
indexes:
  - name: ix_a  # why not
    keys: [a]

# Together.
statistics:
  - name: st_a
    columns: [a, b]  # country and city
    state: proposed
  - {name: st_b, expressions: [lower(a)], state: proposed}
# The end.
"""


def statistics_of(name: str, *columns: str) -> NewSpec:
    definition = StatisticsDef(schema="shop", table="product", name=name, kinds=("mcv",), columns=columns, target=0)
    return NewSpec(definition=definition, state="approved")


def test_each_kind_is_appended_to_its_own_section(tmp_path: Path) -> None:
    path = write(tmp_path, BOTH_KINDS)
    index = IndexDef(schema="shop", table="product", name="st_a", keys=(Key(column="b"),))
    append_specs(tmp_path, [statistics_of("st_c", "b", "c"), NewSpec(definition=index, state="approved")])
    expected = BOTH_KINDS.replace("    keys: [a]\n", "    keys: [a]\n  - name: st_a\n    keys: [b]\n").replace(
        "# The end.", "  - name: st_c\n    kinds: [mcv]\n    columns: [b, c]\n    target: 0\n# The end."
    )
    assert path.read_text() == expected
    with pytest.raises(ConflictError, match="st_c is declared already"):
        append_specs(tmp_path, [statistics_of("st_c", "b", "c")])


@pytest.mark.parametrize("end", ["", "statistics:\n", "statistics: []\n", "statistics: []  # none yet"])
def test_a_section_that_is_missing_or_empty_is_begun(tmp_path: Path, end: str) -> None:
    path = write(tmp_path, f"table: shop.product\nindexes:\n  - {{name: ix, keys: [a]}}\n{end}")
    append_specs(tmp_path, [statistics_of("st", "a", "b")])
    assert path.read_text().startswith("table: shop.product\nindexes:\n  - {name: ix, keys: [a]}\n")
    assert [(spec.kind, spec.spec.name) for spec in load_specs(tmp_path).specs] == [
        ("index", "ix"),
        ("statistics", "st"),
    ]


def test_a_new_file_of_statistics_alone_has_no_empty_list_of_indexes(tmp_path: Path) -> None:
    (path,) = append_specs(tmp_path, [statistics_of("st", "a", "b")])
    assert "indexes" not in path.read_text()
    (spec,) = load_specs(tmp_path).specs
    assert spec.spec.definition(spec.schema, spec.table, None) == statistics_of("st", "a", "b").definition


def test_the_state_of_statistics_changes_and_nothing_else(tmp_path: Path) -> None:
    path = write(tmp_path, BOTH_KINDS)
    set_state(tmp_path, ["st_a", "st_b", "ix_a"], "retired")
    changed = BOTH_KINDS.replace("state: proposed", "state: retired")
    assert path.read_text() == changed.replace("ix_a  # why not\n", "ix_a  # why not\n    state: retired\n")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{name: st, columns: [a, b], kinds: [histogram]}", "statistics.1.kinds.1: it should be 'ndistinct'"),
        ("{name: st, columns: [a, b], target: -1}", "statistics.1.target: it should be greater than or equal to 0"),
        ("{name: st, keys: [a, b]}", "statistics.1.keys: "),
    ],
)
def test_a_mistake_in_statistics_is_said_with_its_line(tmp_path: Path, entry: str, message: str) -> None:
    write(tmp_path, f"table: shop.product\nstatistics:\n  - {entry}\n")
    with pytest.raises(InputError, match=re.escape(f":3: {message}")):
        load_specs(tmp_path)


def test_all_kinds_are_the_default_and_their_order_says_nothing() -> None:
    plain = StatisticsDef(schema="s", table="t", name="st", columns=("a", "b"))
    assert plain == StatisticsDef(
        schema="s", table="t", name="other", kinds=("mcv", "dependencies", "ndistinct"), columns=("a", "b"), target=7
    )
    assert plain != StatisticsDef(schema="s", table="t", name="st", kinds=("mcv",), columns=("a", "b"))


def test_the_advisor_is_told_of_indexes_alone(tmp_path: Path) -> None:
    write(tmp_path, BOTH_KINDS)
    found = declared(load_specs(tmp_path), snapshot(table("product", "a integer, b integer", schema="shop")))
    assert [each.index.name for each in found] == ["ix_a"]

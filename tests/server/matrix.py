"""What can change in an index, one row each: a spec, the same spec changed, and the operation that follows.

The rows are those of Alembic's own comparison, which sees few of them and takes some for changes that are none.
"""

#: Name, before, after; every one is a replacement.
CHANGED = (
    ("where_added", "keys: [a]", "keys: [a], where: b > 1"),
    ("where_removed", "keys: [b], where: a > 1", "keys: [b]"),
    ("where_changed", "keys: [a], where: b > 2", "keys: [a], where: b > 3"),
    ("include_added", "keys: [a]", "keys: [a], include: [s]"),
    ("include_changed", "keys: [a], include: [b]", "keys: [a], include: [s]"),
    ("include_removed", "keys: [a], include: [b]", "keys: [a]"),
    ("hash", "keys: [v]", "keys: [v], method: hash"),
    ("btree", "keys: [{column: s, opclass: gin_trgm_ops}], method: gin", "keys: [s]"),
    ("opclass", "keys: [j], method: gin", "keys: [{column: j, opclass: jsonb_path_ops}], method: gin"),
    ("opclass_removed", "keys: [{column: s, opclass: text_pattern_ops}]", "keys: [s]"),
    ("opclass_parameter", *(
        f"keys: [{{column: s, opclass: gist_trgm_ops, opclass_parameters: {{siglen: {n}}}}}], method: gist"
        for n in (32, 64)
    )),
    ("fillfactor", "keys: [a], with: {fillfactor: 90}", "keys: [a], with: {fillfactor: 80}"),
    ("fastupdate", "keys: [j], method: gin", "keys: [j], method: gin, with: {fastupdate: false}"),
    ("parameter_removed", "keys: [a], with: {fillfactor: 90}", "keys: [a]"),
    ("collation", "keys: [s]", "keys: [{column: s, collation: C}]"),
    ("literal_case", "keys: [{expression: \"s || 'x'\"}]", "keys: [{expression: \"s || 'X'\"}]"),
    ("literal_space", "keys: [{expression: \"s || ' '\"}]", "keys: [{expression: \"s || '  '\"}]"),
    ("cast", "keys: [{expression: 'a::bigint'}]", "keys: [{expression: 'a::numeric'}]"),
    ("unique", "keys: [id, a]", "keys: [id, a], unique: true"),
    ("order_of_keys", "keys: [a, b]", "keys: [b, a]"),
    ("descending", "keys: [a, b]", "keys: [a, {column: b, order: desc}]"),
    ("nulls_first", "keys: [a, b]", "keys: [a, {column: b, nulls: first}]"),
    ("nulls_last", "keys: [{column: a, order: desc}]", "keys: [{column: a, order: desc, nulls: last}]"),
    ("nulls_not_distinct", "keys: [id, b], unique: true", "keys: [id, b], unique: true, nulls_not_distinct: true"),
)  # fmt: skip

#: Name and spec, said as nobody's deparser says it; none is a change.
UNCHANGED = (
    ("concatenation", "keys: [{expression: \"s || ' ' || v\"}]"),
    ("case_when", "keys: [{expression: \"case when a>1 then 'x' else s end\"}]"),
    ("in_list", "keys: [a], where: 'b IN (1,2)'"),
    ("between", "keys: [a], where: b BETWEEN 1 AND 2"),
    ("coalesce", "keys: [{expression: 'COALESCE(a,0)'}]"),
    ("tsvector", "keys: [{expression: \"to_tsvector('english', s)\"}], method: gin"),
    ("jsonb", "keys: [{expression: \"j->>'brand'\"}]"),
    ("lower", "keys: [{expression: 'LOWER(v)'}]"),
    ("date", "keys: [{expression: 'd::date'}]"),
    ("opclass_of_expression", "keys: [{expression: 'lower( s )', opclass: gin_trgm_ops}], method: gin"),
    ("default_opclass", "keys: [{column: a, opclass: int4_ops}]"),
    ("default_nulls", "keys: [{column: a, order: desc, nulls: first}]"),
    ("brackets", "keys: [{expression: '((a) + (b))'}], where: '((a > 1) AND ((b IS NOT NULL)))'"),
    ("boolean_parameter", "keys: [j], method: gin, with: {fastupdate: 'off'}"),
)

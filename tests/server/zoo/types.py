"""Types of users: enums, domains, composites, ranges, base types; and collations and text search objects."""

from dataclasses import replace

from analyzer.sql import literal
from tests.server.zoo.growth import Growth, constant, value_of
from tests.server.zoo.inventory import Type


def enum(growth: Growth) -> None:
    """Make an enum, whose order need not be that of its labels."""
    name = growth.qualified("enum")
    labels = ["sad", "so 'so'", "häppy", "z %s"][: growth.number(1, 4)]
    growth.add(f"CREATE TYPE {name} AS ENUM ({', '.join(map(literal, labels))})")
    if growth.pick((False, True)):
        growth.add(f"ALTER TYPE {name} ADD VALUE 'first' BEFORE {literal(labels[0])}")
    array = f"ARRAY[{', '.join(map(literal, labels))}]"
    growth.types.append(Type(name=name, category="E", texts=(f"({array})[1 + i % {len(labels)}]",), sample=labels[-1]))


def domain(growth: Growth) -> None:
    """Make a domain over any type, over another domain too."""
    base, name = growth.any_type(), growth.qualified("domain")
    text = growth.pick(base.texts)
    collation = f" COLLATE {growth.pick(growth.known('collation'))}" if base.collatable else ""
    default = f" DEFAULT {constant(base)}"
    named = f" CONSTRAINT {growth.fresh('check')} CHECK (VALUE IS NOT NULL)"
    growth.add(
        f"CREATE DOMAIN {name} AS {base.name}{growth.maybe(collation)}{growth.maybe(default)}"
        f"{growth.maybe(' NOT NULL')}{growth.maybe(named)}"
        f"{growth.maybe(' CHECK (length(VALUE::text) < 4000)')}"
    )
    if growth.pick((False, False, True)):
        growth.add(f"ALTER DOMAIN {name} ADD CONSTRAINT {growth.fresh('check')} CHECK (VALUE::text <> 'x') NOT VALID")
    growth.types.append(replace(base, name=name, texts=(text,)))


def composite(growth: Growth) -> None:
    """Make a composite type, of which others can be part."""
    parts, name = [growth.any_type() for _ in range(growth.number(1, 3))], growth.qualified("composite")
    attributes = ", ".join(f"{growth.fresh('attribute')} {part.name}" for part in parts)
    growth.add(f"CREATE TYPE {name} AS ({attributes})")
    row = ", ".join(value_of(part, growth.pick(part.texts)) for part in parts)
    growth.types.append(
        Type(name=name, category="C", texts=(f"ROW({row})::text",), sample=f"({',' * (len(parts) - 1)})")
    )


def range_(growth: Growth) -> None:
    """Make a range over a type that a btree can sort."""
    sortable = {each.type for each in growth.inventory.operator_classes if each.method == "btree"}
    subtype = growth.pick([each for each in growth.inventory.types if each.name in sortable])
    name, multi = growth.qualified("range"), growth.qualified("multirange")
    collation = f", COLLATION = {growth.pick(growth.known('collation'))}" if subtype.collatable else ""
    difference = ", SUBTYPE_DIFF = float8mi" if subtype.name == "double precision" else ""
    growth.add(
        f"CREATE TYPE {name} AS RANGE (SUBTYPE = {subtype.name}{growth.maybe(difference)}{growth.maybe(collation)}"
        f"{growth.maybe(f', MULTIRANGE_TYPE_NAME = {multi}')})"
    )
    value = value_of(subtype, growth.pick(subtype.texts))
    texts = (f"{name}({value}, NULL)::text", f"{name}({value}, {value}, '[]')::text")
    growth.types.append(Type(name=name, category="R", texts=texts, sample="empty"))


def base_type(growth: Growth) -> None:
    """Make a base type that is like one of the server's."""
    name = growth.qualified("base")
    takes, shows = growth.qualified("input"), growth.qualified("output")
    growth.add(f"CREATE TYPE {name}")
    growth.add(f"CREATE FUNCTION {takes}(cstring) RETURNS {name} LANGUAGE internal IMMUTABLE STRICT AS 'int4in'")
    growth.add(f"CREATE FUNCTION {shows}({name}) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out'")
    growth.add(f"CREATE TYPE {name} (INPUT = {takes}, OUTPUT = {shows}, LIKE = integer)")
    growth.types.append(Type(name=name, texts=("i::text",), sample="7"))


def collation(growth: Growth) -> None:
    """Make a collation of a provider."""
    name = growth.qualified("collation")
    options = ["PROVIDER = libc, LOCALE = 'C'", "PROVIDER = libc, LC_COLLATE = 'POSIX', LC_CTYPE = 'C'"]
    if any("icu" in each or "und-x" in each for each in growth.inventory.names["collation"]):
        options += ["PROVIDER = icu, LOCALE = 'de-u-kn'", "PROVIDER = icu, LOCALE = 'und', DETERMINISTIC = false"]
    if growth.major >= 17:
        options.append("PROVIDER = builtin, LOCALE = 'C.UTF-8'")
    growth.add(f"CREATE COLLATION {name} ({growth.pick(options)})")
    growth.remember("collation", name)


def text_search(growth: Growth) -> None:
    """Make a text search configuration with a dictionary, and perhaps a template and a parser of its own."""
    configuration, dictionary = growth.qualified("configuration"), growth.qualified("dictionary")
    template, parser = growth.qualified("template"), growth.qualified("parser")
    growth.add(f"CREATE TEXT SEARCH TEMPLATE {template} (INIT = dsimple_init, LEXIZE = dsimple_lexize)")
    growth.add(
        f"CREATE TEXT SEARCH PARSER {parser} (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end,"
        " LEXTYPES = prsd_lextype, HEADLINE = prsd_headline)"
    )
    template, parser = growth.pick(("pg_catalog.simple", template)), growth.pick(('pg_catalog."default"', parser))
    growth.add(f"CREATE TEXT SEARCH DICTIONARY {dictionary} (TEMPLATE = {template}, ACCEPT = true)")
    if growth.pick((False, True)):
        growth.add(f"CREATE TEXT SEARCH CONFIGURATION {configuration} (PARSER = {parser})")
        growth.add(f"ALTER TEXT SEARCH CONFIGURATION {configuration} ADD MAPPING FOR asciiword, word WITH {dictionary}")
    else:
        growth.add(
            f"CREATE TEXT SEARCH CONFIGURATION {configuration} (COPY = {growth.pick(growth.known('configuration'))})"
        )
        growth.add(f"ALTER TEXT SEARCH CONFIGURATION {configuration} ALTER MAPPING FOR asciiword WITH {dictionary}")
    growth.remember("configuration", configuration)

"""What a server's operators mean and which operator classes serve them: pg_operator, pg_amop, pg_opclass and pg_type.

Types are named as format_type() does with pg_catalog alone in the search path. What is asked with a domain is answered
for its base type; polymorphic and binary-coercible types are resolved as the parser and CREATE INDEX do it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from analyzer.postgres.identifiers import bare_name

#: s for search, o for ORDER BY.
Purpose = Literal["s", "o"]
#: typtype of the types that a polymorphic one, or `record`, accepts.
_POLYMORPHIC = {"enum": "e", "range": "r", "multirange": "m"}
_COMPOSITE = "c"
_ANY = re.compile(r"any(?:compatible)?(element|array|nonarray|enum|range|multirange)?\Z")
#: How well a type fits: not at all, by a binary-coercible cast, as a polymorphic type, exactly.
_COERCED, _POLYMORPH, EXACT = 1, 2, 3
_QUOTED = re.compile(r'("(?:[^"]|"")*")')
_MODIFIER = re.compile(r"\s*\([^()]*\)")
#: How SQL may spell types that format_type() names otherwise, beside their names in pg_type.
_SPELLINGS = {
    "int": "integer", "decimal": "numeric", "float": "double precision", "dec": "numeric", "char": "character",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeFacts:
    """A type that is no array."""

    name: str
    #: typname, in which `integer` is int4.
    short_name: str
    #: typtype: base, domain, enum, range, multirange or composite, by its first letter.
    kind: str
    #: Of a domain.
    base: str | None
    category: str
    is_preferred: bool
    #: Bytes of a value; -1 when they vary.
    length: int
    #: Types of the attributes of a composite one.
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A family that has an operator."""

    family: str
    strategy: int
    purpose: Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """A binary operator for two types."""

    name: str
    schema: str
    left: str
    right: str
    commutator: str | None
    families: tuple[Membership, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorClass:
    """An operator class."""

    method: str
    schema: str
    name: str
    #: Access method and name; unique.
    family: str
    input: str
    is_default: bool
    #: Of brin, the support function that says what a summary is.
    summary: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An operator class that serves an operator of a key."""

    operator_class: OperatorClass
    #: CREATE INDEX uses it for the key's type when none is named.
    is_default: bool
    strategy: int


class OperatorClasses:
    """The operators and operator classes of one server; empty where no server is known."""

    def __init__(
        self,
        *,
        types: Iterable[TypeFacts] = (),
        casts: Iterable[tuple[str, str]] = (),
        operators: Iterable[Operator] = (),
        classes: Iterable[OperatorClass] = (),
    ) -> None:
        self.types: Mapping[str, TypeFacts] = {each.name: each for each in types}
        #: Implicit casts that change no byte.
        self.casts = frozenset(casts)
        self.operators = tuple(operators)
        self.classes = tuple(classes)
        self._defaults: dict[tuple[str, str], OperatorClass | None] = {}

    @cached_property
    def _operators_by_name(self) -> Mapping[str, Sequence[Operator]]:
        found: dict[str, list[Operator]] = {}
        for each in self.operators:
            found.setdefault(each.name, []).append(each)
        return found

    @cached_property
    def _classes_by_family(self) -> Mapping[str, Sequence[OperatorClass]]:
        found: dict[str, list[OperatorClass]] = {}
        for each in self.classes:
            found.setdefault(each.family, []).append(each)
        return found

    @cached_property
    def _operators_by_family(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for operator in self.operators:
            for each in operator.families:
                found.setdefault(each.family, set()).add(operator.name)
        return {family: frozenset(names) for family, names in found.items()}

    @cached_property
    def _short_names(self) -> Mapping[str, str]:
        return {each.short_name: each.name for each in self.types.values()} | _SPELLINGS

    # Types

    def type_named(self, text: str) -> str:
        """Return the name of a type without modifier, from how format_type() or SQL has it."""
        parts = _QUOTED.split(text)  # every second one is quoted, and stays
        parts[::2] = (re.sub(r"\s+", " ", _MODIFIER.sub("", part)) for part in parts[::2])
        bare = "".join(parts).strip()
        element = bare.removesuffix("[]")
        suffix = "[]" if element != bare else ""
        if element in self.types:
            return element + suffix
        folded = element if '"' in element else element.lower()
        return self._short_names.get(bare_name(folded), folded) + suffix

    def base(self, kind: str) -> str:
        """Return the type that a domain is made of, else the type itself, without modifier."""
        name, seen = self.type_named(kind), set[str]()
        while (known := self.types.get(name)) is not None and known.base is not None and name not in seen:
            seen.add(name)
            name = known.base
        return name

    def fit(self, kind: str, wanted: str) -> int:
        """Say how well a base type fits where another is expected; 0 when it does not."""
        if kind == wanted:
            return EXACT
        if (match := _ANY.match(wanted)) is not None:
            return _POLYMORPH if self._accepts(match[1], kind) else 0
        known = self.types.get(kind)
        if wanted == "record":
            return _POLYMORPH if known is not None and known.kind == _COMPOSITE else 0
        return _COERCED if (kind, wanted) in self.casts else 0

    def _accepts(self, wanted: str | None, kind: str) -> bool:
        if wanted in ("array", "nonarray"):
            return kind.endswith("[]") == (wanted == "array")
        known = self.types.get(kind)
        return wanted in (None, "element") or (known is not None and known.kind == _POLYMORPHIC.get(wanted))

    def _is_preferred(self, wanted: str, kind: str) -> bool:
        """Say whether a type is the preferred one among those that another one can be coerced to."""
        one, other = self.types.get(wanted), self.types.get(kind)
        return one is not None and other is not None and one.is_preferred and one.category == other.category

    # Operator classes

    def default_class(self, kind: str, method: str) -> OperatorClass | None:
        """Return the operator class that CREATE INDEX uses for a type when none is named: GetDefaultOpClass()."""
        key = self.base(kind), method
        if key not in self._defaults:
            self._defaults[key] = self._default_class(*key)
        return self._defaults[key]

    def _default_class(self, base: str, method: str) -> OperatorClass | None:
        found = [each for each in self.classes if each.method == method and each.is_default]
        fits = [(self._suits(each, base), each) for each in found]
        exact = [each for fit, each in fits if fit == EXACT]
        other = [each for fit, each in fits if 0 < fit < EXACT]
        preferred = [each for each in other if self._is_preferred(each.input, base)]
        return next((some[0] for some in (exact, preferred, other) if len(some) == 1), None)

    def _suits(self, operator_class: OperatorClass, base: str) -> int:
        """Say how well a class fits a base type; 0 where entries could not be made, for the lack of a class for parts.

        A server takes such a definition and fails at the first row.
        """
        fit, method = self.fit(base, operator_class.input), operator_class.method
        known = self.types.get(base)
        is_made = base.endswith("[]") or (known is not None and known.kind == _COMPOSITE)
        if fit != _POLYMORPH or not is_made or method not in ("btree", "gin", "hash"):
            return fit
        needed = "hash" if method == "hash" else "btree"
        return fit if all(self.default_class(part, needed) is not None for part in self._parts(base)) else 0

    def _parts(self, base: str) -> Iterator[str]:
        """Yield the base types that an array or a composite type is made of in the end."""
        waiting, seen = [base], set[str]()
        while waiting:
            each = self.base(waiting.pop())
            known = self.types.get(each)
            if each in seen:
                continue
            seen.add(each)
            if each.endswith("[]"):
                waiting.append(each.removesuffix("[]"))
            elif known is not None and known.kind == _COMPOSITE:
                waiting += known.attributes
            else:
                yield each

    def is_sortable(self, kind: str) -> bool:
        """Say whether a type has an order, which its default operator class of btree gives."""
        return self.default_class(kind, "btree") is not None

    def is_open_ended(self, kind: str) -> bool:
        """Say whether values of a type may be of any size, and no name, number or word: arrays, documents, bytes."""
        base = self.base(kind)
        known = self.types.get(base)
        return base.endswith("[]") or known is None or (known.length == -1 and known.category == "U")

    def class_in(self, family: str, kind: str) -> OperatorClass | None:
        """Return the operator class of a family that takes a type, the default one before others."""
        base = self.base(kind)
        ranked = [
            ((-fit, not each.is_default, not self._is_preferred(each.input, base)), each)
            for each in self._classes_by_family.get(family, ())
            if (fit := self._suits(each, base))
        ]
        return min(ranked, key=lambda pair: (*pair[0], pair[1].name))[1] if ranked else None

    def breadth(self, operator_class: OperatorClass) -> int:
        """Return how many operators a class serves: of two that serve the same one, that of fewer is the smaller."""
        return len(self._operators_by_family.get(operator_class.family, ()))

    def serves(self, operator_class: OperatorClass, name: str) -> bool:
        """Say whether a class serves an operator of that name, whatever its types."""
        return name in self._operators_by_family.get(operator_class.family, ())

    def classes_of(self, kind: str, method: str) -> tuple[OperatorClass, ...]:
        """Return the operator classes of a method that take a type exactly, or as a polymorphic type."""
        base = self.base(kind)
        return tuple(each for each in self.classes if each.method == method and self._suits(each, base) > _COERCED)

    # Operators

    def serving(
        self, name: str, kind: str, other: str | None = None, *, is_commuted: bool = False, purpose: Purpose = "s"
    ) -> tuple[Service, ...]:
        """Return the classes that serve an operator between a key of a type and a value, whose type may be unknown.

        With `is_commuted` the key stands on the right of the operator.
        """
        found: dict[str, Service] = {}
        for operator in self._meant(name, kind, other, is_commuted=is_commuted):
            for each in operator.families:
                served = self.class_in(each.family, kind) if each.purpose == purpose else None
                if served is not None and each.family not in found:
                    is_default = self.default_class(kind, served.method) == served
                    found[each.family] = Service(operator_class=served, is_default=is_default, strategy=each.strategy)
        return tuple(found[family] for family in sorted(found))

    def is_own(self, name: str, kind: str, other: str | None = None) -> bool:
        """Say whether a name means an operator of PostgreSQL itself for a type, not of an extension or a user."""
        found = self._meant(name, kind, other, is_commuted=False)
        return bool(found) and all(each.schema == "pg_catalog" for each in found)

    def _meant(self, name: str, kind: str, other: str | None, *, is_commuted: bool) -> list[Operator]:
        """Return the operators that a name means between two types, with the key on the left."""
        named = self._operators_by_name.get(name, ())
        if not is_commuted:
            return self._resolved(named, kind, other)
        turned = [_turned(each) for each in named]
        meant = [(each.commutator, each.left, each.right) for each in self._resolved(turned, kind, other)]
        return [
            each
            for commutator, left, right in meant
            for each in self._operators_by_name.get(commutator or "", ())
            if (each.left, each.right) == (left, right)
        ]

    def _resolved(self, named: Iterable[Operator], kind: str, other: str | None) -> list[Operator]:
        """Keep the operators whose left type fits best, then those whose right one does: oper() of the parser.

        A value of unknown type is taken to be of the type of the key.
        """
        left = self.base(kind)
        right = left if other is None else self.base(other)
        ranked = [
            ((fit, self._is_preferred(each.left, left)), self.fit(right, each.right), each)
            for each in named
            if (fit := self.fit(left, each.left))
        ]
        known = [each for each in ranked if each[1]] if other is not None else ranked
        ranked = known or ranked  # by a cast that is not binary
        best = max((each[0] for each in ranked), default=None)
        fitting = [each for each in ranked if each[0] == best]
        if any(fit == EXACT for _, fit, _ in fitting):
            return [each for _, fit, each in fitting if fit == EXACT]
        return [each for *_, each in fitting]


def _turned(operator: Operator) -> Operator:
    """Return an operator with its sides exchanged, for types to be compared; its name is still the own one."""
    return Operator(
        name=operator.name,
        schema=operator.schema,
        left=operator.right,
        right=operator.left,
        commutator=operator.commutator,
        families=(),
    )

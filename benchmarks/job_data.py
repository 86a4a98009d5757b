"""Movies, people and companies for the Join Order Benchmark's schema: the same at each run, and as skewed as real ones.

A few movies have most of the cast, companies, keywords and information, the same movies in all tables, and these are
films more often than episodes; role, gender and note go together, and so do a country and its companies. At scale 1 it
is a tenth of IMDb.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, repeat

from benchmarks import job_words as words

Value = str | int | None
#: All columns but the id, which is the place of the row.
Row = tuple[Value, ...]

_SEED = "job"
_TITLES, _PERSONS, _CHARACTERS, _COMPANIES, _KEYWORDS = 252_831, 416_749, 314_034, 23_500, 13_417
_CAST, _INFO_TYPES = 3_624_434, 113
_MOVIE_KEYWORDS, _MOVIE_COMPANIES, _PERSON_INFO = 452_393, 260_913, 296_366
_AKA_NAMES, _AKA_TITLES, _COMPLETE, _LINKS = 90_134, 36_147, 13_509, 2_999
_LAST_YEAR, _OLDEST_YEARS = 2014, 120


def generate(scale: float) -> Iterator[tuple[str, Iterator[Row]]]:
    """Yield every table with its rows."""
    world = _World(scale=scale)
    for name, found in words.LOOK_UPS.items():
        yield name, ((each,) for each in found)
    yield "title", world.titles()
    yield "name", world.names()
    yield "char_name", world.characters()
    yield "company_name", world.companies()
    yield "keyword", world.keywords()
    yield "cast_info", world.cast()
    yield "movie_companies", world.movie_companies()
    yield "movie_keyword", world.movie_keywords()
    yield "movie_info", world.movie_info()
    yield "movie_info_idx", world.ratings()
    yield "person_info", world.person_info()
    yield "aka_name", world.aka_names()
    yield "aka_title", world.aka_titles()
    yield "complete_cast", world.complete_casts()
    yield "movie_link", world.links()


def _weighted(choices: Sequence[tuple[Value, float]]) -> tuple[list[Value], list[float]]:
    return [value for value, _ in choices], list(accumulate(weight for _, weight in choices))


def _code(text: str) -> str:
    """A letter and three digits, as phonetic codes are."""
    letters = [ord(letter) for letter in text.upper() if "A" <= letter <= "Z"] or [65]
    return f"{chr(letters[0])}{sum(letters[1:]) % 600:03d}"


def _sum(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, kw_only=True)
class _World:
    """What the tables have in common."""

    scale: float

    def _many(self, full: int, least: int = 10) -> int:
        return max(round(full * self.scale), least)

    def _chance(self, table: str) -> random.Random:
        return random.Random(f"{_SEED} {table}")

    @cached_property
    def _n_titles(self) -> int:
        return self._many(_TITLES, 2_000)

    @cached_property
    def _n_persons(self) -> int:
        return self._many(_PERSONS, 2_000)

    @cached_property
    def _kinds(self) -> list[int]:
        """The kind of each movie, as its place in the look-up table."""
        chance = self._chance("kinds")
        return chance.choices(
            range(1, len(words.KINDS) + 1), weights=[weight for _, weight in words.KINDS], k=self._n_titles
        )

    @cached_property
    def _years(self) -> list[int]:
        chance = self._chance("years")
        return [_LAST_YEAR - int(_OLDEST_YEARS * chance.random() ** 3) for _ in range(self._n_titles)]

    @cached_property
    def _popular(self) -> list[int]:
        """The movies, those with most of everything first: films before episodes, and new ones before old ones."""
        chance = self._chance("popular")
        weights = [weight for _, weight in words.POPULARITY]
        keys = [
            chance.random() / weights[kind - 1] + (_LAST_YEAR - year) / 400
            for kind, year in zip(self._kinds, self._years, strict=True)
        ]
        return sorted(range(1, self._n_titles + 1), key=lambda movie: keys[movie - 1])

    def _movie(self, chance: random.Random, skew: float = 2.2) -> int:
        return self._popular[int(self._n_titles * chance.random() ** skew)]

    @cached_property
    def _genders(self) -> list[str | None]:
        chance = self._chance("genders")
        return chance.choices(["m", "f", None], weights=[42, 23, 35], k=self._n_persons)

    @cached_property
    def _countries(self) -> list[Value]:
        """The country of each company."""
        chance = self._chance("countries")
        values, weights = _weighted(words.COUNTRY_CODES)
        return chance.choices(values, cum_weights=weights, k=self._many(_COMPANIES, 300))

    # Tables

    def titles(self) -> Iterator[Row]:
        chance = self._chance("title")
        for movie in range(1, self._n_titles + 1):
            kind, year = self._kinds[movie - 1], self._years[movie - 1]
            title = words.title(chance)
            is_episode = words.KINDS[kind - 1][0] == "episode"
            yield (
                title, "I" if chance.random() < 0.05 else None, kind, year if chance.random() < 0.97 else None, None,
                _code(title), 1 + int(self._n_titles * chance.random()) if is_episode else None,
                1 + int(20 * chance.random() ** 3) if is_episode else None,
                1 + int(120 * chance.random() ** 3) if is_episode else None, None, _sum(title),
            )  # fmt: skip

    def names(self) -> Iterator[Row]:
        chance = self._chance("name")
        for gender in self._genders:
            name = words.person(chance, gender)
            surname = name.partition(",")[0]
            index = "I" * chance.randint(1, 3) if chance.random() < 0.2 else None
            yield name, index, None, gender, _code(name), _code(name[::-1]), _code(surname), _sum(name)

    def characters(self) -> Iterator[Row]:
        chance = self._chance("char_name")
        for _ in range(self._many(_CHARACTERS, 1_000)):
            name = words.character(chance)
            yield name, None, None, _code(name), _code(name.rpartition(" ")[2]), _sum(name)

    def companies(self) -> Iterator[Row]:
        chance = self._chance("company_name")
        for place, country in enumerate(self._countries):
            name = words.COMPANIES[place] if place < len(words.COMPANIES) else words.company(chance)
            known = "[us]" if place < len(words.COMPANIES) else country
            yield name, known, None, _code(name), _code(name[::-1]), _sum(name)

    def keywords(self) -> Iterator[Row]:
        chance = self._chance("keyword")
        for place in range(self._many(_KEYWORDS, len(words.KEYWORDS) + 100)):
            known = place < len(words.KEYWORDS)
            text = (
                words.KEYWORDS[place] if known else f"{chance.choice(words.NOUNS)}-{words.syllables(chance, 2)}-{place}"
            )
            yield text.lower(), _code(text)

    def cast(self) -> Iterator[Row]:
        """Yield what each person did, one person after the other."""
        chance, characters = self._chance("cast_info"), self._many(_CHARACTERS, 1_000)
        by_gender = {gender: _weighted(words.roles(gender)) for gender in ("m", "f", None)}
        notes = [_weighted(words.NOTES[role]) for role in words.ROLES]
        many = self._many(_CAST, 10_000)
        for place in range(many):
            # The prolific are as few as the popular.
            person = 1 + int(self._n_persons * (place / many) ** 1.6)
            roles, weights = by_gender[self._genders[person - 1]]
            role = int(chance.choices(roles, cum_weights=weights)[0] or 1)
            values, shares = notes[role - 1]
            plays = role <= 2 and chance.random() < 0.75
            yield (
                person, self._movie(chance), 1 + int(characters * chance.random() ** 3) if plays else None,
                chance.choices(values, cum_weights=shares)[0],
                1 + int(60 * chance.random() ** 2) if plays and chance.random() < 0.6 else None, role,
            )  # fmt: skip

    def movie_companies(self) -> Iterator[Row]:
        chance, companies = self._chance("movie_companies"), len(self._countries)
        for _ in repeat(None, self._many(_MOVIE_COMPANIES, 2_000)):
            movie, company = self._movie(chance), 1 + int(companies * chance.random() ** 3)
            kind = 2 if chance.random() < 0.5 else 1
            country = self._countries[company - 1]
            note = words.company_note(chance, self._years[movie - 1], str(country or ""), is_distributor=kind == 1)
            yield movie, company, kind, note

    def movie_keywords(self) -> Iterator[Row]:
        chance, keywords = self._chance("movie_keyword"), self._many(_KEYWORDS, len(words.KEYWORDS) + 100)
        for _ in repeat(None, self._many(_MOVIE_KEYWORDS, 4_000)):
            yield self._movie(chance, 3.0), 1 + int(keywords * chance.random() ** 2.5)

    def movie_info(self) -> Iterator[Row]:
        """Yield what is known of movies, one kind of information after the other."""
        chance = self._chance("movie_info")
        for name, per_movie in words.INFO_PER_MOVIE:
            kind = words.LOOK_UPS["info_type"].index(name) + 1
            for _ in range(round(per_movie * self._n_titles)):
                movie = self._movie(chance, 1.6)
                yield movie, kind, *words.info(chance, name, self._years[movie - 1])

    def ratings(self) -> Iterator[Row]:
        chance, kinds = self._chance("movie_info_idx"), words.LOOK_UPS["info_type"]
        rated = self._popular[: max(round(0.18 * self._n_titles), 300)]
        for movie in rated:
            rating = min(max(chance.gauss(6.3, 1.5), 1.0), 9.9)
            votes = 5 + int(20_000 * chance.random() ** 6)
            for name, text in (
                ("votes distribution", f"{votes:010d}"),
                ("votes", f"{votes}"),
                ("rating", f"{rating:.1f}"),
            ):
                yield movie, kinds.index(name) + 1, text, None
        for place, movie in enumerate((*rated[:250], *rated[-10:]), 1):
            top = place <= 250
            name = "top 250 rank" if top else "bottom 10 rank"
            yield movie, kinds.index(name) + 1, f"{place if top else place - 250}", None

    def person_info(self) -> Iterator[Row]:
        chance, kinds = self._chance("person_info"), words.LOOK_UPS["info_type"]
        names, weights = _weighted(words.PERSON_INFO)
        for _ in repeat(None, self._many(_PERSON_INFO, 2_000)):
            name = str(chance.choices(names, cum_weights=weights)[0])
            note = chance.choice(words.AUTHORS) if name == "mini biography" else None
            text = " ".join(chance.choices(words.NOUNS, k=chance.randint(2, 12)))
            yield 1 + int(self._n_persons * chance.random() ** 1.6), kinds.index(name) + 1, text, note

    def aka_names(self) -> Iterator[Row]:
        chance = self._chance("aka_name")
        for _ in repeat(None, self._many(_AKA_NAMES, 1_000)):
            person = 1 + int(self._n_persons * chance.random() ** 1.6)
            name = words.person(chance, self._genders[person - 1])
            yield person, name, None, _code(name), _code(name[::-1]), _code(name.partition(",")[0]), _sum(name)

    def aka_titles(self) -> Iterator[Row]:
        chance = self._chance("aka_title")
        for _ in repeat(None, self._many(_AKA_TITLES, 500)):
            movie, title = self._movie(chance), words.title(chance)
            kind, year = self._kinds[movie - 1], self._years[movie - 1]
            note = chance.choice(words.TITLE_NOTES)
            yield movie, title, None, kind, year, _code(title), None, None, None, note, _sum(title)

    def complete_casts(self) -> Iterator[Row]:
        chance = self._chance("complete_cast")
        for _ in repeat(None, self._many(_COMPLETE, 500)):
            yield self._movie(chance), 1 if chance.random() < 0.7 else 2, 3 if chance.random() < 0.3 else 4

    def links(self) -> Iterator[Row]:
        chance, links = self._chance("movie_link"), len(words.LOOK_UPS["link_type"])
        for _ in repeat(None, self._many(_LINKS, 300)):
            yield self._movie(chance, 3.0), self._movie(chance, 3.0), 1 + int(links * chance.random() ** 1.5)

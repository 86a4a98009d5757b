"""What generated rows of the Join Order Benchmark's schema consist of: what its queries ask for, among the rest."""

import random
from collections.abc import Sequence
from types import MappingProxyType

Choices = Sequence[tuple[str | None, float]]

#: Of titles, with their shares.
KINDS = (
    ("movie", 26.0), ("tv series", 3.6), ("tv movie", 4.0), ("video movie", 4.0), ("tv mini series", 0.1),
    ("video game", 0.5), ("episode", 61.8),
)  # fmt: skip
#: How much more of everything the titles of a kind have.
POPULARITY = (("movie", 3.0), ("tv series", 4.0), ("tv movie", 1.5), ("video movie", 1.2), ("tv mini series", 2.0),
              ("video game", 1.0), ("episode", 0.7))  # fmt: skip
ROLES = (
    "actor", "actress", "producer", "writer", "cinematographer", "composer", "costume designer", "director", "editor",
    "miscellaneous crew", "production designer", "guest",
)  # fmt: skip
_LINK_TYPES = (
    "follows", "followed by", "remake of", "remade as", "references", "referenced in", "spoofs", "spoofed in",
    "features",
    "featured in", "spin off from", "spin off", "version of", "similar to", "edited into", "edited from",
    "alternate language version of", "unknown link",
)  # fmt: skip
_INFO_TYPES = (
    "runtimes", "color info", "genres", "languages", "certificates", "sound mix", "tech info", "countries", "taglines",
    "keywords", "alternate versions", "crazy credits", "goofs", "soundtrack", "quotes", "release dates", "trivia",
    "locations", "mini biography", "birth notes", "birth date", "height", "death date", "spouse", "other works",
    "birth name", "salary history", "nick names", "books", "agent address", "biographical movies",
    "portrayed in", "where now", "trade mark", "interviews", "article", "magazine cover photo", "pictorial",
    "death notes", "ld year", "production dates", "copyright holder", "filming dates", "budget", "weekend gross",
    "gross",
    "opening weekend", "rentals", "admissions", "studios", "top 250 rank", "bottom 10 rank", "votes",
    "votes distribution", "rating", "plot", "mpaa", "novel", "screenplay", "other literature",
)  # fmt: skip
#: The small tables: one text in each row.
LOOK_UPS = MappingProxyType(
    {
        "kind_type": tuple(kind for kind, _ in KINDS),
        "role_type": ROLES,
        "company_type": (
            "distributors",
            "production companies",
            "special effects companies",
            "miscellaneous companies",
        ),
        "comp_cast_type": ("cast", "crew", "complete", "complete+verified"),
        "link_type": _LINK_TYPES,
        "info_type": (*_INFO_TYPES, *(f"ld detail {number}" for number in range(113 - len(_INFO_TYPES)))),
    }
)

_ADJECTIVES = (
    "Last", "Dark", "Lost", "Golden", "Silent", "Broken", "Secret", "Red", "Long", "Little", "Wild", "Final", "Good",
    "Old",
    "Young", "Blue", "Hidden", "Perfect", "Cold", "Great",
)  # fmt: skip
NOUNS = (
    "night", "river", "house", "city", "love", "war", "king", "road", "island", "summer", "dream", "shadow", "garden",
    "heart", "train", "letter", "star", "forest", "storm", "dance", "murder", "money", "champion", "loser", "movie",
    "vampire", "return", "story", "day", "woman",
)  # fmt: skip
_KNOWN_TITLES = (
    "Shrek 2", "Kung Fu Panda", "Kung Fu Panda 2", "One Piece", "Dragon Ball Z", "Freddy vs. Jason", "Saw IV",
    "Vampire Academy", "Birdemic", "Iron Man", "The Money Pit", "Murder by Numbers", "Champion", "Loser",
)  # fmt: skip
_SYLLABLES = (
    "ba", "be", "bo", "da", "de", "do", "fa", "ga", "ha", "ka", "ke", "ko", "la", "le", "li", "lo", "ma", "me", "mi",
    "mo",
    "na", "ne", "ni", "no", "pa", "ra", "re", "ri", "ro", "sa", "se", "so", "ta", "te", "ti", "to", "va", "vi", "wa",
    "zi",
)  # fmt: skip
_STARS = (
    ("Downey Jr., Robert", "m"), ("Curry, Tim", "m"), ("Burton, Tim", "m"), ("Angeli, Pier", "f"),
    ("Angel, Vanessa", "f"),
    ("Yoshida, Yoko", "f"), ("Bertoni, Albert", "m"), ("Zane, Xavier", "m"), ("Xu, Ang", "f"), ("Andrews, Anna", "f"),
)  # fmt: skip
_MALE = (
    "Robert",
    "John",
    "Tim",
    "Bert",
    "David",
    "Michael",
    "James",
    "Peter",
    "Hans",
    "Yoji",
    "Pierre",
    "Carlos",
    "Ivan",
)
_FEMALE = (
    "Anna",
    "Maria",
    "Angela",
    "Angelina",
    "Yoko",
    "Susan",
    "Claire",
    "Andrea",
    "Helen",
    "Laura",
    "Beatrice",
    "Xenia",
)
_CHARACTERS = (
    "Himself", "Herself", "Narrator", "Queen", "Policeman", "Tony Stark", "Iron Man", "Sherlock Holmes", "Batman",
    "Spider-Man", "Nurse", "Doctor", "Old Man", "Woman", "Fireman", "Guard",
)  # fmt: skip
#: The first companies are the largest.
COMPANIES = (
    "Warner Bros. Pictures", "Warner Home Video", "20th Century Fox", "Twentieth Century Fox Film Corporation",
    "YouTube",
    "Lionsgate", "Lionsgate Films", "Lionsgate Home Entertainment", "DreamWorks Animation", "Universal Film Company",
    "Columbia Pictures", "American Broadcasting Company",
)  # fmt: skip
_COMPANY_KINDS = ("Film", "Films", "Pictures", "Productions", "Television", "Entertainment", "Video", "Studio", "Media")
COUNTRY_CODES: Choices = (
    ("[us]", 36.0), ("[gb]", 8.0), ("[de]", 7.0), ("[fr]", 7.0), ("[jp]", 5.0), ("[in]", 4.0), ("[it]", 4.0),
    ("[ca]", 4.0), ("[es]", 3.0), ("[nl]", 2.0), ("[se]", 2.0), ("[dk]", 1.5), ("[pl]", 1.0), ("[ru]", 1.5),
    ("[au]", 2.0),
    ("[sm]", 0.05), (None, 12.0),
)  # fmt: skip
#: The first keywords have most of the movies.
KEYWORDS = (
    "character-name-in-title", "murder", "sequel", "based-on-novel", "love", "death", "violence", "blood",
    "female-nudity",
    "superhero", "fight", "hospital", "gore", "revenge", "second-part", "tv-special", "marvel-comics", "based-on-comic",
    "martial-arts", "hero", "computer-animation", "hand-to-hand-combat", "marvel-cinematic-universe", "nerd", "loner",
    "murder-in-title", "alienation", "dignity", "sequel-to-cult-favorite", "10,000-mile-club",
)  # fmt: skip
_VOICES: Choices = (
    (None, 55.0), ("(uncredited)", 14.0), ("(voice)", 5.0), ("(as himself)", 8.0), ("(voice: English version)", 1.0),
    ("(voice: Japanese version)", 0.5), ("(voice) (uncredited)", 0.7), ("(credit only)", 2.0),
    ("(archive footage)", 4.0),
    ("(producer)", 0.1),
)  # fmt: skip
_WRITERS: Choices = (
    (None, 30.0), ("(writer)", 20.0), ("(written by)", 14.0), ("(story)", 10.0), ("(head writer)", 3.0),
    ("(story editor)", 3.0), ("(novel)", 6.0), ("(screenplay)", 14.0),
)  # fmt: skip
_PRODUCERS: Choices = (
    ("(producer)", 40.0), ("(executive producer)", 25.0), ("(co-producer)", 12.0), ("(associate producer)", 12.0),
    (None, 11.0),
)  # fmt: skip
_OTHERS: Choices = ((None, 70.0), ("(uncredited)", 8.0), ("(assistant)", 12.0), ("(additional)", 10.0))
#: What stands beside each role.
NOTES = MappingProxyType(
    dict.fromkeys(ROLES, _OTHERS) | {"actor": _VOICES, "actress": _VOICES, "producer": _PRODUCERS, "writer": _WRITERS}
)
#: How many there are of each kind of information, for one movie on average; 5.8 in all.
INFO_PER_MOVIE = (
    ("runtimes", 0.5), ("color info", 0.55), ("genres", 0.75), ("languages", 0.55), ("certificates", 0.25),
    ("sound mix", 0.2), ("tech info", 0.25), ("countries", 0.55), ("taglines", 0.1), ("goofs", 0.15), ("quotes", 0.15),
    ("release dates", 1.2), ("trivia", 0.2), ("locations", 0.25), ("plot", 0.15), ("budget", 0.08),
)  # fmt: skip
PERSON_INFO: Choices = (
    ("birth date", 25.0), ("birth notes", 22.0), ("height", 12.0), ("mini biography", 9.0), ("trivia", 16.0),
    ("death date", 8.0), ("spouse", 8.0),
)  # fmt: skip
AUTHORS = ("Volker Boehm", "Anonymous", "Jon C. Hopwood", "Pedro Borges", None, None)
TITLE_NOTES = (None, "(imdb display title)", "(new title)", "(working title)", "(alternative spelling)")
_LANGUAGES = ("English", "German", "French", "Japanese", "Spanish", "Swedish", "Danish", "Norwegian", "Hindi")
_COUNTRIES = (
    "USA", "UK", "Germany", "France", "Japan", "India", "Italy", "Canada", "Sweden", "Denmark", "Norway", "Bulgaria",
)  # fmt: skip
_GENRES = (
    "Drama", "Comedy", "Short", "Documentary", "Romance", "Thriller", "Action", "Family", "Horror", "Crime",
    "Adventure",
    "Sci-Fi", "Western", "War", "Mystery",
)  # fmt: skip
_LISTED = MappingProxyType(
    {
        "genres": _GENRES, "languages": _LANGUAGES, "countries": _COUNTRIES, "color info": ("Color", "Black and White"),
        "sound mix": ("Mono", "Stereo", "Dolby Digital", "Silent"),
    }
)  # fmt: skip
_MONTHS = ("January", "March", "May", "July", "September", "November")
_MEDIA = ("(theatrical)", "(TV)", "(VHS)", "(DVD)", "(Blu-ray)", "(worldwide)")
_MADE = ("(presents)", "(co-production)", "(in association with)", "(as Metro-Goldwyn-Mayer Pictures)", "(produced by)")
_NAMES_OF_CODES = MappingProxyType({"[us]": "USA", "[jp]": "Japan", "[fr]": "France", "[de]": "Germany", "[gb]": "UK"})


def skewed(chance: random.Random, words: Sequence[str]) -> str:
    """Choose one, the first ones most often."""
    return words[int(len(words) * chance.random() ** 1.8)]


def syllables(chance: random.Random, count: int) -> str:
    """Return a word of so many syllables."""
    return "".join(chance.choices(_SYLLABLES, k=count))


def title(chance: random.Random) -> str:
    """Return a title."""
    if chance.random() < 0.004:
        return chance.choice(_KNOWN_TITLES)
    words = (chance.choice(_ADJECTIVES), skewed(chance, NOUNS).capitalize(), syllables(chance, 2).capitalize())
    return " ".join(words[int(3 * chance.random() ** 2) :]) if chance.random() < 0.3 else " ".join(words)


def person(chance: random.Random, gender: str | None) -> str:
    """Return a name as IMDb writes it, the surname first."""
    if chance.random() < 0.004:
        return chance.choice([name for name, of in _STARS if gender in {of, None}])
    first = skewed(chance, _FEMALE if gender == "f" else _MALE)
    return f"{syllables(chance, chance.randint(2, 4)).capitalize()}, {first}"


def character(chance: random.Random) -> str:
    """Return the name of a role."""
    if chance.random() < 0.05:
        return skewed(chance, _CHARACTERS)
    first = skewed(chance, (*_MALE, *_FEMALE))
    return f"{first} {syllables(chance, chance.randint(2, 3)).capitalize()}"


def company(chance: random.Random) -> str:
    """Return the name of a company."""
    return f"{syllables(chance, chance.randint(2, 3)).capitalize()} {skewed(chance, _COMPANY_KINDS)}"


def roles(gender: str | None) -> Choices:
    """Return the places of the roles, from 1, that somebody has, with their shares."""
    acting = {"m": (48.0, 0.0), "f": (0.0, 65.0)}.get(gender or "", (6.0, 3.0))
    shares = (*acting, 12.0, 10.0, 3.0, 3.0, 1.5, 8.0, 5.0, 14.0, 1.0, 0.3)
    return tuple((str(place), share) for place, share in enumerate(shares, 1))


def company_note(chance: random.Random, year: int, country: str, *, is_distributor: bool) -> str | None:
    """Return what a company did for a movie: distributors where, when and how, others seldom that and often nothing."""
    if not is_distributor and chance.random() < 0.85:
        return skewed(chance, _MADE) if chance.random() < 0.25 else None
    where = _NAMES_OF_CODES.get(country, "USA") if chance.random() < 0.8 else "worldwide"
    return f"({year + chance.randint(0, 2)}) ({where}) {skewed(chance, _MEDIA)}"


def info(chance: random.Random, kind: str, year: int) -> tuple[str, str | None]:
    """Return a piece of information, and the note beside it."""
    if (listed := _LISTED.get(kind)) is not None:
        return skewed(chance, listed), None
    match kind:
        case "release dates":
            note = skewed(chance, ("(premiere)", "(limited)", "(internet)")) if chance.random() < 0.15 else None
            return f"{skewed(chance, _COUNTRIES)}:{chance.randint(1, 28)} {chance.choice(_MONTHS)} {year}", note
        case "runtimes":
            text = f"{int(chance.gauss(90, 25))}"
        case "budget":
            text = f"${100_000 * int(1 + 900 * chance.random() ** 4):,}"
        case "certificates":
            text = f"{skewed(chance, _COUNTRIES)}:{chance.randint(6, 18)}"
        case _:
            text = f"{' '.join(chance.choices(NOUNS, k=chance.randint(3, 16)))} {syllables(chance, 3)}"
    return text, None

"""What columns are usually called: the names and words that say user, item, time and the rest.

Boundary: names alone; no values, no files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

NAMELESS = "column {}"
"""Names of the columns of a table without a header, from 1."""


def words(text: str) -> tuple[str, ...]:
    """The words of a list written as one line."""
    return tuple(text.split())


# Best name first. Compared in lower case without punctuation and without RecBole's `:type`.
NAMES: dict[str, tuple[str, ...]] = {
    "user": words(
        "userid user uid reviewerid customerid customer visitorid memberid accountid buyerid clientid "
        "shopperid shopper authorid author username reviewer buyer visitor member u"
    ),
    "item": words(
        "itemid item parentasin asin productid product movieid movie bookid isbn articleid trackid songid "
        "gameid businessid gmapid recipeid sku stockcode iid artistid contentid newsid thing i"
    ),
    "timestamp": words(
        "timestamp unixreviewtime unixtime time ts datetime eventtime createdat dateadded date reviewdate "
        "reviewtime tdat transactiondate orderdate invoicedate purchasedate"
    ),
    "rating": words(
        "rating ratings overall starrating stars score label plays playcount listencount listens nplays "
        "weight"
    ),
    "title": words(
        "title itemtitle producttitle movietitle booktitle itemname productname prodname moviename "
        "name description"
    ),
    "category": words(
        "category categories genres genre class maincategory maincat department categorycode producttype"
    ),
    "brand": words("brand manufacturer store publisher artist developer"),
    "history": words(
        "itemidlist historyitemid history itemids itemlist items sequence itemseq itemsequence purchases"
    ),
    "history_title": words("historyitemtitle historytitle itemtitlelist historytitles itemtitles titles"),
}

# Words of a name that is none of the above.
PERSON = frozenset(
    words("user customer reviewer member buyer client visitor shopper account person author viewer")
)
THING = frozenset(
    words(
        "item product movie book article track song game business recipe sku artist content news film video "
        "show app anime goods hotel restaurant place venue poi listing asin isbn"
    )
)
IDENTITY = frozenset(words("id ids code key no nr number uuid hash index"))
CALLED = frozenset(words("title name headline"))
WHEN = frozenset(words("time date timestamp datetime ts at unix day"))
GRADE = frozenset(words("rating ratings stars star score rate grade overall preference"))
ORDERING = frozenset(words("order number no nr seq sequence step index idx position place turn visit round"))
LIST = frozenset(words("list lists history histories seq sequence sequences items hist clicks clicked past"))
ATTRIBUTE = frozenset(
    words(
        "tag tags genre genres category categories keyword keywords topic topics word words feature features"
    )
)
REVIEW = frozenset(words("review comment summary headline body text tip"))
OTHER = frozenset(
    words(
        "vote votes count counts num total avg average mean sum quantity qty amount price cost lat "
        "latitude lon lng long longitude helpful useful funny cool page position rank session impression "
        "row year age zip postal phone url link image img picture hours weight height width length size "
        "country city state address marketplace vine verified is has release released birth since "
        "updated modified published expires invoice order"
    )
)
"""Words that say a column is a measure or a fact of its own: never who, what or how good."""

EXACT, LIKELY = 1.0, 0.6
_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


def plain_name(column: str) -> str:
    """Lower-case letters and digits of a column name, RecBole's type suffix dropped."""
    return re.sub(r"[^a-z0-9]", "", column.lower().partition(":")[0])


def known_name(column: str) -> bool:
    """True when the name says what the column is."""
    return any(plain_name(column) in names for names in NAMES.values())


@cache
def parts(column: str) -> tuple[str, ...]:
    """The words of a column name: `movieName:token_seq` -> (movie, name)."""
    return tuple(part.lower() for part in _PARTS.findall(column.partition(":")[0]))


def named_as(column: str, role: str) -> float:
    """How clearly the name says `role`: EXACT for a known name, LIKELY for telling words, 0 for neither."""
    if plain_name(column) in NAMES.get(role, ()):
        return EXACT
    said = set(parts(column))
    return LIKELY if said and _likely(said, parts(column)[-1], role) else 0.0


def _likely(said: set[str], last: str, role: str) -> bool:
    """What the words of a name (`last` of them) say where it is no known one."""
    people, things, called = said & PERSON, said & THING, last in CALLED
    return {
        "user": bool(people) and (last in IDENTITY or last in PERSON),
        "item": bool(things) and (last in IDENTITY or last in THING) and not people and not said & LIST,
        "timestamp": bool(said & WHEN) and not said & (OTHER | PERSON | THING),
        "rating": bool(said & GRADE) and not said & OTHER,
        "title": called and bool(things or len(said) == 1) and not people and not said & REVIEW,
        "history": bool(said & LIST) and not said & CALLED,
        "history_title": bool(said & LIST) and bool(said & CALLED),
    }.get(role, False)


def better_named(column: str, others: Sequence[str], role: str) -> bool:
    """True when one of `others` stands before `column` among the known names of the role."""
    names = NAMES.get(role, ())
    place = {name: k for k, name in enumerate(names)}
    mine = place.get(plain_name(column), len(names))
    return any(place.get(plain_name(other), len(names)) < mine for other in others if other != column)


def says_attributes(column: str) -> bool:
    """True when words of the name say tags, genres or words: lists, but of no items."""
    return bool(set(parts(column)) & ATTRIBUTE)


def says_other(column: str) -> bool:
    """True when words of the name say a measure, a place or a fact of something else."""
    return bool(set(parts(column)) & OTHER) and not known_name(column)

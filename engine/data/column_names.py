"""What columns are usually called: the names that say user, item, time and the rest.

Boundary: names alone; no values, no files.
"""

from __future__ import annotations

import re

NAMELESS = "column {}"
"""Names of the columns of a table without a header, from 1."""


def words(text: str) -> tuple[str, ...]:
    """The words of a list written as one line."""
    return tuple(text.split())


# Best name first. Compared in lower case without punctuation and without RecBole's `:type`.
NAMES: dict[str, tuple[str, ...]] = {
    "user": words(
        "userid user uid reviewerid customerid customer visitorid memberid accountid buyerid clientid "
        "sessionid session authorid author username u"
    ),
    "item": words(
        "itemid item parentasin asin productid product movieid movie bookid isbn articleid trackid songid "
        "gameid businessid gmapid recipeid sku stockcode iid artistid contentid newsid i"
    ),
    "timestamp": words(
        "timestamp unixreviewtime unixtime time ts datetime eventtime createdat date reviewtime tdat "
        "orderdate invoicedate purchasedate"
    ),
    "rating": words("rating ratings overall stars score label"),
    "title": words(
        "title itemtitle producttitle movietitle booktitle itemname productname prodname name description"
    ),
    "category": words(
        "category categories genres genre class maincategory maincat department categorycode producttype"
    ),
    "brand": words("brand manufacturer store publisher artist developer"),
}


def plain_name(column: str) -> str:
    """Lower-case letters and digits of a column name, RecBole's type suffix dropped."""
    return re.sub(r"[^a-z0-9]", "", column.lower().partition(":")[0])


def known_name(column: str) -> bool:
    """True when the name says what the column is."""
    return any(plain_name(column) in names for names in NAMES.values())

"""Lines of orders whose user stands in another file, as grocers and shops export them."""

from pathlib import Path

import pytest

from db.errors import DataError
from engine.data.importing import Unsure, preview, read_path
from engine.data.report import ImportOptions
from tests.engine.data.originals import titles_of, write

EVERYBODY = ImportOptions(min_history=1)
BASKETS = {
    # order: user, number of the user's order, products in the basket
    31: (1, 1, (5, 2, 9)),
    12: (1, 2, (7, 3)),
    45: (1, 3, (1,)),
    17: (2, 1, (2, 4)),
    28: (2, 2, (9, 8, 6)),
    39: (3, 1, (5, 7)),
    14: (3, 2, (2,)),
    26: (3, 3, (4, 3, 1)),
}


def instacart(folder: Path) -> Path:
    """The files of the Instacart contest: the last order of each user is a part of its own."""
    last = {user: max(n for u, n, _ in BASKETS.values() if u == user) for user in (1, 2, 3)}
    orders = [
        f"{order},{user},{'train' if number == last[user] else 'prior'},{number},{order % 7},08,"
        f"{'' if number == 1 else '7.0'}"
        for order, (user, number, _) in BASKETS.items()
    ]
    head = "order_id,user_id,eval_set,order_number,order_dow,order_hour_of_day,days_since_prior_order"
    write(folder / "orders.csv", "\n".join([head, *orders]) + "\n")
    for part in ("prior", "train"):
        lines = [
            f"{order},{product},{place},0"
            for order, (user, number, products) in sorted(BASKETS.items())
            if (part == "train") == (number == last[user])
            for place, product in enumerate(products, 1)
        ]
        head = "order_id,product_id,add_to_cart_order,reordered"
        write(folder / f"order_products__{part}.csv", "\n".join([head, *lines]) + "\n")
    products = [f"{n},Organic Tea {n},{n % 3},{n % 2}" for n in range(1, 10)]
    head = "product_id,product_name,aisle_id,department_id"
    write(folder / "products.csv", "\n".join([head, *products]) + "\n")
    write(folder / "aisles.csv", "aisle_id,aisle\n0,fresh fruits\n1,dry pasta\n2,soft drinks\n")
    return folder


def histories(columns: object) -> dict[str, list[str]]:
    of: dict[str, list[str]] = {}
    for user, item in zip(columns.user, columns.item, strict=True):  # type: ignore[attr-defined]
        of.setdefault(columns.user_ids[user], []).append(columns.item_ids[item])  # type: ignore[attr-defined]
    return of


def test_the_user_is_found_by_the_order(tmp_path: Path) -> None:
    columns, report = read_path(instacart(tmp_path), options=ImportOptions(min_history=1, repeats="all"))
    assert histories(columns) == {
        "1": ["5", "2", "9", "7", "3", "1"],
        "2": ["2", "4", "9", "8", "6"],
        "3": ["5", "7", "2", "4", "3", "1"],
    }
    assert titles_of(columns)["5"] == "Organic Tea 5"
    assert (report.mapping["user"], report.mapping["timestamp"]) == ("user_id", "order_number")
    assert report.evidence["user"].startswith("in orders.csv by order_id: named like it")
    assert report.mapping["rating"] is None
    assert set(report.files) == {
        "order_products__prior.csv",
        "order_products__train.csv",
        "orders.csv",
        "products.csv",
    }


def test_lines_of_orders_that_are_not_there_are_counted(tmp_path: Path) -> None:
    folder = instacart(tmp_path)
    with open(folder / "order_products__prior.csv", "a") as file:
        file.write("99,5,1,0\n")
    columns, report = read_path(folder, options=EVERYBODY)
    [(reason, entry)] = report.dropped.items()
    assert (reason, entry["count"]) == ("not in orders.csv", 1)
    assert entry["examples"][0]["detail"] == "order_id '99'"
    assert report.rows_kept == len(columns.user) == 17


@pytest.mark.parametrize("yes", [False, True])
def test_an_order_is_never_taken_for_a_user(yes: bool, tmp_path: Path) -> None:
    folder = instacart(tmp_path)
    (folder / "orders.csv").unlink()
    with pytest.raises(Unsure, match="which is the user"):
        read_path(folder, yes=yes)


def test_one_file_of_the_two_finds_the_other_or_names_it(tmp_path: Path) -> None:
    folder = instacart(tmp_path)
    columns, _ = read_path(folder / "order_products__prior.csv", options=EVERYBODY)
    assert set(columns.user_ids) == {"1", "2", "3"}
    with pytest.raises(DataError, match=r"orders\.csv: it names users and orders; the items stand in order_"):
        read_path(folder / "orders.csv")


def test_a_person_may_take_the_orders_for_users(tmp_path: Path) -> None:
    columns, _ = read_path(instacart(tmp_path), mapping={"user": "order_id"}, options=EVERYBODY)
    assert "31" in columns.user_ids


def test_the_names_of_a_data_base_and_times_of_the_orders(tmp_path: Path) -> None:
    """`orders.id` is what `order_id` of the lines names; numbers may be written with a point."""
    orders = [f"{o},{u},2024-0{n}-05 10:00:00,19.90" for o, (u, n, _) in BASKETS.items()]
    lines = [f"{o}.0;{p};{n}" for o, (_, _, some) in BASKETS.items() for n, p in enumerate(some, 1)]
    write(tmp_path / "orders.csv", "\n".join(["id,customer_id,created_at,total", *orders]) + "\n")
    write(tmp_path / "order_items.csv", "\n".join(["order_id;product_id;quantity", *lines]) + "\n")
    seen = preview(tmp_path)
    assert not seen.questions
    assert [seen.mapping[f] for f in ("user", "item", "timestamp")] == [
        "customer_id",
        "product_id",
        "created_at",
    ]
    assert seen.rows[0][-3:] == ["1", "2024-01-05 10:00:00", "19.90"]
    columns, _ = read_path(tmp_path, options=EVERYBODY)
    assert histories(columns)["3"] == ["5", "7", "2", "4", "3", "1"]

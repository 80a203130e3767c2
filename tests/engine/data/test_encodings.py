"""Encodings: found with a confidence, asked about where they are not clear, said by a person."""

from pathlib import Path

import pytest

from db.errors import DataError
from engine.data.encodings import encoding_question, guess_encoding
from engine.data.files import open_source
from engine.data.report import Report
from engine.data.text import HEAD, blocks, text_head

TITLES = {
    "gbk": ("霸王别姬", "卧虎藏龙", "花样年华"),
    "shift_jis": ("七人の侍", "東京物語", "千と千尋の神隠し"),
    "big5": ("霸王別姬", "臥虎藏龍", "花樣年華"),
    "euc-kr": ("올드보이", "기생충", "괴물"),
    "cp1251": ("Война и мир", "Преступление", "Ночной дозор"),
    "cp1253": ("Ζορμπάς", "Κυνόδοντας", "Η Αιωνιότητα"),
    "cp1252": ("Pokémon Moon", "Über Käufe", "Les Misérables"),
    "utf-16": ("霸王别姬", "Café", "x"),
    "utf-16-le": ("plain", "Café", "x"),
    "utf-32": ("plain", "Café", "x"),
    "utf-8-sig": ("plain", "Café", "霸王别姬"),
}


def body(encoding: str, titles: tuple[str, ...]) -> bytes:
    lines = [f"u{n % 5},i{n},{titles[n % len(titles)]}\n" for n in range(30)]
    return ("user_id,item_id,title\n" + "".join(lines)).encode(encoding)


def whole_text(path: Path, said: str | None = None) -> tuple[str, Report]:
    [folder] = open_source(path, "x", said)
    assert folder.only
    report = Report()
    parts = [block.text for block in blocks(folder.only, report, lambda *_: None, report.unreadable)]
    assert text_head(folder.only)[0] == parts[0].split("\n")[0]
    return "\n".join(parts), report


@pytest.mark.parametrize("encoding", list(TITLES))
def test_the_encoding_is_found(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(body(encoding, TITLES[encoding]))
    text, report = whole_text(tmp_path / "x.csv")
    assert text == body("utf-8", TITLES[encoding]).decode().removesuffix("\n")
    assert report.questions == []
    assert report.repaired == {}
    assert any("is not UTF-8" in note for note in report.notes) != encoding.startswith("utf")


@pytest.mark.parametrize(
    ("encoding", "titles"),
    [
        ("cp1250", ("Zażółć gęślą jaźń", "Wiedźmin", "Łódź")),
        ("cp1254", ("Kış Uykusu", "Güneşe Yolculuk", "Yol")),
    ],
)
def test_a_weak_guess_is_a_question_with_the_words_as_they_would_read(
    encoding: str, titles: tuple[str, ...], tmp_path: Path
) -> None:
    data = body(encoding, titles)
    (tmp_path / "x.csv").write_bytes(data)
    _, report = whole_text(tmp_path / "x.csv")
    [question] = report.questions
    assert (question.field, question.option) == ("encoding", "encoding")
    assert question == encoding_question("x.csv", data, guess_encoding(data))
    offered = {candidate.name: candidate.examples for candidate in question.candidates}
    assert titles[0] in offered[encoding]
    text, report = whole_text(tmp_path / "x.csv", encoding)
    assert text == body("utf-8", titles).decode().removesuffix("\n")
    assert report.questions == []


def test_an_encoding_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(body("cp1252", TITLES["cp1252"]))
    with pytest.raises(DataError, match=r"x\.csv, line 2: it is not in the encoding utf-8"):
        whole_text(tmp_path / "x.csv", "utf-8")


def test_a_few_lines_in_another_encoding_are_repaired_and_counted(tmp_path: Path) -> None:
    data = body("utf-8", TITLES["gbk"]) + "u1,i40,Café\n".encode("cp1252") + "u1,i41,花样年华\n".encode("gbk")
    (tmp_path / "x.csv").write_bytes(data)
    text, report = whole_text(tmp_path / "x.csv")
    assert "u1,i40,Café\n" in text
    assert "\ufffd" in text.splitlines()[-1]
    assert {reason: entry["count"] for reason, entry in report.repaired.items()} == {
        "line not UTF-8, read as Windows-1252": 1,
        "letters not readable as utf-8 in the line": 1,
    }
    assert report.questions == []


def test_letters_that_come_late_in_another_encoding_are_asked_about(tmp_path: Path) -> None:
    plain = b"user_id,item_id,title\n" + b"u1,i1,plain words of a title\n" * (HEAD // 28 + 10)
    late = "".join(f"u{n},i{n},{title}\n" for n in range(900) for title in TITLES["gbk"]).encode("gbk")
    (tmp_path / "x.csv").write_bytes(plain + late)
    _, report = whole_text(tmp_path / "x.csv")
    assert report.repaired["letters not readable as utf-8 in the line"]["count"] == 2700
    [question] = report.questions
    assert question.candidates[0].name == "gb18030"
    assert "霸王别姬" in question.candidates[0].examples
    assert "霸王别姬" in whole_text(tmp_path / "x.csv", "gb18030")[0]

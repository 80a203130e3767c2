"""The documentation says what is so: generated pages are fresh, links resolve, what is named exists."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dashboard import pages as dashboard_pages
from dashboard.screens.guide.markdown import Image, parts
from dashboard.ui import help
from db.requests import OptimizeRequest, RunRequest, StudyRequest, TuneRequest
from db.requests.fields import described
from docs.scripts import generate, measure

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
TEXTS = [ROOT / "README.md", *PAGES]
README_LINES = 160
PICTURE_BYTES = 150_000

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"`((?:engine|db|dashboard)(?:\.\w+)+)`")
_MODULE = re.compile(r"python -m ([\w.]+)")
_COMMAND = re.compile(r"dualens ((?:study |experiment |lists |bench |sets |judge |inspect )?[a-z]+)")
_FILE = re.compile(r"`((?:engine|db|dashboard|docs|tests)/[\w./-]+)`")


def name(path: Path) -> str:
    return path.name


def anchors(path: Path) -> set[str]:
    """Sections of a page as mkdocs and the dashboard name them."""
    text = _FENCE.sub("", path.read_text(encoding="utf-8"))
    return {
        re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())
        for heading in _HEADING.findall(text)
    }


def test_generated_pages_are_fresh() -> None:
    assert not generate.stale(), "run python -m docs.scripts.generate"


def test_measurements_that_pages_show_are_made_by_commands_that_exist() -> None:
    shown = {
        name for path in TEXTS for name in re.findall(r"<!-- measured: ([\w-]+)", path.read_text("utf-8"))
    }
    assert shown <= set(measure.MEASURED)
    for words in measure.MEASURED.values():
        first, *others = words.split()
        if first.startswith(measure.SCRIPT):
            importlib.import_module(first).asked_for(others)
        else:
            parsed([first, *others])


def test_a_page_may_show_a_part_of_a_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "measured").mkdir()
    (tmp_path / "measured" / "one.md").write_text("`dualens one`.\n\n| a | x |\n\n| b | y |\n\nnote: c\n")
    (tmp_path / "results.md").write_text("<!-- measured: one, only: b; note -->\nold\n<!-- end -->\n")
    monkeypatch.setattr(generate, "FOLDER", tmp_path)
    (tmp_path.parent / "README.md").write_text("<!-- measured: one -->\n<!-- end -->")
    made = generate.results()
    assert "| b | y |\n\nnote: c" in made["results.md"]
    assert "| a |" not in made["results.md"]
    assert "old" not in made["results.md"]
    assert "`docs/measured/one.md`" in made["results.md"]
    assert "| a | x |" in made["../README.md"]
    (tmp_path / "results.md").write_text("<!-- measured: one, only: gone -->\n<!-- end -->\n")
    with pytest.raises(ValueError, match="begins with gone"):
        generate.results()


_PLACED = re.compile(r"<!-- measured: .*?<!-- end -->", re.DOTALL)
_DECIMALS = re.compile(r"(?<![\d.])\d\.\d{3}(?!\d)")


ABOUT_RESULTS = [path for path in TEXTS if path.stem.startswith(("README", "results"))]


@pytest.mark.parametrize("path", ABOUT_RESULTS, ids=name)
def test_numbers_in_sentences_about_results_stand_in_a_measurement(path: Path) -> None:
    """A sentence rounds nothing: what it says with three decimals is found in what a command printed."""
    kept = "\n".join(each.read_text(encoding="utf-8") for each in sorted((DOCS / "measured").glob("*.md")))
    said = _PLACED.sub("", path.read_text(encoding="utf-8"))
    assert [number for number in _DECIMALS.findall(said) if number not in kept] == []


def parsed(words: list[str]) -> None:
    """Raises where the command line does not know these words."""
    from typer.main import get_command

    from engine.__main__ import app

    command = get_command(app)
    context = command.make_context("dualens", [*words[:1], "--help"], resilient_parsing=True)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    command.make_context("dualens", words, parent=context)


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= README_LINES


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_links_inside_the_repository_resolve(path: Path) -> None:
    for link in _LINK.findall(_FENCE.sub("", path.read_text(encoding="utf-8"))):
        if "://" in link:
            continue
        file, _, section = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.is_file(), link
        if section and target.suffix == ".md":
            assert section in anchors(target), link


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_what_is_named_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for dotted in _NAMED.findall(text):
        assert resolved(dotted) is not None, dotted
    for module in _MODULE.findall(text):
        assert importlib.util.find_spec(module) is not None, module
    for file in _FILE.findall(text):
        if "NAME" not in file:
            assert (ROOT / file).exists(), file


def resolved(dotted: str) -> object:
    """The module, function, class or method that a dotted name means. Raises where there is none."""
    words = dotted.split(".")
    for length in range(len(words), 0, -1):
        try:
            found: object = importlib.import_module(".".join(words[:length]))
        except ModuleNotFoundError:
            continue
        for word in words[length:]:
            found = getattr(found, word)
        return found
    raise ModuleNotFoundError(dotted)


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_commands_in_the_texts_exist(path: Path) -> None:
    from typer.main import get_command

    from dualens import command_line

    root = get_command(command_line())
    known = {words.removeprefix("dualens ") for words, _ in generate._commands(root, "dualens")}
    text = path.read_text(encoding="utf-8")
    code = "\n".join([*_FENCE.findall(text), *re.findall(r"`(dualens [^`]+)`", text)])
    for words in _COMMAND.findall(code):
        assert words in known or words in {"bench ranking", "study"}, words


def test_the_tree_of_the_architecture_is_the_tree() -> None:
    tree = re.search(
        r"## Layout\n\n```\n(.*?)```", (DOCS / "architecture.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert tree is not None
    above: list[str] = []
    for line in tree[1].splitlines():
        folder = line.split()[0].rstrip("/")
        depth = (len(line) - len(line.lstrip())) // 2
        above[depth:] = [folder]
        assert (ROOT / "/".join(above)).is_dir(), line


def test_every_page_is_in_the_contents_and_in_the_navigation() -> None:
    assert set(help.TITLES) == {path.stem for path in PAGES}
    navigation = re.search(
        r"^nav:\n(.*)", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert navigation is not None
    listed = re.findall(r"- (.+): ([\w-]+)\.md", navigation[1])
    assert [(file, title) for title, file in listed] == list(help.TITLES.items())


def test_every_page_of_the_dashboard_has_its_page_of_documentation() -> None:
    without = {page.title for page in dashboard_pages.PAGES if not page.docs}
    assert without == {"Guide"}
    assert all(page.docs in help.TITLES for page in dashboard_pages.PAGES if page.docs)


def help_places() -> set[str]:
    """Every place that a help text of the dashboard links to: written there, or of a request's field."""
    calls = [
        node
        for file in (ROOT / "dashboard").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "help.more"
    ]
    written = {
        call.args[1].value for call in calls if len(call.args) > 1 and isinstance(call.args[1], ast.Constant)
    }
    asked = (RunRequest, OptimizeRequest, StudyRequest, TuneRequest)
    return written | {field.guide for request in asked for field in described(request) if field.guide}


def test_help_texts_link_to_sections_that_exist() -> None:
    places = help_places()
    assert places
    for place in places:
        page, _, section = place.partition("#")
        assert (DOCS / f"{page}.md").is_file(), place
        assert not section or section in anchors(DOCS / f"{page}.md"), place


def test_pictures_are_small_and_all_used() -> None:
    shown = "".join(path.read_text(encoding="utf-8") for path in TEXTS)
    pictures = sorted((DOCS / "img").iterdir())
    assert pictures
    for picture in pictures:
        assert picture.stat().st_size <= PICTURE_BYTES, picture.name
        assert picture.name in shown, picture.name


def test_the_site_builds_strictly_and_fetches_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    for page in tmp_path.rglob("*.html"):
        fetched = re.findall(
            r"<(?:script|img|link|iframe)[^>]+(?:src|href)=\"(https?:[^\"]+)", page.read_text("utf-8")
        )
        assert not fetched, page.name


def test_a_page_becomes_what_streamlit_shows() -> None:
    text = (
        "# A\n\nIt costs $5, see [nats](glossary.md#nats) and `$x`.\n\n![light](img/a.webp#only-light)\n"
        "<!-- a comment -->\n![dark](img/b.webp#only-dark)\n\n```\n[kept](x.md) $\n```\n"
    )
    first, picture, last = parts(text, "dark", help.url)
    assert first == (
        '# A\n\nIt costs \\$5, see <a href="guide?doc=glossary#nats" target="_self">nats</a> and `$x`.\n'
    )
    assert picture == Image("img/b.webp", "dark")
    assert last == "\n```\n[kept](x.md) $\n```"


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_pages_hold_nothing_the_dashboard_would_show_as_html(path: Path) -> None:
    """Links between pages take HTML, so a page's own angle brackets must stand in code."""
    shown = re.sub(r"^<!--.*-->$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    text = re.sub(r"`[^`]*`", "", _FENCE.sub("", shown))
    assert not re.search(r"<[a-zA-Z/!]", text)

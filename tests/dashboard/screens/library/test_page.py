"""The Library page: data sets, the import from first look to report, models, jobs, storage."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from streamlit.testing.v1 import AppTest

from dashboard.screens.library import data_shelf, import_columns, job_shelf
from dashboard.text import domain
from dashboard.ui import engine_status, progress
from db import datasets, jobs, models, workers
from db.store import Store
from db.workers import Worker
from tests.support import fake_study, shop
from tests.support.fake_engine import FakeEngine
from tests.support.reading import button, read, texts, until

Open = Callable[..., AppTest]


def test_an_empty_library_says_what_to_do(open_page: Open, store: Store) -> None:
    app = open_page("library")
    assert not app.exception
    assert "No data set yet" in texts(app)


def test_data_sets_are_listed_literally(open_page: Open, store: Store) -> None:
    shop.stock(store, name="<b>shop</b> :smile:")
    app = open_page("library")
    table = app.dataframe[0].value
    assert list(table["name"]) == ["<b>shop</b> :smile:"]
    assert list(table["kind"]) == ["simulated"]


def test_a_data_set_names_its_format_in_words(store: Store) -> None:
    info = shop.stock(store)
    kinds = ["movielens-latest", "generic", "of another version"]
    known = [replace(info, kind=kind, simulated=False) for kind in kinds]
    table = data_shelf.datasets_table(known)
    assert list(table["kind"]) == ["MovieLens latest", "table of interactions", "of another version"]


def test_import_from_a_path(open_page: Open, store: Store) -> None:
    with FakeEngine(store):
        app = open_page("library")
        app.text_input(key="import-path").set_value("/data/toy.csv").run()
        button(app, "Preview this path").click().run()
        until(app, "a table")
        assert not app.exception
        preview = next(each.value for each in app.dataframe if "who" in each.value.columns)
        assert list(preview["what"]) == ["<b>i1</b>", "i2"]
        assert "The times are read as seconds." in texts(app)
        mapped = next(box for box in app.selectbox if box.label == "Rating")
        assert mapped.value == "(none)"
        mapped.set_value("when").run()
        until(app, "a table")
        asked = [job for job in jobs.listing(store, kinds=["preview"]) if job.payload["mapping"]]
        assert asked[0].payload["mapping"]["rating"] == "when"
        next(each for each in app.text_input if each.label == "Name of the data set").set_value("toys")
        button(app, "Import").click().run()
        until(app, "is ready")
        said = [each.value.replace("\\", "") for each in app.success]
    button(app, "Import something else").click().run()
    assert app.text_input(key="import-path").value == ""
    app = open_page("library", **{"import": str(jobs.listing(store, kinds=["import"])[0].id)})
    button(app, "Open in Recommend").click().run()
    assert app.query_params["data"] == "toys"
    assert [each.name for each in datasets.listing(store)] == ["toys"]
    filed = jobs.listing(store, kinds=["import"])[0].payload
    assert filed["options"] == {"k_core": 0, "min_history": 3, "min_rating": None, "repeats": "first"}
    assert any("405 of 410 rows kept" in each for each in said)


def test_a_path_is_previewed_with_the_first_click_and_nothing_without_one(
    open_page: Open, store: Store
) -> None:
    app = open_page("library")
    assert not button(app, "Preview this path").disabled
    button(app, "Preview this path").click().run()
    assert not app.exception
    assert not jobs.listing(store, kinds=["preview"])
    app.text_input(key="import-path").set_value("/data/toys.csv")
    button(app, "Preview this path").click().run()
    (job,) = jobs.listing(store, kinds=["preview"])
    assert job.payload["path"] == "/data/toys.csv"


def test_a_file_that_cannot_be_read_is_told_and_nothing_is_stored(open_page: Open, store: Store) -> None:
    with FakeEngine(store):
        app = open_page("library")
        app.text_input(key="import-path").set_value("/data/missing.csv").run()
        button(app, "Preview this path").click().run()
        until(app, "there is no such <file>")
    assert not app.exception
    assert not datasets.listing(store)


def test_delete_and_undo(open_page: Open, store: Store) -> None:
    info = shop.stock(store)
    app = open_page("library")
    datasets.delete(store, "simulated")
    app.session_state["deleted_data"] = info
    app.run()
    assert "Deleted simulated" in texts(app)
    button(app, "Undo").click().run()
    assert [each.name for each in datasets.listing(store)] == ["simulated"]


def test_register_a_model(open_page: Open, store: Store) -> None:
    with FakeEngine(store):
        app = open_page("library", shelf="Models")
        next(each for each in app.text_input if each.label == "Folder, GGUF file or hub id").set_value(
            "me/toy"
        )
        button(app, "Register").click().run()
        until(app, "Registered")
    assert [model.name for model in models.listing(store)] == ["me/toy"]
    assert not any(each.label == "Open in Recommend" for each in app.button), "there is no data to open"


def test_a_registered_model_opens_in_recommend(open_page: Open, store: Store) -> None:
    shop.stock(store)
    with FakeEngine(store):
        app = open_page("library", shelf="Models")
        next(each for each in app.text_input if each.label == "Folder, GGUF file or hub id").set_value(
            "me/toy"
        )
        button(app, "Register").click().run()
        until(app, "Registered")
        button(app, "Open in Recommend").click().run()
    assert not app.exception
    assert (app.query_params["data"], app.query_params["model"]) == ("simulated", "me/toy")


def test_a_registration_says_which_part_it_is_in(open_page: Open, store: Store) -> None:
    app = open_page("library", shelf="Models")
    app.text_input(key="register-source").set_value("me/toy")
    button(app, "Register").click().run()
    (job,) = jobs.listing(store, kinds=["register_model"])
    jobs.claim(store, "me")
    jobs.heartbeat(store, job.id, "me", None, "loading the weights, 26 MiB of 3.0 GiB free")
    app.run()
    assert "loading the weights, 26 MiB of 3.0 GiB free" in texts(app)


def test_a_broken_model_says_why_wherever_it_is_chosen(open_page: Open, store: Store) -> None:
    shop.stock(store)
    models.note(store, models.get(store, "embedded"), models.FOLDER, "its <b>folder</b> is gone.")
    said = "The model 'embedded' is broken: its <b>folder</b> is gone."
    for name, at in (("library", {"shelf": "Models"}), ("studies", {}), ("tune", {}), ("recommend", {})):
        app = open_page(name, **at)
        assert not app.exception
        assert said in read("\n".join([texts(app), *(each.value for each in app.warning)])), name
    assert list(open_page("library", shelf="Models").dataframe[0].value["fits"]) == ["broken"]


def test_jobs_and_storage(open_page: Open, store: Store) -> None:
    job = jobs.submit(store, "import", {"path": "x"})
    jobs.claim(store, "me")
    jobs.fail(store, job.id, "me", "<b>no</b>")
    app = open_page("library", shelf="Jobs")
    table = app.dataframe[0].value
    assert list(table["state"]) == ["failed"]
    assert list(table["message"]) == ["<b>no</b>"]
    app = open_page("library", shelf="Storage")
    assert list(app.dataframe[0].value["part"]) == [
        "database",
        "models",
        "tuned models",
        "baselines",
        "indexes of data sets",
        "uploads",
    ]


def test_a_finished_job_tells_what_came_out(store: Store) -> None:
    for kind, result, told in (
        ("tune", {"model": "<b>mine</b>"}, "<b>mine</b>"),
        ("study", {"dataset": "toys", "claim": "It holds."}, "It holds."),
        ("study", {"dataset": "toys", "model": {"model": "x"}}, "toys"),
        ("pool", {"demonstrations": []}, "–"),
    ):
        job = jobs.submit(store, kind, {"told": told})
        jobs.claim(store, "me")
        jobs.heartbeat(store, job.id, "me", message="1 s left")
        jobs.finish(store, job.id, "me", result)
        table = job_shelf.jobs_table([jobs.get(store, job.id)], time.time())
        assert list(table["message"]) == [told]


def test_a_preview_names_what_it_reads(store: Store) -> None:
    job = jobs.submit(store, "preview", {"path": "/data/my shop.csv"})
    assert list(job_shelf.jobs_table([job], time.time())["work"]) == ["preview of files: my shop.csv"]


def test_a_running_job_tells_progress_rate_and_time_left(store: Store) -> None:
    jobs.submit(store, "import", {"path": "x"})
    job = jobs.claim(store, "me")
    assert job is not None
    jobs.heartbeat(store, job.id, "me", progress=0.25, message="reading <ratings>.csv")
    job = jobs.get(store, job.id)
    assert job.started_at is not None
    text = progress.describe(job, "Importing", job.started_at + 30, workers.RUNS).replace("\\", "")
    assert "30.0 s" in text
    assert "left" not in text, "nothing is known of the time left yet"
    jobs.heartbeat(store, job.id, "me", left=(110.0, 250.0))
    text = progress.describe(jobs.get(store, job.id), "Importing", job.started_at + 30, workers.RUNS)
    assert "2 to 4 min left" in text
    table = job_shelf.jobs_table([job], time.time())
    assert table["progress"][0] == 0.25


def test_a_queue_without_an_engine_says_how_to_start_one(store: Store) -> None:
    job = jobs.submit(store, "import", {"path": "x"})
    assert "to start" in progress.describe(job, "Importing", job.created_at + 1, workers.NONE)
    later = job.created_at + 600
    assert "`dualens`" in progress.describe(job, "Importing", later, workers.NONE)
    assert "being restarted" in progress.describe(job, "Importing", later, workers.RESTARTS)
    assert "next in line" in progress.describe(job, "Importing", later, workers.RUNS)


def test_each_field_of_the_mapping_offers_its_own_columns() -> None:
    preview = {
        "beside": ["b.csv"],
        "columns": ["who", "what"],
        "item_columns": ["id", "name"],
        "mapping": {"user": "who", "items_file": "b.csv", "items_title": "gone", "rating": None},
    }
    assert import_columns.mapping_options("rating", preview) == ["(none)", "who", "what"]
    assert import_columns.mapping_options("items_file", preview) == ["(none)", "b.csv"]
    assert import_columns.mapping_options("items_title", preview) == ["(none)", "id", "name", "gone"]


def test_a_removed_model_comes_back(open_page: Open, store: Store) -> None:
    shop.stock(store)
    app = open_page("library", shelf="Models")
    app.session_state["removed_model"] = models.delete(store, "embedded")
    app.run()
    assert "Removed embedded" in texts(app)
    button(app, "Undo").click().run()
    assert [model.name for model in models.listing(store)] == ["embedded"]
    assert "Removed" not in texts(app)


def test_the_foot_says_what_is_loaded_where() -> None:
    worker = Worker("me", 1, "here", "cpu", "float32", "ready", models=["embedded"])
    now = time.time()
    worker = replace(worker, beat_at=now)
    assert engine_status.state([worker], {"embedded": " · 5.1 M"}, now) == [
        ":green[●] **engine ready**",
        "embedded · 5.1 M · cpu float32",
    ]
    busy = replace(worker, state="busy", message="import <b>", models=[])
    lines = [read(line) for line in engine_status.state([busy], {}, now)]
    two = replace(worker, models=["embedded", "tuned"])
    assert engine_status.state([two], {}, now)[1] == "2 models loaded · cpu float32"
    assert lines == [":blue[●] **engine busy** with import · <b>", "no model loaded yet · cpu float32"]
    assert "no engine" in engine_status.state([], {}, now)[0]


def test_the_engine_says_what_it_does_in_words() -> None:
    assert (
        domain.busy_with("register_model loading the weights") == "registering a model · loading the weights"
    )
    assert domain.busy_with("") == ""


def test_a_data_set_and_a_model_say_what_the_model_knew(home: Path, store: Store) -> None:
    info = shop.stock(store)
    said = AppTest.from_function(_details_of, args=(info.name, "embedded")).run()
    assert "not measured: dualens study contamination -d simulated" in texts(said)
    asked = {"study": "contamination", "dataset": "simulated", "model": "embedded", "users": 20}
    job = jobs.submit(store, "study", asked)
    jobs.claim(store, "me")
    revision = models.get(store, "embedded").revision
    jobs.finish(store, job.id, "me", {**fake_study.contamination(asked), "model": {"revision": revision}})
    said = AppTest.from_function(_details_of, args=(info.name, "embedded")).run()
    assert f"embedded knows titles of simulated: it completes 40.0% of them. (study {job.id})" in read(
        texts(said)
    )
    assert f"How far it knows catalogues: simulated: knows titles (study {job.id})" in read(texts(said))


def _details_of(dataset: str, model: str) -> None:
    """The details of a data set and of a model, as a page draws them."""
    import psutil

    from dashboard.screens.library import data_shelf, model_shelf
    from dashboard.screens.library.model_memory import machine
    from dashboard.state import session
    from db import datasets, models

    data_shelf._details(datasets.get(session.store(), dataset))
    host = machine([], session.store().settings, psutil.virtual_memory().available)
    model_shelf._details(models.get(session.store(), model), host)

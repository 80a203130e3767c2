"""Public models and data sets: offered with size and licence, fetched by the engine when asked."""

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from dashboard.screens.library.model_shelf import origin_words
from db import jobs
from db.public import PUBLIC_DATA, PUBLIC_MODELS
from db.store import Store
from tests.support import shop
from tests.support.reading import texts

Open = Callable[..., AppTest]


def test_models_are_offered_with_size_and_licence_and_fetched_by_a_job(open_page: Open, store: Store) -> None:
    shop.stock(store)
    app = open_page("library", shelf="Models")
    said = texts(app)
    for model in PUBLIC_MODELS.values():
        assert model.about in said
    assert "93 MB · licence: Apache-2.0" in said
    app.button(key="fetch-smollm2").click().run()
    [job] = jobs.listing(store, kinds=["register_model"])
    assert job.payload == {"name": "smollm2", "source": "smollm2"}
    assert not app.exception


def test_what_is_here_is_not_offered(open_page: Open, store: Store) -> None:
    shop.stock(store)
    (store.settings.models / "minilm").mkdir(parents=True)
    app = open_page("library", shelf="Models")
    keys = [each.key for each in app.button]
    assert "fetch-smollm2" in keys
    assert "fetch-minilm" not in keys


def test_a_data_set_by_category_waits_for_the_category(open_page: Open, store: Store) -> None:
    app = open_page("library")
    app.selectbox(key="public-data").set_value("amazon-2023").run()
    assert app.button(key="fetch-data").disabled
    app.text_input(key="public-category").set_value("All_Beauty").run()
    app.button(key="fetch-data").click().run()
    [job] = jobs.listing(store, kinds=["import"])
    assert job.payload["path"] == "amazon-2023:All_Beauty"
    assert job.payload["name"] is None
    assert not app.exception


def test_its_licence_stands_beside_the_button(open_page: Open, store: Store) -> None:
    assert PUBLIC_DATA["movielens-small"].licence in texts(open_page("library"))


def test_where_a_model_came_from_is_one_sentence() -> None:
    gguf = {
        "form": "GGUF",
        "file": "a.gguf",
        "quantization": "Q4_1",
        "stored_as": "float32",
        "licence": "mit",
    }
    assert origin_words(gguf) == (
        "From the GGUF file a.gguf, whose weights of type Q4_1 were computed back to float32. Its licence, "
        "as the file says: mit."
    )
    adapter = {"form": "adapter", "file": "lora", "base": "org/base", "rank": 8}
    assert origin_words(adapter) == "A LoRA adapter (lora), added to its base model org/base."
    packs = {"form": "quantized", "file": "a-fp8", "quantization": "fp8", "stored_as": "bfloat16"}
    assert origin_words(packs) == (
        "From the quantized folder a-fp8, whose weights (fp8) were computed back to bfloat16."
    )

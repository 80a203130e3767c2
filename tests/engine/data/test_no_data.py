"""Files that are no data are refused without a word of what they hold."""

from pathlib import Path

import pytest

from db.errors import DataError
from engine.data import importing

SECRET = "hunter2"
FILES = {
    "id_rsa": "-----BEGIN KEY-----\n" + f"{SECRET}AAAA\n" * 20 + "-----END KEY-----\n",
    "passwd": f"root:{SECRET}:0:0:root:/root:/bin/bash\nbin:{SECRET}:1:1:bin:/bin:/sbin\n",
    "settings.env": f"PASSWORD={SECRET}\nTOKEN={SECRET}1\n",
    "cut.json": f'{{"token": "{SECRET}"',
    "list.jsonl": f'["{SECRET}", 1]\n["{SECRET}", 2]\n',
    "words.json": f'"{SECRET}"\n',
    "odd.json": f'{{"a": {SECRET}}}\n{{"b": {SECRET}}}\n',
    "conf.ini": f"[core]\n\tpassword = {SECRET}\n",
    "one.txt": f"{SECRET}\n",
    "ratings.dat": f"{SECRET}\n{SECRET}\n",
    "u.data": f"{SECRET}\n{SECRET}\n",
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("read", [importing.preview, importing.read_path])
def test_an_error_holds_no_word_of_a_file_that_is_no_data(tmp_path: Path, name: str, read: object) -> None:
    (tmp_path / name).write_text(FILES[name])
    with pytest.raises(DataError) as refused:
        read(tmp_path / name)  # type: ignore[operator]
    assert name in str(refused.value)
    assert SECRET not in str(refused.value)

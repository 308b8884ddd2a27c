"""Named tables and the file of a recipe: where both are looked for, and what is said where they are not."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import polars as pl
import pytest

from aisle.data import datasets, tables
from aisle.data.movielens import (
    COLUMNS,
    read_histories_archive,
    read_histories_parts,
    read_movielens_archive,
    read_movielens_parts,
)
from aisle.errors import BackendUnavailableError, ConfigError, DataError

RATINGS = "2::20::5::978300760\n1::10::3::978302109\n1::20::4::978301968\n"
USERS = "1::F::1::10::48067\n2::M::56::16::70072\n"
MOVIES = "10::Dr. Str: Lov\xe9 (1963)::Sci-Fi|War\n20::Toy Story (1995)::Animation\n"
EXPECTED = [
    (2, 20, 5, "M", 56, 16, "70072", "Animation", 1995),
    (1, 10, 3, "F", 1, 10, "48067", "Sci-Fi|War", 1963),
    (1, 20, 4, "F", 1, 10, "48067", "Animation", 1995),
]


def archive() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for name, text in (("ratings", RATINGS), ("users", USERS), ("movies", MOVIES)):
            packed.writestr(f"ml-1m/{name}.dat", text.encode("latin-1"))
    return content.getvalue()


def write_parts(folder: Path) -> None:
    folder.mkdir(parents=True)
    ratings = {"user_id": [1, 1, 2], "movie_id": [20, 10, 20], "rating": [4, 3, 5]}
    ratings |= {"pos": [0, 1, 0], "file_row": [2, 1, 0]}
    pl.DataFrame(ratings).write_parquet(folder / "interactions.parquet")
    users = {"user_id": [1, 2], "gender": ["F", "M"], "age": [1, 56], "occupation": [10, 16]}
    pl.DataFrame(users | {"zip_code": ["48067", "70072"]}).write_parquet(folder / "users.parquet")
    movies = {"movie_id": [10, 20], "title": ["Dr. Str: Lové (1963)", "Toy Story (1995)"]}
    pl.DataFrame(movies | {"genres": ["Sci-Fi|War", "Animation"]}).write_parquet(folder / "movies.parquet")


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """AISLE_DATA and the cache, both empty; the working directory is elsewhere."""
    given, cache, here = tmp_path / "given", tmp_path / "xdg" / "aisle", tmp_path / "here"
    for folder in (given, cache, here):
        folder.mkdir(parents=True)
    monkeypatch.setenv("AISLE_DATA", str(given))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.chdir(here)
    return given, cache


def test_movielens_is_the_same_table_from_its_archive_and_from_its_parts(tmp_path: Path) -> None:
    from_archive = read_movielens_archive(archive())
    assert from_archive.columns == list(COLUMNS)
    assert from_archive.rows() == EXPECTED
    assert read_movielens_parts(tmp_path) is None
    write_parts(tmp_path / "movielens_1m")
    from_parts = read_movielens_parts(tmp_path / "movielens_1m")
    assert from_parts is not None and from_parts.rows() == EXPECTED


def test_histories_are_the_same_from_the_archive_and_from_its_parts(tmp_path: Path) -> None:
    """User 1 liked movie 20 first; half of what each user says comes first."""
    write_parts(tmp_path / "movielens_1m")
    assert read_histories_parts(tmp_path) is None
    for table in (read_histories_archive(archive()), read_histories_parts(tmp_path / "movielens_1m")):
        assert table is not None
        assert table.columns == [*COLUMNS, "history"]
        assert table.select("user_id", "movie_id", "history").rows() == [(2, 20, []), (1, 20, []), (1, 10, [20])]


@pytest.mark.parametrize("content", [b"no archive", archive()[:200]])
def test_another_archive_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match="the download is not the known archive"):
        read_movielens_archive(content)


def test_a_file_is_found_here_then_in_aisle_data_then_in_the_cache(folders: tuple[Path, Path]) -> None:
    for folder in (*reversed(folders), Path.cwd()):
        (folder / "x.csv").write_text("label\n")
        assert tables.find_table("x.csv").resolve() == (folder / "x.csv").resolve()
    assert tables.find_table(str(folders[0] / "x.csv")) == folders[0] / "x.csv"
    with pytest.raises(DataError, match=r"y\.csv: expected a Parquet or text file, found none \(looked in .*set AISLE"):
        tables.find_table("y.csv")


def test_a_named_table_is_made_of_the_parts_that_lie_there(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    given, cache = folders
    table_set = tables.TABLE_SETS["movielens_1m"]
    write_parts(given / "movielens_1m")
    with pytest.raises(DataError, match="expected 1000209 rows, received 3; its source has changed"):
        tables.find_table(table_set.relative_path)
    assert tables.locate(table_set) is None, "what is refused is not kept"
    small = tables.TableSet(**{**vars(table_set), "num_rows": 3})
    monkeypatch.setitem(tables.TABLE_SETS, "movielens_1m", small)
    path = tables.find_table(table_set.relative_path)
    assert path == cache / table_set.relative_path == tables.find("movielens_1m")
    assert pl.read_parquet(path).rows() == EXPECTED


def test_a_table_that_may_not_be_passed_on_says_how_to_get_it(folders: tuple[Path, Path]) -> None:
    del folders
    with pytest.raises(BackendUnavailableError, match=r"'criteo_sample' is not on this machine: .*train\.txt"):
        tables.find_table(tables.TABLE_SETS["criteo_sample"].relative_path)


def test_an_unreachable_source_says_what_to_do(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    del folders
    nowhere = tables.TableSet(**{**vars(tables.TABLE_SETS["movielens_1m"]), "url": "http://127.0.0.1:9/ml-1m.zip"})
    monkeypatch.setitem(tables.TABLE_SETS, "movielens_1m", nowhere)
    with pytest.raises(BackendUnavailableError, match=r"cannot be reached .*; download ml-1m\.zip"):
        tables.find("movielens_1m")
    with pytest.raises(
        ConfigError, match="unknown table 'criteo'; expected one of criteo_sample, movielens_1m, movielens_1m_histories"
    ):
        tables.find("criteo")


@pytest.mark.data
def test_the_real_movielens_has_its_published_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table_set = tables.TABLE_SETS["movielens_1m"]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if not any((place / "movielens_1m" / "interactions.parquet").is_file() for place in datasets.places()):
        pytest.skip("MovieLens-1M is not on this machine")
    table = pl.read_parquet(tables.make(table_set))
    assert table["rating"].value_counts().sort("rating")["count"].to_list() == [56174, 107557, 261197, 348971, 226310]
    assert table.null_count().sum_horizontal().item() == 0

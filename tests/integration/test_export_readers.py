"""Exports open as they are in what people and pipelines read them with, whatever the answers hold."""

from __future__ import annotations

import gc
import importlib
import json
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from helpers.jobs import answered, chosen, job_of, said
from helpers.offline import offline
from helpers.processes import askpix
from helpers.rows import failed_row
from helpers.spreadsheet import Cell, opened
from PIL import Image

from askpix.producer import Kind, Question
from askpix.producer.export import Wishes, export
from askpix.producer.export.metadata import Metadata
from askpix.producer.job_folder import JobFolder

__all__ = ["offline"]

Rows = list[dict[str, Any]]

TEXTS = ['say "é", 杯 👩‍🚀', "=1+1", "@SUM(A1:A9)", "-2+3", "first\nsecond\r\nthird", " spaced ", "a;b\tc", "'quoted'"]
QUESTIONS = [
    Question("what color?", name="color", choices=["red", "blue"]),
    Question("is there a {choice} on it?", name="prints", choices=["cat", "é"], multiple=True),
    Question('what, "exactly"?'),
]
ROWS = [
    *(
        answered(
            f"{number}.jpg",
            chosen("color", red=1 / (number + 1.5), blue=0.1),
            said("prints", ["", "cat", "cat, é"][number % 3], 0.75, Kind.MULTIPLE),
            said('what, "exactly"?', text, 1 / 3),
            group=text,
            extra={"price": number + 0.25, "count": number, "note": text, "tags": [text]},
        )
        for number, text in enumerate(TEXTS)
    ),
    replace(failed_row("failed.jpg"), error_message='no such "file", é\n=1'),
]
NAMES = [
    "id", "group", "image", "status",
    "color", "color_confidence", "prints", "prints_confidence", 'what, "exactly"?', 'what, "exactly"?_confidence',
    "error_code", "error_message", "price", "count", "note", "tags",
]  # fmt: skip


@pytest.fixture
def job(tmp_path: Path) -> JobFolder:
    """A job whose answers are hard to write down."""
    return job_of(tmp_path / "job", ROWS, QUESTIONS, part_size=4)


def expected() -> Rows:
    """Returns what each row is to be, worked out by hand rather than by what is tested."""
    found = []
    for row in ROWS:
        answers = {answer.name: answer for answer in row.answers}
        values: list[Any] = [row.id, row.group, row.image, row.status.value]
        for question in QUESTIONS:
            answer = answers.get(question.title)
            text: Any = None if answer is None else answer.text
            if question.multiple and text is not None:
                text = [term for term in text.split(", ") if term]
            values += [text, None if answer is None else answer.confidence]
        extra = json.loads(row.extra or "{}")
        tags = json.dumps(extra["tags"], ensure_ascii=False) if extra else None
        values += [row.error_code, row.error_message, extra.get("price"), extra.get("count"), extra.get("note"), tags]
        found.append(dict(zip(NAMES, values, strict=True)))
    return found


def library(name: str) -> Any:
    if "ASKPIX_TESTS_MUST_NOT_SKIP" in os.environ:
        return importlib.import_module(name)
    return pytest.importorskip(name)


def plain(value: Any) -> Any:
    """Returns what pandas hands out as Python's own values: of its arrays lists, of its NaN None."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    return None if isinstance(value, float) and math.isnan(value) else value


def by_pandas(file: Path) -> Rows:
    pandas = library("pandas")
    frame = (
        pandas.read_parquet(file)
        if file.suffix == ".parquet"
        # Its usual way with numbers is off in the last place.
        else (pandas.read_json(file, lines=True, dtype=False, precise_float=True))
    )
    assert str(frame.dtypes["color_confidence"]) == "float64"
    return [{name: plain(value) for name, value in record.items()} for record in frame.to_dict("records")]


def by_polars(file: Path) -> Rows:
    polars = library("polars")
    frame = polars.read_parquet(file) if file.suffix == ".parquet" else polars.read_ndjson(file)
    assert frame.schema["prints"] == polars.List(polars.String)
    assert frame.schema["color_confidence"] == polars.Float64
    rows: Rows = frame.to_dicts()
    return rows


def by_duckdb(file: Path) -> Rows:
    reader = "read_parquet(?)" if file.suffix == ".parquet" else "read_json(?)"
    with library("duckdb").connect() as database:
        found = database.execute(f"from {reader}", [str(file)])
        types = {name: str(kind) for name, kind, *_ in found.description}
        assert {"prints": "VARCHAR[]", "color_confidence": "DOUBLE", "count": "BIGINT"}.items() <= types.items()
        return [dict(zip(types, values, strict=True)) for values in found.fetchall()]


def by_datasets(file: Path) -> Rows:
    datasets = library("datasets")
    kind = "parquet" if file.suffix == ".parquet" else "json"
    found = datasets.load_dataset(kind, data_files=str(file), split="train", cache_dir=os.environ["HF_DATASETS_CACHE"])
    assert found.features["color_confidence"] == datasets.Value("float64")
    return list(found)


@pytest.mark.parametrize("read", [by_pandas, by_polars, by_duckdb, by_datasets], ids=lambda read: read.__name__)
@pytest.mark.parametrize("name", ["wide.parquet", "wide.jsonl"])
def test_a_wide_table_gives_equal_rows(job: JobFolder, tmp_path: Path, name: str, read: Callable[[Path], Rows]) -> None:
    export(job, str(tmp_path / name), wishes=Wishes(form="wide"))

    rows = read(tmp_path / name)

    assert [list(row) for row in rows] == [NAMES] * len(ROWS)
    assert rows == expected()


# CSV. --------------------------------------------------------------------------------------------


def in_cells() -> list[list[str]]:
    """Returns the cells that a CSV is to have."""

    def guarded(value: Any) -> str:
        text = "" if value is None else str(value).replace("\n=", "\n'=")
        return f"'{text}" if text[:1] in ("=", "@", "-") else text

    rows = []
    for row in expected():
        shown = {name: guarded(value) for name, value in row.items()}
        for name in NAMES[5:10:2]:
            shown[name] = "" if row[name] is None else f"{row[name]:.4f}"
        shown["prints"] = "" if row["prints"] is None else ", ".join(row["prints"]) or "[]"
        rows.append(list(shown.values()))
    return rows


def csv_by_pandas(file: Path) -> list[list[Any]]:
    frame = library("pandas").read_csv(file, sep="\t" if file.suffix == ".tsv" else ",")
    types = {name: str(kind) for name, kind in frame.dtypes.items()}
    assert {types[name] for name in (*NAMES[5:10:2], "price", "count")} == {"float64"}
    assert {types[name] for name in (*NAMES[:5], "prints", "note", "error_code")} <= {"str", "object"}
    return [[plain(value) for value in record.values()] for record in frame.to_dict("records")]


def csv_by_polars(file: Path) -> list[list[Any]]:
    polars = library("polars")
    frame = polars.read_csv(file, separator="\t" if file.suffix == ".tsv" else ",")
    assert [frame.schema[name] for name in ("color_confidence", "price")] == [polars.Float64] * 2
    assert [frame.schema[name] for name in ("count", "group")] == [polars.Int64, polars.String]
    return list(map(list, frame.rows()))


def csv_by_duckdb(file: Path) -> list[list[Any]]:
    with library("duckdb").connect() as database:
        found = database.execute("from read_csv(?, header = true, quote = '\"', escape = '\"')", [str(file)])
        types = {name: str(kind) for name, kind, *_ in found.description}
        assert {"color_confidence": "DOUBLE", "count": "BIGINT", "note": "VARCHAR"}.items() <= types.items()
        return list(map(list, found.fetchall()))


def csv_by_libreoffice(file: Path) -> list[list[Any]]:
    head, *rows = opened(file, separator="\t" if file.suffix == ".tsv" else ",")
    assert head == NAMES
    for row in rows:
        row += [None] * (len(NAMES) - len(row))
        for name, cell in zip(NAMES, row, strict=True):
            kinds: tuple[type, ...] = (float,) if name.endswith(("_confidence", "price", "count")) else (str,)
            assert cell is None or isinstance(cell, kinds), name
    return rows


@pytest.mark.parametrize(
    "read", [csv_by_pandas, csv_by_polars, csv_by_duckdb, csv_by_libreoffice], ids=lambda read: read.__name__
)
@pytest.mark.parametrize("name", ["wide.csv", "wide.tsv"])
def test_a_wide_csv_opens_with_the_right_types_and_keeps_what_is_hard_to_write(
    job: JobFolder, tmp_path: Path, name: str, read: Callable[[Path], list[list[Any]]]
) -> None:
    export(job, str(tmp_path / name), wishes=Wishes(form="wide"))

    rows = read(tmp_path / name)

    written = in_cells()
    found = [list(map(as_text, row, cells)) for row, cells in zip(rows, written, strict=True)]
    assert found == [list(map(ends, cells)) for cells in written]


def as_text(cell: Cell, written: str) -> str:
    """Returns a cell as it was written, where it is the same number."""
    if isinstance(cell, int | float):
        return written if float(written) == cell else repr(cell)
    return "" if cell is None else ends(cell)


def ends(text: str) -> str:
    """Returns a text with one kind of line ends: a spreadsheet has only one."""
    return text.replace("\r\n", "\n")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_libreoffice_finds_no_formula_by_whatever_separator_it_reads(tmp_path: Path, separator: str) -> None:
    texts = ["x;=1+1;y", '";=1+1;', 'x;"=1+A1&";y', "x,=1+1,y", "x\t=1+1\ty", "x\n=1+1\ny", "\n=1+1", "\uff1d1+1"]
    folder = job_of(tmp_path / "job", [answered(text, said(text, text), extra={text: text}) for text in texts])
    export(folder, str(tmp_path / "wide.csv"), wishes=Wishes(form="wide"))

    # It raises at a formula.
    rows = opened(tmp_path / "wide.csv", separator=separator)

    assert len(rows) > len(texts)


# Images. -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a real job about some of the demo's images, and one that is none."""
    place = tmp_path_factory.mktemp("tagged")
    demo = Path(__file__).parents[2] / "demo"
    (place / "shop" / "new").mkdir(parents=True)
    for image in sorted((demo / "images").glob("*.jpg"))[:9]:
        (place / "shop" / "new" / image.name).write_bytes(image.read_bytes())
    (place / "shop" / "none.jpg").write_bytes(b"no image")
    ran = askpix("run", "shop", "--output", "job", "--questions", demo / "tags.yaml", cwd=place)
    assert ran.code == 1, ran.err
    return place


def wide_rows(place: Path) -> Rows:
    ran = askpix("export", "job", "--to", "wide.parquet", "--form", "wide", "--force", cwd=place)
    assert ran.code == 0, ran.err
    rows: Rows = pq.read_table(place / "wide.parquet").to_pylist()
    return rows


def test_a_real_job_has_a_column_for_each_attribute_of_its_sheet(tagged: Path) -> None:
    rows = wide_rows(tagged)

    attributes = ["kind", "color", "pattern", "background", "sleeves", "prints"]
    assert list(rows[0])[4:16:2] == attributes
    assert [row["status"] for row in rows] == ["ok"] * 9 + ["error"]
    assert all((row["sleeves"] is None) == (row["kind"] != "shirt") for row in rows[:9])
    assert all(isinstance(row["prints"], list) for row in rows[:9])


def test_a_folder_of_images_loads_as_a_data_set(tagged: Path) -> None:
    ran = askpix("export", "job", "--to", "hf", "--form", "imagefolder", cwd=tagged)
    datasets = library("datasets")

    found = datasets.load_dataset(
        "imagefolder", data_dir=str(tagged / "hf"), split="train", cache_dir=os.environ["HF_DATASETS_CACHE"]
    )

    assert ran.err == "hf: 9 images for 10 items; none for 1 without an answer\n"
    rows = wide_rows(tagged)[:9]
    assert [row["id"] for row in found] == [row["id"] for row in rows]
    for row, wide in zip(found, rows, strict=True):
        with Image.open(wide["image"]) as image:
            assert row["image"].tobytes() == image.tobytes()
        named = {name: value for name, value in wide.items() if not name.startswith(("image", "status", "error"))}
        assert {name: row[name] for name in named} == named
    assert (tagged / "hf" / "new" / "000-bottle.jpg").read_bytes() == Path(rows[0]["image"]).read_bytes()


def test_a_column_of_a_long_list_has_the_type_that_only_its_end_shows(tmp_path: Path) -> None:
    # Given: more lines than the reader looks at for types, before any that shows them all.
    rows: Rows = [
        *({"file_name": f"{n}.png", "look": None, "prints": [], "note": "2026-11-23", "n": 1, "x": "x" * 4_000_000}
          for n in range(4)),
        {"file_name": "4.png", "look": "new", "prints": ["cat"], "note": "2026-11-23", "n": 2, "x": ""},
        {"file_name": "5.png", "look": None, "prints": None, "note": "a mug", "n": None, "x": ""},
    ]  # fmt: skip
    metadata = Metadata(tmp_path / "metadata.jsonl")
    with (tmp_path / "metadata.jsonl").open("wb") as file:
        for row in rows:
            Image.new("RGB", (2, 2)).save(tmp_path / row["file_name"])
            metadata.write(file, row)

    # When
    metadata.arrange()
    datasets = library("datasets")
    found = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path), split="train", cache_dir=os.environ["HF_DATASETS_CACHE"]
    )

    # Then: it loads, with texts as texts; those lines that show the types came first.
    kinds = {name: found.features[name].dtype for name in ("look", "note", "n", "x")}
    assert kinds == {"look": "string", "note": "string", "n": "int64", "x": "string"}
    assert found.features["prints"].feature.dtype == "string"
    lines = [json.loads(line) for line in (tmp_path / "metadata.jsonl").read_text().splitlines()]
    assert [line["file_name"] for line in lines] == [f"{n}.png" for n in (0, 4, 5, 1, 2, 3)]
    assert sorted(lines, key=lambda line: str(line["file_name"])) == rows
    for name in ("look", "prints", "n"):
        assert [row[name] for row in found] == [line[name] for line in lines]
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".png") == ["cache", "metadata.jsonl"]


def test_images_that_are_in_the_folder_stay_where_they_are(tagged: Path) -> None:
    before = sorted(path.relative_to(tagged) for path in (tagged / "shop").rglob("*"))

    ran = askpix("export", "job", "--to", "shop/", "--form", "imagefolder", cwd=tagged)

    assert ran.code == 0, ran.err
    after = {path.relative_to(tagged) for path in (tagged / "shop").rglob("*")}
    assert after - set(before) == {Path("shop/metadata.jsonl")}
    lines = [json.loads(line) for line in (tagged / "shop" / "metadata.jsonl").read_text().splitlines()]
    assert [line["file_name"] for line in lines] == [row["id"] for row in wide_rows(tagged)[:9]]
    (tagged / "shop" / "metadata.jsonl").unlink()


# WebDataset leaves its files to be closed by whoever finds them.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_shards_load_as_a_web_data_set(tagged: Path) -> None:
    ran = askpix("export", "job", "--to", "train.tar", cwd=tagged)
    webdataset = library("webdataset")

    assert ran.err == "train.tar: 9 images for 10 items; none for 1 without an answer; 1 tar file\n"
    shard = str(tagged / "train-000000.tar")
    samples = list(webdataset.WebDataset(shard, shardshuffle=False))
    rows = wide_rows(tagged)[:9]
    assert [json.loads(sample["json"]) for sample in samples] == rows
    assert [sample["jpg"] for sample in samples] == [Path(row["image"]).read_bytes() for row in rows]
    assert [sample["__key__"] for sample in samples] == [f"{n:09d}" for n in range(9)]
    assert samples[0]["txt"].decode().startswith("kind: ")
    # And decoded, as it is used.
    decoded = webdataset.WebDataset(shard, shardshuffle=False).decode("pil")
    assert [sample["jpg"].size for sample in decoded] == [(240, 240)] * 9
    del decoded
    gc.collect()

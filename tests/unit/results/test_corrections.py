"""What people put right: understood as they and their spreadsheets wrote it, and kept beside the answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.s3_server import S3Server, using
from helpers.tagged import COLOR, PRINTS, STYLE, tagged

from askpix.producer import Item, Job, Question
from askpix.producer.cells import cell
from askpix.producer.correcting import correct
from askpix.producer.corrections import Correction, corrections, keep_corrections
from askpix.producer.errors import InputError, JobError
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_order import Order
from askpix.producer.storage import LocalStorage, Storage
from askpix.producer.storage_opening import open_storage
from askpix.producer.submission import write_job
from askpix.producer.terms import understood

SAID = {"color": (0.5, 0.3, 0.2), "prints": (0.9, 0.6, 0.1), "style": "plain"}
HEAD = "id,attribute,correction\n"


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Three items: a, b and one whose id a spreadsheet would take for a formula."""
    rows = {"a": SAID, "b": SAID, "=c": SAID}
    return tagged(LocalStorage(tmp_path / "job"), (COLOR, PRINTS, STYLE), rows)


def table(folder: Path, text: str, name: str = "checked.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.fixture(params=["local", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    if request.param == "local":
        yield LocalStorage(tmp_path / "job")
        return
    s3: S3Server = request.getfixturevalue("s3")
    with using(s3.environment):
        yield open_storage(f"s3://{s3.bucket()}/job")


def test_corrections_are_kept_beside_the_answers_here_and_on_s3(storage: Storage, tmp_path: Path) -> None:
    # Given
    made = tagged(storage, (COLOR, STYLE), {"a": {"color": (0.5, 0.3, 0.2)}, "b": {"color": (0.5, 0.3, 0.2)}})
    before = list(made.results())

    # When
    done = correct(made, table(tmp_path, f"{HEAD}a,color,green\nb,color,\n"))

    # Then
    assert (done.kept, done.same, done.refused) == (1, 0, ())
    assert made.corrections() == {"a": {"color": "green"}}
    assert list(made.results()) == before
    assert list(storage.names("corrections")) == ["000001.json"]


def test_the_newest_correction_counts_and_none_is_written_twice(job: Job, tmp_path: Path) -> None:
    correct(job, table(tmp_path, f"{HEAD}a,color,green\nb,color,red\n"))
    second = correct(job, table(tmp_path, f"{HEAD}a,color,grey\nb,color,red\n"))
    third = correct(job, table(tmp_path, f"{HEAD}a,color,grey\n"))

    assert (second.kept, second.same) == (1, 1)
    assert (third.kept, third.same) == (0, 1)
    assert corrections(job.folder) == {"a": {"color": "grey"}, "b": {"color": "red"}}
    assert list(job.folder.storage.names("corrections")) == ["000001.json", "000002.json"]


def test_of_two_who_correct_at_once_both_are_kept(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: a name that was free when it was looked for.
    keep_corrections(job.folder, [Correction(id="a", attribute="color", text="red")])
    monkeypatch.setattr(type(job.folder.storage), "names", lambda *_: iter(()))

    keep_corrections(job.folder, [Correction(id="b", attribute="color", text="green")])

    monkeypatch.undo()
    assert corrections(job.folder) == {"a": {"color": "red"}, "b": {"color": "green"}}


@pytest.mark.parametrize(
    ("text", "name", "encoding"),
    [
        ("id;attribute;correction\r\na;color;green\r\n", "checked.csv", "utf-8-sig"),
        ("id\tattribute\tcorrection\na\tcolor\tgreen\n", "checked.tsv", "utf-8"),
        ("sep=;\r\nid;attribute;correction\r\na;color;green\r\n", "checked.csv", "utf-8-sig"),
        ('"sep=|"\nid|attribute|correction\na|color|green\n', "checked.csv", "utf-8"),
        ("id\tattribute\tcorrection\r\na\tcolor\tgreen\r\n", "checked.csv", "utf-16"),
        ('Correction,Notes,ID,Attribute\rGREEN ,"two\rlines",a,Color\r', "checked.csv", "utf-8"),
        ('\n{"id": "a", "attribute": "color", "correction": "green", "more": 1}\n', "checked.jsonl", "utf-8"),
    ],
)
def test_tables_are_read_as_spreadsheets_save_them(
    job: Job, tmp_path: Path, text: str, name: str, encoding: str
) -> None:
    done = correct(job, table(tmp_path, text, name, encoding))

    assert done.refused == ()
    assert corrections(job.folder) == {"a": {"color": "green"}}


def test_guards_that_tables_put_in_front_are_taken_away(job: Job, tmp_path: Path) -> None:
    style = '"\'=1+1"'

    correct(job, table(tmp_path, f"{HEAD}'=c,color,red\n'=c,style,{style}\na,style,-5\n"))

    assert corrections(job.folder) == {"=c": {"color": "red", "style": "=1+1"}, "a": {"style": "-5"}}


def test_what_is_wrong_is_told_with_its_line_and_what_is_right_is_kept(job: Job, tmp_path: Path) -> None:
    lines = (
        "a,color,gren",
        "a,colr,red",
        "b,color,green",
        "bb,color,red",
        ",color,red",
        "a,prints,sun",
        "b,when,now",
    )

    with pytest.raises(InputError, match="line 6: a correction needs the columns id, attribute, correction; `id` is"):
        correct(job, table(tmp_path, HEAD + "\n".join(lines)))
    assert corrections(job.folder) == {}
    done = correct(job, table(tmp_path, HEAD + "\n".join(line for line in lines if line[0] != ",")))

    path = tmp_path / "checked.csv"
    assert done.kept == 1
    assert done.refused == (
        f"{path}, line 2: color: 'gren' is none of its terms: is it 'green'?",
        f"{path}, line 3: 'colr' was not asked of this item: is it 'color'?",
        f"{path}, line 5: the job has no item 'bb': is it 'b'?",
        f"{path}, line 6: prints: 'sun' is none of its terms, which are star, heart, moon",
        f"{path}, line 7: 'when' was not asked of this item, but color, prints, style",
    )
    assert corrections(job.folder) == {"b": {"color": "green"}}


@pytest.mark.parametrize(
    ("question", "text", "meant"),
    [
        (COLOR, "grey", "grey"),
        (COLOR, "gray", "grey"),
        (COLOR, " Grey\n", "grey"),
        (PRINTS, "star", "star"),
        (PRINTS, "moon, star", "star, moon"),
        (PRINTS, "moon,STAR,moon", "star, moon"),
        (PRINTS, "None", ""),
        (PRINTS, " [] ", ""),
        (PRINTS.model_copy(update={"choices": ("[]", "star")}), "[]", "[]"),
        (COLOR.model_copy(update={"below": 0.5, "then": "unknown"}), "Unknown", "unknown"),
        (PRINTS.model_copy(update={"below": 0.5, "then": "not, sure"}), "not, sure", "not, sure"),
        (PRINTS.model_copy(update={"below": 0.5, "then": "Unknown"}), "unknown", "Unknown"),
        (PRINTS.model_copy(update={"below": 0.5, "then": "unknown"}), " Unknown,\n", "unknown"),
        (PRINTS.model_copy(update={"below": 0.5, "then": "star"}), "moon, Star", "star, moon"),
        (Question("?", choices=("None", "one")), "none", "None"),
        (Question("?", choices=("-1", "=1")), "'=1", "=1"),
        (Question("a mug", match=True), "YES", "yes"),
        (STYLE, "  of the 1960s ", "  of the 1960s "),
        (Question("?", json_schema={"type": "object"}), '{"a": 1}', '{"a": 1}'),
        (None, "a mug", "a mug"),
    ],
)
def test_terms_are_understood_as_people_write_them(question: Question | None, text: str, meant: str) -> None:
    assert understood(question, text) == meant


@pytest.mark.parametrize(
    ("question", "text", "said"),
    [
        (COLOR, "none", "'none' is none of its terms, which are red, green, grey"),
        (PRINTS, "star;Heart", "'star;Heart' is none of its terms; commas stand between several: star, Heart"),
        (PRINTS, " , ", "' , ' has no term in it: write [] where none of them is so"),
        (PRINTS, "star, mon", "'mon' is none of its terms: is it 'moon'?"),
        (
            PRINTS.model_copy(update={"below": 0.5, "then": "unknown"}),
            "star, Unknown",
            "'star, Unknown' has 'unknown' beside others: that stands alone",
        ),
        (Question("a mug", match=True), "maybe", "which are yes, no"),
        (Question("?", json_schema={"type": "object"}), "{", "'{' is no JSON"),
        (Question("?", choices=tuple(map(str, range(900)))), "x" * 5_000, "5, 6, 7 and 892 more"),
    ],
)
def test_what_is_no_term_is_told_with_what_it_may_be(question: Question, text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        understood(question, text)

    assert said in str(caught.value)
    assert len(str(caught.value)) < 500


def test_of_a_table_that_is_wrong_throughout_few_lines_are_told_what_may_be_meant(job: Job, tmp_path: Path) -> None:
    wrong = ("a,color,gren", "a,colr,red", "aa,color,red") * 50

    done = correct(job, table(tmp_path, HEAD + "\n".join(wrong)))

    assert ["is it '" in line for line in done.refused] == [True] * 20 + [False] * 130


def test_two_different_corrections_of_one_answer_are_both_refused(job: Job, tmp_path: Path) -> None:
    done = correct(job, table(tmp_path, f"{HEAD}a,color,red\nb,color,red\na,color,green\nb,color,RED\n"))

    assert corrections(job.folder) == {"b": {"color": "red"}}
    assert (done.kept, done.same) == (1, 1)
    assert [line.partition(": ")[0][-6:] for line in done.refused] == ["line 2", "line 4"]
    assert "this table corrects color of 'a' in two ways" in done.refused[0]


def test_captions_and_questions_of_an_items_own_are_corrected_too(tmp_path: Path) -> None:
    # Given
    folder = JobFolder(LocalStorage(tmp_path / "job"))
    own = Item(image="b.jpg", id="b", questions=(COLOR,))
    write_job(["a.jpg", own], folder, Order(model="m"), base="/shop")
    made = Job.open(folder.uri)

    # When
    done = correct(made, table(tmp_path, f"{HEAD}a.jpg,caption,a mug\nb,color,red\nb,caption,a mug\n"))

    # Then
    assert corrections(folder) == {"a.jpg": {"caption": "a mug"}, "b": {"color": "red"}}
    assert len(done.refused) == 1
    assert "'caption' was not asked of this item, but color" in done.refused[0]


def test_ids_that_a_table_cannot_tell_apart_are_refused_unless_one_is_the_same(tmp_path: Path) -> None:
    rows = {"x\ny": SAID, "x\r\ny": SAID, "tab\x01": SAID}
    made = tagged(LocalStorage(tmp_path / "job"), (COLOR, PRINTS, STYLE), rows)
    text = f'{HEAD}"x\ny",color,red\n"x\ry",color,green\n{cell("tab" + chr(1))},color,grey\n'

    done = correct(made, table(tmp_path, text))

    assert corrections(made.folder) == {"x\ny": {"color": "red"}, "tab\x01": {"color": "grey"}}
    assert len(done.refused) == 1
    assert "look alike in a table" in done.refused[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "id,image,attribute,correction\n7,/shop/1.jpg,color,green\n",
            "another image than this line says: is it '007'",
        ),
        ("id,group,attribute,correction\n7,shirts,color,green\n", "has another group than this line says"),
        ("id,attribute,correction\n7,color,green\n", "the ids '7', '007' are one number to a spreadsheet"),
        ("id,attribute,correction\n8,color,green\n", "the job has no item '8': is it '08'?"),
        ("id,attribute,correction\n1E+3,color,green\n", "the job has no item '1E+3': is it '1000'?"),
    ],
)
def test_an_id_that_a_spreadsheet_may_have_made_of_another_is_refused(tmp_path: Path, text: str, said: str) -> None:
    made = tagged(
        LocalStorage(tmp_path / "job"), (COLOR, PRINTS, STYLE), dict.fromkeys(("7", "007", "08", "1000"), SAID)
    )

    done = correct(made, table(tmp_path, text))

    assert corrections(made.folder) == {}
    assert len(done.refused) == 1
    assert said in done.refused[0]


def test_ids_that_are_one_number_are_told_apart_by_the_image_and_in_lines_of_json(tmp_path: Path) -> None:
    made = tagged(LocalStorage(tmp_path / "job"), (COLOR, PRINTS, STYLE), dict.fromkeys(("7", "007", "1.5"), SAID))
    lines = "7,/shop/0.jpg,color,green\n007,/shop/1.jpg,color,red\n1.5,,color,grey\n"

    by_image = correct(made, table(tmp_path, f"id,image,attribute,correction\n{lines}"))
    line = '{"id": "7", "attribute": "color", "correction": "grey"}\n'
    exact = correct(made, table(tmp_path, line, "checked.jsonl"))

    assert (by_image.kept, exact.kept) == (3, 1)
    assert corrections(made.folder) == {"7": {"color": "grey"}, "007": {"color": "red"}, "1.5": {"color": "grey"}}


def test_an_image_of_which_a_spreadsheet_cut_the_end_is_the_same(tmp_path: Path) -> None:
    # Given: an image that is in its URI.
    image = "data:image/png;base64," + "A" * 50_000
    folder = JobFolder(LocalStorage(tmp_path / "job"))
    write_job([Item(image=image, id="a")], folder, Order(model="m", questions=[COLOR]), base="/shop")

    lines = f'a,"{image[:32_767]}",color,green\na,"{image[:9_999]}B{image[10_000:]}",color,red\n'
    done = correct(Job.open(folder.uri), table(tmp_path, f"id,image,attribute,correction\n{lines}"))

    assert corrections(folder) == {"a": {"color": "green"}}
    assert len(done.refused) == 1


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"", "a.csv", "is empty"),
        (b"id,attribute\na,color\n", "a.csv", "corrects nothing: fill in the column `correction`"),
        (b"id,attribute,correction\na,color,\n", "a.csv", "corrects nothing"),
        (b"id,id,correction\n", "a.csv", "two columns 'id'"),
        (b"a,id,a\n", "a.csv", "two columns 'a'"),
        (b"id,ID,attribute,correction\na,b,color,red\n", "a.csv", "line 1: two columns 'id' and 'ID': rename one"),
        (b'{"id": "a", "Id": "b", "attribute": "color", "correction": "red"}\n', "a.jsonl", "columns 'id' and 'Id'"),
        (b"sep=;\n", "a.csv", "is empty"),
        (b"id,attribute,correction\na,color,red,green\n", "a.csv", "line 2: more cells than columns"),
        (b'id,attribute,correction\na,color,"red\n', "a.csv", "line 2: unexpected end of data"),
        (b"id,attribute,correction\na,color,gr\xfcn\n", "a.csv", "is not UTF-8 text: save it as `CSV UTF-8`"),
        (b"[1]\n", "a.jsonl", "line 1: it is no JSON object"),
        (b"{\n", "a.jsonl", "line 1: it is not JSON"),
        (b"[" * 100_000, "a.jsonl", "line 1: it is not JSON"),
        (b"", "a.xlsx", "names end in .csv, .tsv or .jsonl"),
    ],
)
def test_a_file_that_is_no_such_table_is_named(job: Job, tmp_path: Path, content: bytes, name: str, said: str) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(InputError) as caught:
        correct(job, tmp_path / name)

    assert said in str(caught.value)
    assert name in str(caught.value)


def test_a_file_that_is_not_there_is_named(job: Job, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv cannot be read: no such file"):
        correct(job, tmp_path / "none.csv")


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b'{"format": 2}', b'{"corrections": [{"id": 1}]}', b"\xff", json.dumps({"corrections": 3}).encode()],
)
def test_a_damaged_file_of_corrections_is_named_with_what_to_do(job: Job, content: bytes) -> None:
    job.folder.storage.write("corrections/000001.json", content)

    with pytest.raises(JobError, match=r"corrections/000001\.json is damaged .*: remove it, then give its table to"):
        corrections(job.folder)


def test_after_the_last_name_of_six_digits_longer_ones_come_and_are_the_newest(job: Job) -> None:
    (job.folder.storage.create("corrections/999999.json", b'{"corrections": []}'))

    for text in ("red", "green"):
        keep_corrections(job.folder, [Correction(id="a", attribute="color", text=text)])

    assert "1000001.json" in job.folder.storage.names("corrections")
    assert corrections(job.folder) == {"a": {"color": "green"}}


def test_a_file_after_which_no_other_can_come_is_named(job: Job) -> None:
    job.folder.storage.write(f"corrections/{'9' * 18}.json", b'{"corrections": []}')

    with pytest.raises(JobError, match=r"corrections/999999999999999999\.json is the last that there can be"):
        keep_corrections(job.folder, [Correction(id="a", attribute="color", text="red")])


@pytest.mark.parametrize("name", ["\u0661\u0662\u0663\u0664\u0665\u0666", "0000001"])
def test_names_in_other_digits_are_other_files(job: Job, name: str) -> None:
    job.folder.storage.write(f"corrections/{name}.json", b"{")

    assert corrections(job.folder) == {}


def test_other_files_beside_corrections_are_left_aside(job: Job) -> None:
    keep_corrections(job.folder, [Correction(id="a", attribute="color", text="red")])
    job.folder.storage.write("corrections/notes.txt", b"mine")
    job.folder.storage.write("corrections/1.json", b"{")

    assert corrections(job.folder) == {"a": {"color": "red"}}


def test_a_link_that_leads_out_of_the_job_is_not_followed(job: Job, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "job" / "corrections").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(Exception, match="leads out of the job folder by a symbolic link"):
        correct(job, table(tmp_path, f"{HEAD}a,color,red\n"))
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_table_that_is_too_large_is_told_and_not_read(job: Job, tmp_path: Path) -> None:
    path = table(tmp_path, f"{HEAD}a,color,green\n")
    with path.open("r+b") as file:
        file.truncate(1_200_000_000)  # a hole, which takes no room

    with pytest.raises(InputError, match=r"has 1,200 MB; a table may have 1,000 MB: .* several files"):
        correct(job, path)

    assert job.corrections() == {}


def test_a_row_that_is_too_long_is_told_with_its_line(job: Job, tmp_path: Path) -> None:
    path = table(tmp_path, f'{HEAD}a,color,green\nb,style,"{"long" * 2_500_001}"\n')

    with pytest.raises(
        InputError, match=r"line 3: longer than 10000000 characters; is a quote or a line break missing"
    ):
        correct(job, path)

    assert job.corrections() == {}


def test_no_more_is_held_of_a_table_than_there_is_room_for(job: Job, tmp_path: Path) -> None:
    path = table(tmp_path, HEAD + f"a,style,{'long' * 2_000_000}\n" * 8)

    with pytest.raises(InputError, match=r"line 8: up to here .* more than 50,000,000 characters: .* several files"):
        correct(job, path)


@pytest.mark.parametrize(("size", "said"), [(500_000_001, "500"), (1 << 42, "4,398,047")])
def test_a_kept_file_that_is_too_large_is_told_and_not_read(job: Job, tmp_path: Path, size: int, said: str) -> None:
    correct(job, table(tmp_path, f"{HEAD}a,color,green\n"))
    (kept,) = Path(job.folder.uri, "corrections").iterdir()
    with kept.open("r+b") as file:
        file.truncate(size)  # a hole, which takes no room; read whole, more than there is memory

    with pytest.raises(JobError, match=rf"000001\.json has {said} MB, and no askpix writes more than 500: remove it"):
        job.corrections()


def test_no_more_is_held_of_all_kept_files_than_there_is_room_for(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("red", "green", "blue"):
        keep_corrections(job.folder, [Correction(id="a", attribute="color", text=text)])
    kept = sum(path.stat().st_size for path in Path(job.folder.uri, "corrections").iterdir())

    monkeypatch.setattr("askpix.producer.corrections._MAX_ALL_BYTES", kept)
    assert job.corrections() == {"a": {"color": "blue"}}

    monkeypatch.setattr("askpix.producer.corrections._MAX_ALL_BYTES", kept - 1)
    with pytest.raises(JobError, match=r"corrections have more than .* MB together, too many to be held: move some"):
        job.corrections()


def test_no_more_is_kept_than_can_be_held_afterwards(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def keep(text: str) -> None:
        keep_corrections(job.folder, [Correction(id="a", attribute="color", text=text)])

    keep("red")
    (kept,) = Path(job.folder.uri, "corrections").iterdir()
    monkeypatch.setattr("askpix.producer.corrections._MAX_ALL_BYTES", 2 * kept.stat().st_size + 1)

    with pytest.raises(JobError, match=r"with these, the corrections of .* move some files of corrections to another"):
        keep("a red that is too long")

    keep("tan")
    assert job.corrections() == {"a": {"color": "tan"}}

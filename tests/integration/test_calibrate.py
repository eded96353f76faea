"""`askpix calibrate` on pictures that are harder than what the model was trained on, and on those that are not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from helpers.hard_pictures import write_pictures
from helpers.processes import Ran, askpix, the_complaint
from helpers.tagged import COLOR, tagged

from askpix.producer import Job
from askpix.producer.calibrating.calibrate import Figures, Outcomes
from askpix.producer.calibrating.examples import gathered
from askpix.producer.calibrating.labels import read_labels
from askpix.producer.questions import Question
from askpix.producer.sheets.reading import read_questions
from askpix.producer.storage import LocalStorage

SHEET = Path(__file__).parents[2] / "demo" / "tags.yaml"
LABELLED, OTHERS, EASY = 300, 1_000, 250
BY_ALL = ("kind", "color", "pattern", "background", "prints")
"""Asked of every picture; `sleeves` of shirts alone, of which 300 pictures have too few."""


class Place:
    """A job of pictures, and what is right of them: those that are `labelled`, `others` like them, and `easy` ones."""

    def __init__(self, folder: Path, labels: Mapping[str, list[dict[str, str]]]) -> None:
        self.folder = folder
        self._labels = labels
        self._figures: dict[tuple[str, str], dict[str, Figures]] = {}

    def figures(self, sheet: str, which: str) -> dict[str, Figures]:
        """Returns how the answers of some pictures fare by a sheet."""
        if (sheet, which) not in self._figures:
            self._figures[sheet, which] = self._measured(sheet, which)
        return self._figures[sheet, which]

    def _measured(self, sheet: str, which: str) -> dict[str, Figures]:
        path = self.folder / f"{which}.jsonl"
        path.write_text("".join(f"{json.dumps(each)}\n" for each in self._labels[which]))
        questions = [question for question in read_questions(self.folder / sheet) if question.choices]
        return {
            each.question.title: Outcomes().see(each.question, each.question.calibration, each.examples).figures(0.98)
            for each in gathered(Job.open(str(self.folder / "job")), questions, read_labels(path, questions))
        }


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A job of 1,300 hard pictures and of 250 as the model knows them; 300 of the hard ones are labelled."""
    folder = tmp_path_factory.mktemp("calibrate")
    hard = write_pictures(folder / "shop" / "hard", number=LABELLED + OTHERS, seed=977, hard=True)
    easy = write_pictures(folder / "shop" / "easy", number=EASY, seed=978, hard=False)
    shutil.copy(SHEET, folder / "tags.yaml")
    lines = [json.dumps(each) for each in hard[:LABELLED]]
    (folder / "labels.jsonl").write_text("\n".join(lines))
    ran = askpix("run", "shop", "--output", "job", "--questions", "tags.yaml", cwd=folder, timeout=280)
    assert ran.code == 0, ran.err
    return Place(folder, {"labelled": hard[:LABELLED], "others": hard[LABELLED:], "easy": easy})


@pytest.fixture(scope="module")
def calibrated(pictures: Place) -> Ran:
    return askpix(
        "calibrate", "tags.yaml", "--job", "job", "--labels", "labels.jsonl", "--to", "new.yaml", "--report", "r.json",
        cwd=pictures.folder,
    )  # fmt: skip


@pytest.mark.parametrize("name", BY_ALL)
def test_300_labels_halve_the_calibration_error_of_1000_others(pictures: Place, calibrated: Ran, name: str) -> None:
    assert calibrated.code == 0, calibrated.err

    before, after = (pictures.figures(sheet, "others")[name] for sheet in ("tags.yaml", "new.yaml"))

    for first, then in ((before.answers, after.answers), (before.judgements, after.judgements)):
        # Only of choices that are judged one by one there are judgements too.
        if first is not None and then is not None:
            assert first.ece > 0.03, "these pictures are no test of it"
            assert then.ece <= max(first.ece / 2, 0.02)
    assert after.answers.accuracy >= before.answers.accuracy - 0.01


@pytest.mark.parametrize("name", BY_ALL)
def test_pictures_as_the_model_knows_them_need_no_calibration(pictures: Place, name: str) -> None:
    figures = pictures.figures("tags.yaml", "easy")[name]

    assert (figures.judgements or figures.answers).ece < 0.02


def test_the_figures_that_are_told_are_about_those_of_other_pictures(pictures: Place, calibrated: Ran) -> None:
    assert calibrated.code == 0
    told = {each["title"]: each for each in json.loads((pictures.folder / "r.json").read_text())["attributes"]}
    others = pictures.figures("new.yaml", "others")

    # Of the background, the model gets a third right: figures of 300 answers say little of it.
    for name in set(BY_ALL) - {"background"}:
        assert told[name]["after"]["answers"]["accuracy"] == pytest.approx(others[name].answers.accuracy, abs=0.06)
        assert told[name]["after"]["answers"]["ece"] == pytest.approx(others[name].answers.ece, abs=0.07)
    assert told["sleeves"]["examples"] < 60
    assert any("rough" in note or "least" in note for note in told["sleeves"]["notes"])


def test_a_job_by_the_new_sheet_answers_as_was_measured(pictures: Place, calibrated: Ran) -> None:
    # Given: ten of the pictures.
    assert calibrated.code == 0
    few = pictures.folder / "few" / "hard"
    few.mkdir(parents=True)
    for place in range(10):
        shutil.copy(pictures.folder / "shop" / "hard" / f"{place:04d}.jpg", few)

    # When
    ran = askpix("run", "few", "--output", "few-job", "--questions", "new.yaml", cwd=pictures.folder)

    # Then: the model's own numbers are beside the calibrated ones, and the same as without them.
    assert ran.code == 0, ran.err
    before = {row.id: row for row in Job.open(str(pictures.folder / "job")).results()}
    for row in Job.open(str(pictures.folder / "few-job")).results():
        own = {answer.name: answer for answer in before[row.id].answers}
        for answer in row.answers:
            if answer.name in BY_ALL:
                assert list(answer.raw or ()) == pytest.approx(
                    [choice.probability for choice in own[answer.name].choices or ()], abs=2e-3
                )
                assert tuple(choice.probability for choice in answer.choices or ()) != answer.raw


def test_the_new_sheet_has_the_comments_of_the_old_one(pictures: Place, calibrated: Ran) -> None:
    assert calibrated.code == 0
    new = (pictures.folder / "new.yaml").read_text().splitlines()

    assert [line for line in new if not line.startswith("  calibration: {temp")] == SHEET.read_text().splitlines()
    assert (pictures.folder / "tags.yaml").read_text() == SHEET.read_text()


def test_the_table_fits_80_columns(calibrated: Ran) -> None:
    lines = calibrated.out.splitlines()

    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines[2:8]] == ["kind", "color", "pattern", "background", "sleeves", "prints"]


# What else it says. ------------------------------------------------------------------------------


def place(
    folder: Path, sheet: str = "- name: color\n  text: what color is it?\n  choices: [red, green, gray]\n"
) -> Path:
    """Makes a folder with a job of 60 answers, of which a third is wrong, and with its sheet and labels."""
    rows = {f"item-{number}": {"color": (0.98, 0.01, 0.01)} for number in range(60)}
    tagged(LocalStorage(folder / "job"), (COLOR,), rows, part_size=60)
    labels = [f"item-{number},{'red' if number % 3 else 'green'}" for number in range(60)]
    (folder / "labels.csv").write_text("\n".join(["id,color", *labels]))
    (folder / "tags.yaml").write_text(sheet)
    return folder


def test_a_sheet_is_calibrated_in_its_place_and_a_second_time_stays_as_it_is(tmp_path: Path) -> None:
    folder = place(tmp_path)
    (folder / "tags.yaml").chmod(0o640)
    (folder / "link.yaml").symlink_to("tags.yaml")
    arguments = ("calibrate", "link.yaml", "--job", "job", "--labels", "labels.csv")

    first, second = askpix(*arguments, cwd=folder), askpix(*arguments, cwd=folder)

    assert first.code == second.code == 0
    assert "link.yaml: 1 of 1 attributes calibrated" in first.err
    assert "color: 60 examples give rough figures; 100 or more are better" in first.err
    assert "link.yaml stays as it is" in second.err
    assert (folder / "link.yaml").is_symlink()
    assert (folder / "tags.yaml").stat().st_mode & 0o777 == 0o640
    (question,) = read_questions(folder / "tags.yaml")
    assert question.calibration is not None
    assert question.calibration.shifts["green"] > 1


def test_a_report_is_a_page_in_which_nothing_of_a_stranger_runs(tmp_path: Path) -> None:
    # Given: a term that is HTML.
    evil = "<script>alert(1)</script>"
    question = Question("q", name="color", choices=("red", evil))
    rows = {f"item-{number}": {"color": (0.98, 0.02)} for number in range(30)}
    tagged(LocalStorage(tmp_path / "job"), (question,), rows, part_size=30)
    (tmp_path / "tags.yaml").write_text(f"- name: color\n  text: q\n  choices: [red, '{evil}']\n")
    (tmp_path / "labels.csv").write_text("id,color\n" + "".join(f"item-{number},{evil}\n" for number in range(30)))

    ran = askpix("calibrate", "tags.yaml", "--job", "job", "--labels", "labels.csv", "--report", "r.html", cwd=tmp_path)

    assert ran.code == 0, ran.err
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; 30" in page
    assert "default-src &#x27;none&#x27;; style-src &#x27;sha256-" in page
    assert page.count("<svg") == 2


def test_labels_that_are_none_are_told_and_the_others_are_used(tmp_path: Path) -> None:
    folder = place(tmp_path)
    with (folder / "labels.csv").open("a") as file:
        file.write("\nitem-1,blue\n")

    ran = askpix("calibrate", "tags.yaml", "--job", "job", "--labels", "labels.csv", cwd=folder)

    assert ran.code == 1
    assert ran.err.startswith("labels.csv, line 62: color: 'blue' is none of its terms, which are red, green, gray\n")
    assert "1 of 1 attributes calibrated" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--labels", "labels.csv", "--report", "r.pdf"),
            "r.pdf is no name for a report: let it end in .html or .json",
        ),
        (
            ("--labels", "labels.csv", "--to", "there.yaml"),
            "there.yaml exists already: choose another name, or --force",
        ),
        (("--labels", "labels.csv", "--to", "a.json", "--report", "a.json"), "cannot be the sheet and the report"),
        ((), "job has no example of any attribute: no label is of its items; give --labels"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    folder = place(tmp_path)
    (folder / "there.yaml").write_text("mine")
    before = (folder / "tags.yaml").read_text()

    ran = askpix("calibrate", "tags.yaml", "--job", "job", *arguments, cwd=folder)

    assert ran.code == 2
    assert said in (ran.err if ran.out else the_complaint(ran))
    assert (folder / "tags.yaml").read_text() == before
    assert (folder / "there.yaml").read_text() == "mine"


def test_a_sheet_in_which_nothing_can_be_put_stays_as_it_is(tmp_path: Path) -> None:
    sheet = (
        "- &first\n  name: color\n  text: what color is it?\n  choices: [red, green, gray]\n"
        "- <<: *first\n  name: shade\n"
    )
    folder = place(tmp_path, sheet)
    with (folder / "labels.csv").open("a") as file:
        file.write("\n")

    ran = askpix("calibrate", "tags.yaml", "--job", "job", "--labels", "labels.csv", cwd=folder)

    assert ran.code == 2
    assert "Traceback" not in ran.err
    assert (folder / "tags.yaml").read_text() == sheet


def test_labels_are_not_needed_where_corrections_confirm_right_answers(tmp_path: Path) -> None:
    folder = place(tmp_path)
    lines = [f"item-{number},color,{'red' if number % 3 else 'green'}" for number in range(60)]
    (folder / "checked.csv").write_text("\n".join(["id,attribute,correction", *lines]))
    assert askpix("correct", "job", "checked.csv", cwd=folder).code == 0

    ran = askpix("calibrate", "tags.yaml", "--job", "job", cwd=folder)

    assert ran.code == 0, ran.err
    assert read_questions(folder / "tags.yaml")[0].calibration is not None

"""Options of `askpix export` that its form has no use for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from helpers.jobs import answered, job_of

from askpix.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--to", "out.csv", "--files-root", "."], "answers"),
        (["--to", "out.parquet", "--allow-net", "10.0.0.0/8"], "rows"),
        (["--to", "out.csv", "--groups", "--allow-bucket", "shop"], "wide"),
        (["--to", "texts/", "--files-root", "."], "text"),
        (["--to", "out.csv", "--merge", "list.csv", "--files-root", "."], "a merge"),
    ],
)
def test_where_images_may_be_read_from_is_refused_where_none_is_read(
    arguments: list[str], what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job_of(tmp_path / "job", [answered("a")])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["askpix", "export", "job", *arguments])

    with pytest.raises(SystemExit) as caught:
        main()

    assert caught.value.code == 2
    assert capsys.readouterr().err == (
        f"askpix: --files-root, --allow-net and --allow-bucket are for exports that hold the images, and {what} has "
        "none: leave them out\n"
    )
    assert [each.name for each in tmp_path.iterdir()] == ["job"]

"""What options open to read images: beside it, the settings count, and what a command names of itself."""

from __future__ import annotations

from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path

import pytest
from helpers.jobs import answered, job_of

from askpix.cli.opening import Opening, reading_again
from askpix.cli.sampling import access_for
from askpix.producer import Job
from askpix.producer.inputs import Input
from askpix.producer.settings import Settings
from askpix.worker.access import Access

LOCAL, OTHER = "10.0.0.0/8", "192.168.0.0/16"


def opening(*networks: str, roots: tuple[str, ...] = ()) -> Opening:
    return Opening(files_roots=roots, networks=networks, buckets=())


def reached(access: Access) -> list[str]:
    """Returns the networks, of the two, that images may be fetched from."""
    hosts = {LOCAL: "10.1.2.3", OTHER: "192.168.1.2"}
    return [net for net, host in hosts.items() if access.may_connect(host, ip_address(host), 80)]


class Kept:
    """Keeps what it was made of."""

    def __init__(self, access: Access, settings: Settings, own_bucket: str | None) -> None:
        self.access = access
        self.made_of = (settings.allow_net, own_bucket)
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize(
    ("setting", "options", "expected"),
    [("", (), []), (LOCAL, (), [LOCAL]), ("", (OTHER,), [OTHER]), (LOCAL, (OTHER,), [OTHER])],
)
def test_options_count_in_place_of_the_setting_whatever_reads_images(
    setting: str, options: tuple[str, ...], expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    monkeypatch.setenv("ASKPIX_ALLOW_NET", setting)
    (tmp_path / "list.txt").write_text("a.jpg\n")
    folder = job_of(tmp_path / "job", [answered("a")])

    # When
    with ExitStack() as stack:
        again = reading_again(Kept, Job.open(folder.uri), opening(*options), stack)
        assert not again.is_closed
    of_list = access_for(Input(str(tmp_path / "list.txt")), opening(*options))
    of_worker = opening(*options).access(Settings())

    # Then
    assert [reached(access) for access in (again.access, of_list, of_worker)] == [expected] * 3
    assert again.is_closed


def test_files_are_read_where_options_say_it_and_beside_the_list(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a.jpg\n")
    job = Job.open(job_of(tmp_path / "job", [answered("a")]).uri)

    access = access_for(Input(str(tmp_path / "list.txt")), opening(roots=("/elsewhere",)))

    assert access.may_read(tmp_path / "a.jpg")
    assert access.may_read(Path("/elsewhere/a.jpg"))
    assert not access.may_read(Path("/other/a.jpg"))
    with ExitStack() as stack:
        assert reading_again(Kept, job, opening(), stack).access.may_read(Path("/other/a.jpg"))
        assert not reading_again(Kept, job, opening(roots=("/elsewhere",)), stack).access.may_read(Path("/other/a.jpg"))

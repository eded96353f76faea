"""What a worker may read, write and reach."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from askpix.producer.errors import AskpixError, MessageError
from askpix.worker.access import Access

# Addresses. -----------------------------------------------------------------------------------------

PUBLIC = [
    "8.8.8.8",
    "93.184.216.34",
    "2606:4700::1111",
    "::ffff:8.8.8.8",  # mapped
    "64:ff9b::808:808",  # NAT64
    "2002:808:808::1",  # 6to4
]
NOT_PUBLIC = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",  # shared by a provider's customers
    "100.100.100.200",  # metadata at Alibaba
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",  # metadata elsewhere
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",  # metadata at Oracle
    "192.168.1.1",
    "198.18.0.1",  # benchmarks
    "203.0.113.5",  # documentation
    "224.0.0.1",  # multicast
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fc00::1",
    "fd00:ec2::254",  # metadata at AWS
    "fe80::1",
    "fec0::1",  # site-local, as fc00::/7 was called before
    "ff02::1",
    "ff0e::1",  # multicast, global
    "2001:db8::1",
    "2001::7f00:1",  # Teredo
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",  # compatible, as mapped was called before
    "::ffff:0:127.0.0.1",  # translated
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",  # NAT64 of a network's own
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_reached(address: str) -> None:
    assert all(Access().may_connect("a.example", ipaddress.ip_address(address), port) for port in (80, 443))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_other_addresses_may_not_in_whatever_spelling(address: str) -> None:
    assert not any(Access().may_connect("a.example", ipaddress.ip_address(address), port) for port in (80, 443))


@pytest.mark.parametrize(
    ("network", "address", "may"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", "::ffff:127.0.0.1", True),
        ("127.0.0.1", "::1", False),
        ("10.0.0.0/8", "10.200.0.1", True),
        ("10.0.0.7/8", "10.200.0.1", True),
        ("10.0.0.0/8", "11.0.0.1", True),  # public
        ("10.0.0.0/8", "192.168.0.1", False),
        (" 10.0.0.0/8 ", "64:ff9b::a00:1", True),
        ("::1", "::1", True),
        ("::1", "127.0.0.1", False),
        ("fd00::/8", "fd12::1", True),
    ],
)
def test_networks_of_the_workers_own_settings_are_open(network: str, address: str, may: bool) -> None:
    access = Access.of(networks=[network])
    assert access.may_connect("a.example", ipaddress.ip_address(address), 80) is may


@pytest.mark.parametrize("port", [1, 21, 22, 79, 81, 442, 444, 6379, 8080, 65_535])
def test_other_ports_than_those_of_the_web_may_not_be_asked(port: int) -> None:
    assert not Access().may_connect("a.example", ipaddress.ip_address("93.184.215.14"), port)


@pytest.mark.parametrize(
    ("opened", "host", "address", "port", "may"),
    [
        ("10.0.0.0/8", "x", "10.1.1.1", 8080, True),
        ("10.0.0.0/8:8080", "x", "10.1.1.1", 8080, True),
        ("10.0.0.0/8:8080", "x", "10.1.1.1", 80, False),
        ("127.0.0.1:9000", "localhost", "127.0.0.1", 9000, True),
        ("127.0.0.1:9000", "localhost", "127.0.0.1", 9001, False),
        ("[fd00::/8]:81", "x", "fd00::1", 81, True),
        ("[fd00::/8]:81", "x", "fd00::1", 80, False),
        ("[::1]", "x", "::1", 80, True),
        ("img.internal", "IMG.internal.", "10.1.1.1", 1234, True),
        ("IMG.internal", "img.internal", "10.1.1.1", 80, True),
        ("img.internal:8080", "img.internal", "10.1.1.1", 8080, True),
        ("img.internal:8080", "img.internal", "10.1.1.1", 80, False),
        ("img.internal", "other.internal", "10.1.1.1", 80, False),
        ("img.internal", "img.internal.evil.example", "10.1.1.1", 80, False),
        ("img.internal", "evil-img.internal", "10.1.1.1", 80, False),
        ("a.example:8080", "a.example", "93.184.215.14", 8080, True),
    ],
)
def test_networks_and_hosts_are_opened_at_all_ports_or_at_one(
    opened: str, host: str, address: str, port: int, may: bool
) -> None:
    assert Access.of(networks=[opened]).may_connect(host, ipaddress.ip_address(address), port) is may


@pytest.mark.parametrize(
    "network",
    [
        *("", " ", "10.0.0.0/33", "10.0.0", "example.com/24", "10.0.0.0/8:0", "10.0.0.0/8:65536", "a.example:"),
        *(
            "a.example:x",
            "http://a.example",
            "a_example..com",
            "-a.example",
            "127.1",
            "0x7f.1",
            "a b",
            "a.example:80:81",
        ),
        *("[fd00::/8]:", "*", "*.example.com", "1.2.3.4.5"),
    ],
)
def test_a_network_that_is_none_is_refused(network: str) -> None:
    with pytest.raises(AskpixError, match="--allow-net"):
        Access.of(networks=[network])


# Storage. -------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with `root`, which is open, and `outside`, which is not, and symbolic links between them."""
    for name in ("root/job", "root-too/job", "outside/job"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "root" / "way-out").symlink_to(tmp_path / "outside")
    (tmp_path / "root" / "way-round").symlink_to(tmp_path / "root" / "job")
    (tmp_path / "alias").symlink_to(tmp_path / "root")
    (tmp_path / "root" / "loop").symlink_to(tmp_path / "root" / "loop")
    return tmp_path


@pytest.mark.parametrize(
    "uri",
    [
        "{place}/root",
        "{place}/root/job",
        "{place}/root/new/one",
        "{place}/root/job/../job",
        "{place}/outside/../root/job",
        "{place}/root/way-round",
        "{place}/alias/job",
        "file://{place}/root/job",
        "file://localhost{place}/root/job",
    ],
)
def test_a_job_folder_under_a_root_is_opened_where_it_really_is(place: Path, uri: str) -> None:
    # Given
    access = Access.of(storage_roots=[str(place / "root")])

    # When
    storage = access.open_job(uri.format(place=place))

    # Then
    assert Path(storage.uri).is_relative_to((place / "root").resolve())


@pytest.mark.parametrize(
    "uri",
    [
        "",
        ".",
        "root/job",
        "../root/job",
        "{place}",
        "{place}/outside/job",
        "{place}/root-too/job",
        "{place}/root/../outside/job",
        "{place}/root/../../../../../../../../etc",
        "{place}/root/way-out/job",
        "{place}/root/way-out/new",
        "{place}/root/job\0",
        "{place}/root/loop/job",
        "~/job",
        "file://{place}/outside/job",
        "file://{place}/root/%2e%2e/outside/job",
        "file://elsewhere{place}/root/job",
        "file:root/job",
        "s3://bucket/job",
        "s3://{place}/root/job",
        "gs://bucket/job",
        "http://127.0.0.1/job",
        "data:,job",
    ],
)
def test_any_other_job_folder_is_refused(place: Path, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    monkeypatch.chdir(place)
    access = Access.of(storage_roots=[str(place / "root")])

    # Then
    with pytest.raises(MessageError) as raised:
        access.open_job(uri.format(place=place))
    assert raised.value.reason == "outside"
    assert str(raised.value).isprintable()


def test_a_name_that_no_disk_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AskpixError):
        Access.of(storage_roots=[str(tmp_path)]).open_job(f"{tmp_path}/{'long' * 100}")


def test_without_roots_nothing_is_open(tmp_path: Path) -> None:
    access = Access()
    assert not access.may_read(tmp_path.resolve())
    with pytest.raises(MessageError, match="storage roots"):
        access.open_job(str(tmp_path))


def test_a_root_may_be_a_link_and_relative(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    monkeypatch.chdir(place)

    # When
    access = Access.of(storage_roots=["alias"], files_roots=["alias"])

    # Then
    assert access.open_job(f"{place}/root/job").uri == str((place / "root" / "job").resolve())
    assert access.may_read(place.resolve() / "root" / "job" / "a.jpg")
    assert not access.may_read(place.resolve() / "outside" / "a.jpg")


@pytest.mark.parametrize("root", ["", "gs://bucket", "http://example.com/", "file://elsewhere/tmp"])
@pytest.mark.parametrize("kind", ["storage_roots", "files_roots"])
def test_a_root_that_is_no_local_folder_is_refused(root: str, kind: str) -> None:
    with pytest.raises(AskpixError, match="no local folder"):
        Access.of(**{kind: [root]})


def test_files_are_not_read_from_s3() -> None:
    with pytest.raises(AskpixError, match="--files-root 's3://bucket' is no local folder"):
        Access.of(files_roots=["s3://bucket"])


# What an ask may write. -----------------------------------------------------------------------------


@pytest.fixture
def jobs(place: Path) -> Path:
    """A root that holds a job in `spring`, and one in `shop/autumn`."""
    for name in ("spring", "shop/autumn"):
        (place / "root" / name / "results").mkdir(parents=True)
        (place / "root" / name / "job.json").touch()
    (place / "root" / "alias.json").symlink_to(place / "root" / "spring" / "job.json")
    (place / "root" / "way-in").symlink_to(place / "root" / "spring")
    return place


@pytest.mark.parametrize(
    ("uri", "where"),
    [
        ("{place}/root/1.json", "1.json"),
        ("{place}/root/a/b/c/1.json", "a/b/c/1.json"),
        ("{place}/root/results/1.json", "results/1.json"),
        ("file://{place}/root/a%20b.json", "a b.json"),
        ("{place}/root/a/../1.json", "1.json"),
        ("{place}/root/1.json/.", "1.json"),
        ("{place}/alias/1.json", "1.json"),
        ("{place}/root/shop/1.json", "shop/1.json"),
        ("{place}/root/way-round/1.json", "job/1.json"),
    ],
)
def test_the_output_of_an_ask_goes_under_a_root(jobs: Path, uri: str, where: str) -> None:
    # Given
    access = Access.of(storage_roots=[str(jobs / "root"), str(jobs / "root" / "a")])

    # When
    storage, name = access.open_output(uri.format(place=jobs))
    storage.write(name, b"{}")

    # Then
    assert (jobs / "root" / where).read_bytes() == b"{}"


OUTSIDE = ["", "1.json", "{place}/outside/1.json", "{place}/root-too/1.json", "{place}/root/../1.json"]
OUTSIDE += ["{place}/root/way-out/1.json", "{place}/root/1.json\0", "{place}/root/loop/1.json", "http://a/1.json"]
OUTSIDE += ["s3://bucket/jobs/1.json", "file://elsewhere{place}/root/1.json", "data:,1.json"]
NO_JSON = ["{place}/root", "{place}/root/1", "{place}/root/1.JSON", "{place}/root/.json", "{place}/root/1.json/"]
NO_JSON += ["{place}/root/1.parquet", "{place}/root/a/.1.json"]
IN_A_JOB = ["{place}/root/job.json", "{place}/root/a/model.json", "{place}/root/a/Job.JSON/1.json"]
IN_A_JOB += [
    "{place}/root/new/corrections/000001.json",
    "{place}/root/new/rounds/001.json",
    "{place}/root/new/control/x/1.json",
    "{place}/root/new/Partial/1.json",
]
IN_A_JOB += ["{place}/root/new/results/part-000000.parquet/1.json", "{place}/root/new/model.json/1.json"]
IN_A_JOB += ["{place}/root/spring/1.json", "{place}/root/spring/results/1.json", "{place}/root/spring/a/b/c/1.json"]
IN_A_JOB += ["{place}/root/shop/autumn/x/1.json", "{place}/root/alias.json", "{place}/root/way-in/1.json"]
TOO_DEEP = ["{place}/root/" + "a/" * 9 + "1.json"]


@pytest.mark.parametrize("uri", [*OUTSIDE, *NO_JSON, *IN_A_JOB, *TOO_DEEP])
def test_any_other_output_is_refused_and_nothing_is_made(jobs: Path, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    monkeypatch.chdir(jobs / "root")
    access = Access.of(storage_roots=[str(jobs / "root"), str(jobs / "root" / "shop" / "autumn")])
    before = sorted(jobs.rglob("*"))

    # Then
    with pytest.raises(MessageError) as raised:
        access.open_output(uri.format(place=jobs))
    assert raised.value.reason == "outside"
    assert str(raised.value).isprintable()
    assert sorted(jobs.rglob("*")) == before

"""docker-compose.yml: it is what its specification allows, and keeps what the documentation promises of it."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.dockerfile import stages

from askpix.producer.settings import Settings

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
TEXT = FILE.read_text(encoding="utf-8")
COMPOSE = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
WORKERS = ("worker", "worker-gpu")
OURS = re.compile(r"askpix(-model)?:")
"""How names of images begin that are built here."""

ONCE = ("bucket", "model", "askpix")
"""Services that end by themselves."""

_VARIABLE = re.compile(r"\$\{([A-Z_]+)(:-[^}]*)?\}")
_SECRET = re.compile(r"password|secret|key|token|credential", re.IGNORECASE)

every_service = pytest.mark.parametrize("name", SERVICES)


def by_default(text: str) -> str:
    """Returns a text of the file as it is where nothing is set."""
    return _VARIABLE.sub(lambda found: str(found[2])[2:], text)


def listed(service: dict[str, Any], key: str) -> list[str]:
    return [str(each) for each in service.get(key, [])]


def test_it_is_as_the_compose_specification_says() -> None:
    program = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run([program, "--builtin-schema", "vendor.compose-spec", FILE], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout


def test_it_brings_what_it_is_to_bring() -> None:
    profiles = {name: service.get("profiles", []) for name, service in SERVICES.items()}

    assert [name for name, own in profiles.items() if not own] == ["redis", "s3", "bucket", "model", "worker", "flower"]
    assert {name: own for name, own in profiles.items() if own} == {
        "worker-gpu": ["gpu"],
        "askpix": ["tools"],
        "prometheus": ["metrics"],
        "grafana": ["metrics"],
    }


@every_service
def test_every_container_is_closed(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert not {"privileged", "network_mode", "pid", "ipc", "cap_add", "userns_mode"} & set(service)


@every_service
def test_none_runs_as_root(name: str) -> None:
    service = SERVICES[name]
    if OURS.match(service["image"]):
        return  # test_image.py looks after the users of our own images
    user, _, _ = service["user"].partition(":")
    assert user.isdecimal()
    assert int(user) > 0


@every_service
def test_none_can_take_all_of_the_machine(name: str) -> None:
    service = SERVICES[name]

    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    for place in listed(service, "tmpfs"):
        assert re.search(r":size=\d+[mg]\b", place)


@every_service
def test_what_ends_is_started_again_and_what_serves_says_how_it_is(name: str) -> None:
    service = SERVICES[name]
    if name in ONCE:
        assert "restart" not in service
        assert service["healthcheck"] == {"disable": True}
        return
    assert service["restart"] == "unless-stopped"
    in_image = service.get("build", {}).get("target") in ("runtime", "gpu", "flower")
    assert in_image or service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


def test_pages_are_for_this_host_alone_and_nothing_else_is_published() -> None:
    published = {name: listed(service, "ports") for name, service in SERVICES.items() if "ports" in service}

    assert set(published) == {"flower", "prometheus", "grafana"}
    assert all(
        re.match(r"127\.0\.0\.1:\$\{[A-Z]+_PORT:-\d+\}:\d+$", port) for own in published.values() for port in own
    )
    # Several workers may be on one host.
    assert not any("container_name" in service or "hostname" in service for service in SERVICES.values())


def test_queue_and_store_reach_nobody_outside() -> None:
    inside = {name for name, network in COMPOSE["networks"].items() if network.get("internal")}

    assert inside == {"broker", "storage", "metrics"}
    for name in ("redis", "s3", "bucket", "askpix"):
        assert set(SERVICES[name]["networks"]) <= inside
    # Only who must fetch can; pages are reached and reach nothing.
    assert {name for name, service in SERVICES.items() if "outside" in service["networks"]} == {*WORKERS, "model"}
    masquerade = COMPOSE["networks"]["published"]["driver_opts"]["com.docker.network.bridge.enable_ip_masquerade"]
    assert masquerade == "false"


def test_of_the_store_only_s3_listens_to_others_and_to_those_who_have_its_keys_anyway() -> None:
    command = SERVICES["s3"]["command"]

    assert {"-ip.bind=127.0.0.1", "-s3.ip.bind=0.0.0.0", "-s3.config=/run/secrets/s3_config.json"} <= set(command)
    assert {"-s3.port.iceberg=0", "-s3.port.lance=0"} <= set(command)
    # Beside S3 there is a port that asks for no keys: see docs/deployment.md.
    on_it = {name for name, service in SERVICES.items() if "storage" in service["networks"]} - {"s3"}
    assert on_it == {
        name
        for name, service in SERVICES.items()
        if {"s3_credentials", "s3_admin_credentials"} & set(service.get("secrets", ()))
    }


@every_service
def test_secrets_come_as_files_and_stand_nowhere(name: str) -> None:
    service = SERVICES[name]
    environment = service.get("environment", {})
    secrets = listed(service, "secrets")

    for variable, value in environment.items():
        if _SECRET.search(variable):
            assert str(value).startswith("/run/secrets/"), variable
        assert not re.search(r"://[^/@]*:[^/@]+@", str(value)), "a URL holds a password"
    told = " ".join([*map(str, environment.values()), *listed(service, "command"), str(service.get("healthcheck"))])
    named = set(re.findall(r"/run/secrets/([\w.]+)", told))
    assert named <= set(secrets)
    assert set(secrets) <= set(COMPOSE["secrets"])
    # Whoever is handed one uses it; Redis is started by a script that does.
    assert name == "redis" or named == set(secrets)


def test_every_secret_is_made_where_git_and_the_images_do_not_look(tmp_path: Path) -> None:
    files = {secret["file"] for secret in COMPOSE["secrets"].values()}

    assert {str(Path(file).parent) for file in files} == {"deploy/secrets"}
    for file in files:
        assert subprocess.run(["git", "check-ignore", "-q", file], cwd=ROOT).returncode == 0


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_has_time_to_end(name: str) -> None:
    (grace,) = [float(each.partition("=")[2]) for each in SERVICES[name]["command"] if each.startswith("--grace=")]

    assert float(SERVICES[name]["stop_grace_period"].removesuffix("s")) >= grace + 10


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_waits_for_what_it_needs(name: str) -> None:
    waits = {on: how["condition"] for on, how in SERVICES[name]["depends_on"].items()}

    assert waits == {
        "redis": "service_healthy",
        "bucket": "service_completed_successfully",
        "model": "service_completed_successfully",
    }


def test_both_workers_are_the_same_but_for_the_device() -> None:
    cpu, gpu = (SERVICES[name] for name in WORKERS)

    assert [each for each in gpu["command"] if each != "--device=GPU"] == cpu["command"]
    assert gpu["devices"] == ["/dev/dri:/dev/dri"]
    same = set(cpu) - {"build", "image", "command", "deploy"}
    assert {key: cpu[key] for key in same} == {key: gpu[key] for key in same}


@every_service
def test_images_are_of_a_release(name: str) -> None:
    service = SERVICES[name]
    if "build" in service:
        target = by_default(service["build"]["target"])
        assert target in stages((ROOT / "Dockerfile").read_text(encoding="utf-8"))
        assert OURS.sub("", service["image"]) == service["build"]["target"]
    elif OURS.match(service["image"]):
        # Nobody else's, should there be one of that name.
        assert service["pull_policy"] == "never"
    else:
        assert re.search(r":v?\d+\.\d+(\.\d+)?(-alpine)?(@sha256:[0-9a-f]{64})?$", service["image"])


def test_every_image_of_ours_is_built_by_one_service() -> None:
    images = {name: by_default(service["image"]) for name, service in SERVICES.items()}
    built = [images[name] for name, service in SERVICES.items() if "build" in service]
    run = {image for image in images.values() if OURS.match(image)}

    # Builders that make the same name at once fail, one of them.
    assert len(set(built)) == len(built)
    assert set(built) == run
    # What `up` starts, without a profile, is built by what it starts.
    always = {images[name] for name, service in SERVICES.items() if "build" in service and "profiles" not in service}
    assert run - always == {"askpix:gpu"}


def test_every_file_that_is_mounted_is_in_the_repository() -> None:
    mounted = {
        by_default(volume).partition(":")[0] for service in SERVICES.values() for volume in listed(service, "volumes")
    }
    here = {path for path in mounted if path.startswith("./")}

    assert [path for path in sorted(here) if not (ROOT / path).exists()] == []
    assert {"./deploy/redis", "./deploy/prometheus", "./deploy/grafana/dashboards"} <= here
    assert mounted - here == set(COMPOSE["volumes"])
    for script in (
        SERVICES["redis"]["entrypoint"],
        SERVICES["prometheus"]["command"],
        SERVICES["bucket"]["entrypoint"],
    ):
        for place, path in (("/etc/redis/", "deploy/redis"), ("/etc/prometheus/", "deploy/prometheus")):
            for name in re.findall(rf"{place}([\w.]+)", " ".join(script)):
                assert (ROOT / path / name).is_file()


@every_service
def test_settings_are_settings(name: str) -> None:
    known = {f"ASKPIX_{field.upper()}" for field in Settings.model_fields}
    environment = SERVICES[name].get("environment", {})

    assert {variable for variable in environment if variable.startswith("ASKPIX_")} <= known


def test_all_that_can_be_set_is_in_the_example_with_its_default() -> None:
    example = dict(re.findall(r"^([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    used = {name: (default or ":-")[2:] for name, default in _VARIABLE.findall(TEXT)}

    assert used == example
    assert not [name for name in example if _SECRET.search(name)]


def test_grafana_finds_its_dashboards_and_prometheus() -> None:
    mounts = dict(volume.split(":")[:2] for volume in SERVICES["grafana"]["volumes"])
    found = [yaml.safe_load(file.read_text()) for file in (ROOT / "deploy/grafana/provisioning").rglob("*.y*ml")]

    (path,) = [each["options"]["path"] for config in found for each in config.get("providers", ())]
    assert mounts["./deploy/grafana/dashboards"] == path
    (url,) = [each["url"] for config in found for each in config.get("datasources", ())]
    assert url == f"http://prometheus:{SERVICES['prometheus']['ports'][0].rpartition(':')[2]}"


def test_the_redis_users_are_those_of_its_access_list() -> None:
    users = set(re.findall(r"redis://([\w-]+)@redis", TEXT)) | set(re.findall(r"redis-cli --user ([\w-]+)", TEXT))
    access = (ROOT / "deploy" / "redis" / "users.acl").read_text(encoding="utf-8")

    assert users == {"askpix", "flower", "askpix-watch"}
    assert users <= set(re.findall(r"^user (\S+)", access, re.MULTILINE))


def test_nothing_waits_in_a_circle() -> None:
    waits = {name: set(service.get("depends_on", {})) for name, service in SERVICES.items()}
    order: list[str] = []
    while len(order) < len(waits):
        free = [name for name, on in waits.items() if name not in order and on <= set(order)]
        assert free, f"of {waits}, after {order} nothing can start"
        order += free
    assert all(first != second for first, second in pairwise(order))

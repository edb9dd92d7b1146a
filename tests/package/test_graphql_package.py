"""The package of the GraphQL server: what is in it, and that it comes, works and goes."""

from __future__ import annotations

import filecmp
import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from release import wheels
from release.version import ROOT, version

if TYPE_CHECKING:
    from pathlib import Path

    from machine import Machine
    from workshop import Workshop

APT = "apt-get -q -y -o Dpkg::Use-Pty=0"
LIB = "usr/lib/spacedrive"
ASK = (
    "import http.client, json, socket\n"
    "c = http.client.HTTPConnection('localhost')\n"
    "c.sock = socket.socket(socket.AF_UNIX)\n"
    "c.sock.connect('/run/spacedrive/graphql.sock')\n"
    "c.request('POST', '/graphql', json.dumps({'query': '{ coreStatus { version } }'}),"
    " {'Content-Type': 'application/json'})\n"
    "print(json.loads(c.getresponse().read())['data']['coreStatus']['version'])\n"
)


@pytest.fixture(scope="module")
def tree(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked package."""
    unpacked = tmp_path_factory.mktemp("graphql") / "tree"
    subprocess.run(["dpkg-deb", "-R", workshop.graphql, unpacked], check=True)
    return unpacked


def test_it_has_what_its_sibling_has_not(tree: Path, workshop: Workshop) -> None:
    listed = subprocess.run(
        ["dpkg-deb", "-c", workshop.package], check=True, capture_output=True, text=True
    ).stdout
    files = {str(one.relative_to(tree)) for one in tree.rglob("*") if one.is_file()}
    sibling = {line.split()[5].removeprefix("./") for line in listed.splitlines()}
    assert not files & sibling
    assert f"{LIB}/sd_client/graphql/server.py" in files
    assert f"{LIB}/sd_client/graphql/page/vendor/graphiql.min.js" in files
    for kind in ("system", "user"):
        for unit in ("socket", "service"):
            name = f"{kind}/spacedrive-graphql.{unit}"
            assert filecmp.cmp(ROOT / "contrib/systemd" / name, tree / "usr/lib/systemd" / name)
    assert f"spacedrive (= {version()}-1)" in (tree / "DEBIAN/control").read_text()


def test_what_is_pinned_is_bundled_listed_and_licensed(tree: Path) -> None:
    pins = wheels.pins(wheels.GRAPHQL)
    bundled = {re.sub(r"[-_.]+", "-", one.name) for one in (tree / LIB).glob("*.dist-info")}
    assert bundled == {
        re.sub(r"[-_.]+", "-", f"{pin.name}-{pin.version}.dist-info") for pin in pins
    }
    documents = tree / "usr/share/doc/spacedrive-graphql"
    listed = json.loads((documents / "spacedrive-graphql.cdx.json").read_text())
    names = {one["name"] for one in listed["components"]}
    assert names == {*(pin.name for pin in pins), "graphiql", "react", "react-dom"}
    assert all(one.get("hashes", True) for one in listed["components"])
    told = set(re.findall(r"\bbundled/(\S+)", (documents / "copyright").read_text()))
    assert {f"{pin.name}/*" for pin in pins} <= told


def test_it_comes_works_is_upgraded_and_goes(machine: Machine, workshop: Workshop) -> None:
    shutil.copy(workshop.graphql, machine.tree / "root/graphql.deb")
    shutil.copy(workshop.newer_graphql, machine.tree / "root/newer-graphql.deb")
    machine.run("dpkg -i /root/spacedrive.deb")
    hint = machine.run("sd graphql", user="alice", check=False)
    assert "apt install spacedrive-graphql" in hint.stderr
    machine.run("dpkg -i /root/graphql.deb")
    units = "systemctl is-active spacedrive-graphql.socket spacedrive-graphql.service"
    assert machine.run(units, check=False).stdout.split() == ["inactive", "inactive"]
    machine.write("/root/ask.py", ASK)
    machine.run("systemctl enable --now -q spacedrive.socket spacedrive-graphql.socket")
    assert machine.output("python3 -I /root/ask.py") == version()
    before = machine.output("systemctl show -P MainPID spacedrive-graphql.service")
    machine.run("dpkg -i /root/newer.deb /root/newer-graphql.deb")
    assert machine.output("python3 -I /root/ask.py") != version()
    assert machine.output("systemctl show -P MainPID spacedrive-graphql.service") != before
    machine.run(f"{APT} purge spacedrive-graphql")
    assert machine.run("systemctl is-active spacedrive-graphql.socket", check=False).returncode
    left = machine.output("ls -d /var/lib/*/*graphql* /var/lib/*graphql* 2>/dev/null; true")
    assert "spacedrive" not in left.replace("/var/lib/dpkg", ""), left
    lib = "/usr/lib/spacedrive"
    assert machine.output(f"ls -d {lib}/sd_client/graphql {lib}/aiohttp 2>/dev/null; true") == ""
    machine.run(f"{APT} purge spacedrive")

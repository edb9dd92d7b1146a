"""What is in the package, looked at without installing it."""

from __future__ import annotations

import filecmp
import gzip
import json
import re
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

from release import wheels
from release.version import ROOT, version

if TYPE_CHECKING:
    from pathlib import Path

    from workshop import Workshop

LIB = "usr/lib/spacedrive"
ELF_MACHINES = {"amd64": 62, "arm64": 183}


@pytest.fixture(scope="module")
def contents(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The unpacked packages, by their architecture."""
    unpacked = {}
    for name, package in (("amd64", workshop.package), ("arm64", workshop.arm64)):
        unpacked[name] = tmp_path_factory.mktemp(name)
        subprocess.run(["dpkg-deb", "-R", package, unpacked[name]], check=True)
    return unpacked


@pytest.fixture(scope="module")
def tree(contents: dict[str, Path]) -> Path:
    """The package for this machine."""
    return contents["amd64"]


def names(tree: Path) -> set[str]:
    """Every file, from the root on."""
    return {str(one.relative_to(tree)) for one in tree.rglob("*") if not one.is_dir()}


def test_versions_agree(tree: Path) -> None:
    """pyproject.toml says it; the package, its changelog and the command repeat it."""
    control = (tree / "DEBIAN/control").read_text()
    assert f"\nVersion: {version()}-1\n" in control
    assert (ROOT / "debian/changelog").read_text().startswith(f"spacedrive ({version()}-1) ")
    assert (tree / LIB / f"spacedrive-{version()}.dist-info/METADATA").exists()


def test_units_are_those_of_the_source(tree: Path) -> None:
    for kind, folder in (
        ("system", "usr/lib/systemd/system"),
        ("user", "usr/lib/systemd/user"),
        ("system-preset", "usr/lib/systemd/system-preset"),
        ("user-preset", "usr/lib/systemd/user-preset"),
        ("catalog", "usr/lib/systemd/catalog"),
        ("sysusers", "usr/lib/sysusers.d"),
        ("examples", "usr/share/doc/spacedrive/examples"),
    ):
        compared = filecmp.dircmp(ROOT / "contrib/systemd" / kind, tree / folder)
        assert compared.same_files, kind
        assert compared.diff_files + compared.right_only == [], kind
        assert all("graphql" in one for one in compared.left_only), kind


def test_the_manual_and_completion_are_installed(tree: Path) -> None:
    for page in (ROOT / "docs/man").iterdir():
        packed = tree / f"usr/share/man/man{page.suffix[1:]}/{page.name}.gz"
        assert gzip.decompress(packed.read_bytes()) == page.read_bytes()
    for script, place in (
        ("sd.bash", "bash-completion/completions/sd"),
        ("_sd", "zsh/vendor-completions/_sd"),
        ("sd.fish", "fish/vendor_completions.d/sd.fish"),
    ):
        assert filecmp.cmp(ROOT / "docs/completions" / script, tree / "usr/share" / place)


def test_nothing_of_the_build_is_left(tree: Path) -> None:
    found = names(tree)
    assert not [one for one in found if one.endswith((".pyc", ".pyi", ".c", ".pyx"))]
    assert not [one for one in found if re.search(r"dist-info/(?!METADATA$)", one)]
    for one in found:
        assert b"/build/spacedrive" not in (tree / one).read_bytes(), one


def test_programs_are_programs_and_files_are_files(tree: Path) -> None:
    executable = {one for one in names(tree) if (tree / one).stat().st_mode & 0o111}
    assert {one for one in executable if not one.startswith("DEBIAN/")} == {
        "usr/bin/sd",
        "usr/bin/sd-daemon",
        "usr/share/python3/runtime.d/spacedrive.rtupdate",
    }
    modes = {(tree / one).stat().st_mode & 0o7777 for one in names(tree)}
    assert modes == {0o644, 0o755}


def test_what_is_pinned_is_bundled(tree: Path) -> None:
    bundled = {one.name for one in (tree / LIB).glob("*.dist-info")}
    normal = {re.sub(r"[-_.]+", "-", one) for one in bundled}
    pinned = {f"{pin.name}-{pin.version}.dist-info" for pin in wheels.pins()}
    ours = f"spacedrive-{version()}.dist-info"
    assert normal == {re.sub(r"[-_.]+", "-", one) for one in (*pinned, ours)}


def extensions(tree: Path) -> dict[str, int]:
    """Compiled files without the tags of Python and platform, and the processor of each."""
    found = {}
    for one in sorted((tree / LIB).rglob("*.so*")):
        header = one.read_bytes()[:20]
        assert header[:4] == b"\x7fELF"
        found[str(one.relative_to(tree))] = struct.unpack("<H", header[18:20])[0]
    return found


@pytest.mark.parametrize("architecture", ELF_MACHINES)
def test_compiled_files_are_for_their_processor(
    contents: dict[str, Path], architecture: str
) -> None:
    compiled = extensions(contents[architecture])
    assert set(compiled.values()) == {ELF_MACHINES[architecture]}
    for python in wheels.PYTHONS:
        tag = f"cpython-{python.replace('.', '')}-{wheels.MACHINES[architecture]}-linux-gnu"
        assert {one.split("/")[-2] for one in compiled if tag in one} == {
            *("blake3", "cysystemd", "msgspec", "uvloop")
        }


def test_the_architectures_differ_in_nothing_else(contents: dict[str, Path]) -> None:
    def plain(tree: Path) -> dict[str, bytes]:
        named = names(tree)
        compiled = {one for one in named if re.search(r"\.so(\.|$)", one)}
        changing = {"DEBIAN/control", "DEBIAN/md5sums"}
        changing |= {one for one in named if one.endswith((".cdx.json", "changelog.Debian.gz"))}
        return {one: (tree / one).read_bytes() for one in named - compiled - changing}

    assert plain(contents["amd64"]) == plain(contents["arm64"])


def test_relations_follow_from_the_wheels(tree: Path) -> None:
    control = (tree / "DEBIAN/control").read_text()
    assert wheels.depends() in control
    assert "python3 (>= 3.11), python3 (<< 3.15), libc6 (>= 2.34)" in control
    assert "\nConflicts: sd\n" in control


def test_the_list_of_parts_is_complete(contents: dict[str, Path]) -> None:
    for tree in contents.values():
        listed = json.loads((tree / "usr/share/doc/spacedrive/spacedrive.cdx.json").read_text())
        assert (listed["bomFormat"], listed["specVersion"]) == ("CycloneDX", "1.6")
        parts = {(one["name"], one["version"]): one for one in listed["components"]}
        assert set(parts) == {(pin.name, pin.version) for pin in wheels.pins()}
        for pin in wheels.pins():
            part = parts[pin.name, pin.version]
            hashes = {
                one["content"] for where in part["externalReferences"] for one in where["hashes"]
            }
            assert hashes
            assert hashes <= pin.hashes
            assert part["licenses"][0]["expression"]
        inside = {one["name"] for part in parts.values() for one in part.get("components", [])}
        assert {"libgcrypt", "libzstd", "pyo3"} <= inside
        references = [listed["metadata"]["component"], *listed["components"]]
        assert {one["ref"] for one in listed["dependencies"]} == {
            one["bom-ref"] for one in references
        }


def test_every_bundled_package_has_its_licence_told(tree: Path) -> None:
    """By its own paragraph in debian/copyright, and every shared library of a wheel by one."""
    copyright_text = (tree / "usr/share/doc/spacedrive/copyright").read_text()
    patterns = set(re.findall(r"\bbundled/(\S+)", copyright_text))
    assert {f"{pin.name}/*" for pin in wheels.pins()} <= patterns
    for library in (tree / LIB).glob("*.libs/*"):
        name = f"{library.parent.name}/{library.name.partition('-')[0]}"
        assert any(one.startswith(name) for one in patterns), library.name
    told = set(re.findall(r"^License: (.+)$", copyright_text, re.MULTILINE))
    named = {name for one in told for name in one.split(" or ")}
    explained = set(re.findall(r"^\n?License: (\S+)\n ", copyright_text, re.MULTILINE))
    assert named <= explained


def test_byte_code_is_made_anew_for_another_python(tree: Path) -> None:
    """python3's own upgrade calls this; without it the daemon would run uncompiled after it."""
    hook = (tree / "usr/share/python3/runtime.d/spacedrive.rtupdate").read_text()
    assert "py3compile -p spacedrive /usr/lib/spacedrive" in hook

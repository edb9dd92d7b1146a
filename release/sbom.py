"""The list of what the Debian package bundles, as a CycloneDX document.

python -m release.sbom ARCH FOLDER [PART]    print it; FOLDER and PART as for `release.wheels`

It follows from the pinned downloads: names, versions, licences, the hash of each file, and what a
wheel itself says that it has inside (PEP 770), such as the crates of an extension in Rust.
"""

from __future__ import annotations

import datetime
import email
import json
import os
import sys
import uuid
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from release import wheels
from release.version import version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from release.wheels import Pin

CLASSIFIED = {
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "Python Software Foundation License": "PSF-2.0",
}
"""Licences as classifiers name them, by their SPDX names; used where nothing better is there."""
VENDORED = {"graphiql": "3.9.0", "react": "18.3.1", "react-dom": "18.3.1"}
SCRIPTS = wheels.ROOT / "sd_client/graphql/page/vendor"
NAMESPACE = uuid.UUID("6f0f42f5-6a3b-5f5c-9d0e-3c1f4c7b2a11")


def licences(metadata: str) -> list[dict[str, Any]]:
    """What a package says of its licence."""
    said = email.message_from_string(metadata)
    expression = said["License-Expression"]
    if not expression:
        classified = [
            CLASSIFIED[one.rpartition(" :: ")[2]]
            for one in said.get_all("Classifier", [])
            if one.startswith("License :: OSI Approved :: ")
        ]
        expression = " OR ".join(classified) or said["License"]
    return [{"expression": expression}]


def inside(download: Path) -> Iterator[dict[str, Any]]:
    """What a wheel says that it has in it."""
    if download.suffix != ".whl":
        return
    with zipfile.ZipFile(download) as wheel:
        for name in sorted(wheel.namelist()):
            if ".dist-info/sboms/" in name and name.endswith(".json"):
                document = json.loads(wheel.read(name))
                for one in document.get("components", []):
                    known = ("type", "name", "version", "licenses", "purl", "hashes")
                    part = {key: one[key] for key in known if key in one}
                    if not part.get("purl", "pkg:").startswith("pkg:pypi/"):
                        yield part


def component(pin: Pin, files: list[Path]) -> dict[str, Any]:
    """One bundled package."""
    purl = f"pkg:pypi/{pin.name}@{pin.version}"
    metadata = next(
        content.decode()
        for name, content, _ in wheels.contents(files[0], pin)
        if name.endswith(".dist-info/METADATA")
    )
    parts = {json.dumps(part, sort_keys=True) for file in files for part in inside(file)}
    made: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": pin.name,
        "version": pin.version,
        "licenses": licences(metadata),
        "purl": purl,
        "externalReferences": [
            {
                "type": "distribution",
                "url": f"{purl}?file_name={file.name}",
                "hashes": [{"alg": "SHA-256", "content": wheels.sha256(file)}],
            }
            for file in files
        ],
    }
    if parts:
        made["components"] = [json.loads(part) for part in sorted(parts)]
    return made


def vendored() -> Iterator[dict[str, Any]]:
    """The scripts of npm that are in our source."""
    for name, number in VENDORED.items():
        purl = f"pkg:npm/{name}@{number}"
        yield {
            "type": "library",
            "bom-ref": purl,
            "name": name,
            "version": number,
            "licenses": [{"expression": "MIT"}],
            "purl": purl,
            "hashes": [
                {"alg": "SHA-256", "content": wheels.sha256(file)}
                for file in sorted(SCRIPTS.glob(f"{name}.*"))
            ],
        }


def document(machine: str, folder: Path, part: str = wheels.BASE) -> dict[str, Any]:
    """All of it."""
    files: dict[Pin, dict[str, Path]] = {}
    for pin, download in wheels.downloads(machine, folder, part):
        files.setdefault(pin, {})[download.name] = download
    components = [component(pin, list(named.values())) for pin, named in files.items()]
    components += [] if part == wheels.BASE else vendored()
    package = "spacedrive" if part == wheels.BASE else f"spacedrive-{part}"
    when = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.UTC)
    ours = f"pkg:deb/{package}@{version()}?arch={machine}"
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, json.dumps(components))}",
        "version": 1,
        "metadata": {
            "timestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": ours,
                "name": package,
                "version": version(),
                "licenses": [{"expression": "Apache-2.0"}],
                "purl": ours,
            },
        },
        "components": components,
        "dependencies": [
            {"ref": ours, "dependsOn": [one["bom-ref"] for one in components]},
            *({"ref": one["bom-ref"]} for one in components),
        ],
    }


if __name__ == "__main__":
    json.dump(document(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]), sys.stdout, indent=1)
    print()

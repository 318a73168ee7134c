"""Holds all that tickwire depends on against deny.toml: licences, sources, versions beside each other.

Of what its peers and its fuzz targets depend on, which nobody ships, licences and sources. For machines without cargo-deny, which also knows the advisories. Run from the repository's root.
"""

import collections
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator

CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"
# Each has a lock file of its own. What peers bring beside each other is their affair.
LIBRARY = "Cargo.toml"
OTHERS = ["benches/peers/Cargo.toml", "tests/fuzz/Cargo.toml"]


def main() -> None:
    with open("deny.toml", "rb") as file:
        rules = tomllib.load(file)
    found_any = False
    for manifest in [LIBRARY, *OTHERS]:
        packages = metadata(manifest)
        faults = [*licences(packages, rules["licenses"]), *sources(packages)]
        if manifest == LIBRARY:
            faults += bans(packages, rules["bans"])
        for fault in faults or [f"{len(packages)} packages are as they must be"]:
            print(f"{manifest}: {fault}")
        found_any = found_any or bool(faults)
    sys.exit(1 if found_any else 0)


def licences(packages: list[dict], rules: dict) -> Iterator[str]:
    exceptions = {entry["crate"]: entry["allow"] for entry in rules["exceptions"]}
    for package in packages:
        allowed = {*rules["allow"], *exceptions.get(package["name"], [])}
        if not is_allowed(package["license"] or "", allowed):
            yield f"{spec(package)}: the licence {package['license']!r} is not among those allowed"


def sources(packages: list[dict]) -> Iterator[str]:
    for package in packages:
        # This repository's own have none.
        if package["source"] not in (None, CRATES_IO):
            yield f"{spec(package)}: comes from {package['source']}"


def bans(packages: list[dict], rules: dict) -> Iterator[str]:
    skipped = [f"{entry['crate']}." for entry in rules["skip"]]
    versions = collections.defaultdict(set)
    for package in packages:
        versions[package["name"]].add(spec(package))
        if package["source"] is None:
            wild = [it["name"] for it in package["dependencies"] if it["req"] == "*"]
            yield from (f"{spec(package)}: any version of {it} will do" for it in wild)
    for specs in versions.values():
        if sum(not any(f"{spec}.".startswith(it) for it in skipped) for spec in specs) > 1:
            yield f"more than one version: {', '.join(sorted(specs))}"


def spec(package: dict) -> str:
    return f"{package['name']}@{package['version']}"


def metadata(manifest: str) -> list[dict]:
    """All packages that are built somewhere, of every feature and for every platform."""
    command = ["cargo", "metadata", "--locked", "--all-features", "--format-version", "1"]
    command += ["--manifest-path", manifest]
    return json.loads(subprocess.check_output(command))["packages"]


def is_allowed(expression: str, allowed: set[str]) -> bool:
    """Whether an SPDX expression leaves a choice that is allowed."""
    words = {"AND": "and", "OR": "or", "/": "or", "(": "(", ")": ")"}
    tokens = re.findall(r"[()/]|[\w.+-]+(?: WITH [\w.-]+)?", expression)
    terms = [words.get(token, str(token in allowed)) for token in tokens]
    # Nothing but the words above, True and False.
    return bool(terms) and eval(" ".join(terms))


if __name__ == "__main__":
    main()

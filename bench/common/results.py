"""Writes a benchmark's section of bench/RESULTS.md: a table, the commit, the raw runs."""

import datetime
import os
import pathlib
import platform
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILE = ROOT / "bench" / "RESULTS.md"
# What else the machine did when the measurement began: it shows in waiting times, less so in processor time.
LOAD = os.getloadavg()[0]


def commit() -> str:
    """The commit that was measured, marked where the tree holds more than that."""
    name = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
    changed = subprocess.run(["git", "-C", ROOT, "status", "--porcelain", "--", "src", "Cargo.lock"], capture_output=True, text=True, check=True)
    return name.stdout.strip() + (" with uncommitted changes" if changed.stdout.strip() else "")


def table(header: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write(name: str, title: str, body: str, raw: str) -> None:
    """Replaces the section `name`, or adds it at the end."""
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    where = f"Commit {commit()}, {today}, {platform.machine()}, Linux {platform.release().split('-')[0]}, {os.cpu_count()} cores, load {LOAD:.1f} at the start."
    section = (
        f"<!-- {name} -->\n## {title}\n\n{body}\n\n{where}\n\n<details><summary>Raw runs</summary>\n\n```text\n{raw.strip()}\n```\n\n</details>\n<!-- /{name} -->\n"
    )
    old = FILE.read_text() if FILE.exists() else "# Measured\n\nEach section is written by its own command under `bench/`, as it came out.\n"
    pattern = re.compile(rf"<!-- {name} -->.*?<!-- /{name} -->\n", re.S)
    new = pattern.sub(lambda _: section, old) if pattern.search(old) else old.rstrip("\n") + "\n\n" + section
    FILE.write_text(new)

"""Runs the load generator of bench/load."""

import json
import pathlib
import subprocess
import tempfile

from machine import LOAD


def requests(lines: list[str]) -> str:
    """A file with those requests."""
    with tempfile.NamedTemporaryFile("w", suffix=".requests", delete=False) as file:
        file.write("\n".join(lines) + "\n")
        return file.name


def http(port: int, connections: int, seconds: float, lines: list[str]) -> dict:
    """Asks as fast as it is answered; how many requests, and how long they took."""
    file = requests(lines)
    try:
        done = subprocess.run([LOAD, "http", f"127.0.0.1:{port}", str(connections), str(seconds), file], stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout)
    finally:
        pathlib.Path(file).unlink()


class Sockets:
    """`count` sockets that are open within the block. `publishers`: requests that publish, `rate` a second in all."""

    def __init__(self, port: int, count: int, kind: str, opening: list[str], publishers: list[str] | None = None, rate: float = 0, seconds: float = 0):
        self.files = [requests(opening)]
        arguments = [LOAD, "sockets", f"127.0.0.1:{port}", str(count), kind, self.files[0]]
        if publishers:
            self.files.append(requests(publishers))
            arguments += [self.files[1], str(rate), str(seconds)]
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        self.expect("open")
        return self

    def expect(self, word: str) -> None:
        if (said := self.process.stdout.readline().strip()) != word:
            raise SystemExit(f"the load said {said!r} instead of {word!r}")

    def order(self) -> None:
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def publish(self) -> dict:
        """Publishes, and tells what reached the sockets."""
        self.order()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.order()
        self.expect("closed")

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        for file in self.files:
            pathlib.Path(file).unlink()

"""One core for what is measured, the other for what loads it; what processes use."""

import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "streamspace" / "bench"
LOAD = ROOT / "target" / "load" / "release" / "load"
BINARY = ROOT / "target" / "release" / "streamspace"
SERVER_CPU, LOAD_CPU = 0, 1
RUNS = int(os.environ.get("RUNS", "3"))
# Longest wait for anything that is started.
LIMIT_S = 120
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def prepare() -> None:
    """Puts this process, and with it all load, on its core; allows enough open files."""
    if os.cpu_count() < 2:
        sys.exit("two cores are needed: one for the server, one for the load")
    os.sched_setaffinity(0, {LOAD_CPU})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port: int, limit_s: float = LIMIT_S) -> None:
    """Returns once something accepts on `port`."""
    end = time.monotonic() + limit_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.001)


def wait_until(met, what: str, limit_s: float = LIMIT_S):
    """Returns what `met` gives once that is true."""
    end = time.monotonic() + limit_s
    while not (value := met()):
        if time.monotonic() > end:
            sys.exit(f"not within {limit_s:.0f} s: {what}")
        time.sleep(0.01)
    return value


def processes() -> dict[int, int]:
    """The parent of each process."""
    parents = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                fields = pathlib.Path(entry.path, "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(fields[1])
            except OSError:
                pass
    return parents


def tree(root: int) -> list[int]:
    """`root` and everything that descends from it."""
    children: dict[int, list[int]] = {}
    for pid, parent in processes().items():
        children.setdefault(parent, []).append(pid)
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def command(pid: int) -> str:
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def cpu_s(pids: list[int]) -> float:
    """Seconds of processor that the processes have used, their ended children included."""
    total = 0
    for pid in pids:
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(int(field) for field in fields[11:15])
        except OSError:
            pass
    return total / TICKS


def rss(pids: list[int]) -> int:
    """Bytes of memory that the processes hold, shared pages counted in each."""
    total = 0
    for pid in pids:
        try:
            total += int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
        except OSError:
            pass
    return total


class Subject:
    """A server under measurement: started on its cores, ended and forgotten afterwards."""

    name = ""
    # As taskset writes them.
    cpus = str(SERVER_CPU)

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="streamspace-bench-"))
        # People's uids have to get through.
        self.folder.chmod(0o755)
        self.log = open(self.folder / "log", "wb")
        self.process = None
        try:
            self.begin()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def begin(self) -> None:
        raise NotImplementedError

    def start(self, arguments: list, **more) -> subprocess.Popen:
        """Starts a program on its cores."""
        arguments = ["taskset", "-c", self.cpus, *map(str, arguments)]
        return subprocess.Popen(arguments, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, start_new_session=True, **more)

    def pids(self) -> list[int]:
        """The processes that count as the server."""
        return tree(self.process.pid)

    def __exit__(self, kind, *_):
        if kind is not None and kind is not KeyboardInterrupt:
            self.log.flush()
            sys.stderr.write((self.folder / "log").read_text(errors="replace")[-4000:])
        if self.process is not None:
            started = {pid: command(pid) for pid in tree(self.process.pid)}
            end(self.process)
            for pid in (pid for pid, line in started.items() if line and command(pid) == line):
                os.kill(pid, signal.SIGKILL)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def end(process: subprocess.Popen) -> None:
    """Ends a process, in order if it can."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

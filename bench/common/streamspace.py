"""This server as it is installed: the release build, a database of its own, a person who is signed in."""

import http.client
import json
import os
import pathlib
import re
import signal

import machine

class StreamSpace(machine.Subject):
    name = "StreamSpace"
    environment: dict[str, str] = {}

    def begin(self) -> None:
        self.port, management = machine.free_port(), machine.free_port()
        self.host = f"localhost:{self.port}"
        self.settings = {
            **os.environ,
            "DATA_DIR": f"{self.folder}/data",
            "RUN_DIR": f"{self.folder}/run",
            "API_PORT": str(self.port),
            "MANAGEMENT_PORT": str(management),
            "LOG_LEVEL": "warn",
            # Nobody is to be slowed down for what is being measured.
            "RATE_LIMIT_ADDRESS": "0",
            "RATE_LIMIT_USER": "0",
            "RATE_LIMIT_SIGN_IN": "0",
            **self.environment,
        }
        (self.folder / "data").mkdir(mode=0o755)
        self.prepare()
        self.process = self.start([machine.BINARY, "serve"], env=self.settings)
        machine.wait_for_port(self.port)
        self.token = self.sign_in()
        # A daemon of its own, not a child of the server.
        self.database = int(next((self.folder / "data").glob("*/**/postmaster.pid")).read_text().split()[0])

    def prepare(self) -> None:
        """Anything that has to be there before the server starts."""

    def sign_in(self) -> str:
        """A token of the first administrator, by the link that the server printed."""
        link = machine.wait_until(self.printed_link, "the sign-in link")
        access = self.call("POST", "/api/v1/auth/link", {"token": link, "password": "measure-twice-cut-once", "grant": "token"}, token=None)
        return self.api_token(access["accessToken"])

    def printed_link(self) -> str | None:
        self.log.flush()
        found = re.search(r"#link=([\w-]+)", (self.folder / "log").read_text(errors="replace"))
        return found and found.group(1)

    def api_token(self, access: str) -> str:
        return self.call("POST", "/api/v1/tokens", {"name": "bench"}, token=access)["token"]

    def user(self, name: str) -> str:
        """A further person, and a token of theirs."""
        made = self.call("POST", "/api/v1/users", {"name": name, "roles": ["user"]})
        link = re.search(r"#link=([\w-]+)", json.dumps(made)).group(1)
        access = self.call("POST", "/api/v1/auth/link", {"token": link, "grant": "token"}, token=None)
        return self.api_token(access["accessToken"])

    def call(self, method: str, path: str, body=None, token: str | None = "own") -> dict:
        headers = {"Content-Type": "application/json", "Origin": f"http://{self.host}", "Host": self.host}
        if token:
            headers["Authorization"] = f"Bearer {self.token if token == 'own' else token}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=machine.LIMIT_S)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {text.decode(errors='replace')}")
        return json.loads(text or b"{}")

    def pids(self) -> list[int]:
        """The server and its database; not the holders of sessions, nor what runs in them."""
        return [self.process.pid, *machine.tree(self.database)]

    def holders(self) -> list[int]:
        mine = f"{self.folder}/data/bin/"
        everyone = ((pid, machine.command(pid)) for pid in machine.processes())
        return [pid for pid, line in everyone if line.startswith(mine) and line.endswith("streamspace sandbox")]

    def __exit__(self, *how):
        if self.process is not None:
            # Sessions outlive the server, which is stopped first: it would start again what ends. Everything in a sandbox
            # ends with its holder.
            machine.end(self.process)
            for pid in self.holders():
                os.kill(pid, signal.SIGKILL)
            machine.wait_until(lambda: not self.holders(), "the end of all sandboxes")
        super().__exit__(*how)


def upgrade(host: str, path: str, token: str | None = None) -> str:
    """A request for a WebSocket, on one line."""
    authorization = f"Authorization: Bearer {token}\\r\\n" if token else ""
    return (
        f"GET {path} HTTP/1.1\\r\\nHost: {host}\\r\\nOrigin: http://{host}\\r\\n{authorization}Upgrade: websocket\\r\\n"
        "Connection: Upgrade\\r\\nSec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\\r\\n"
    )


def post(host: str, path: str, body: str, token: str | None = None, method: str = "POST", kind: str = "application/json") -> str:
    """A request with a body, on one line."""
    authorization = f"Authorization: Bearer {token}\\r\\n" if token else ""
    return (
        f"{method} {path} HTTP/1.1\\r\\nHost: {host}\\r\\n{authorization}Content-Type: {kind}\\r\\n"
        f"Content-Length: {len(body.encode())}\\r\\n\\r\\n{body}"
    )


def tools_folder(data: pathlib.Path) -> pathlib.Path:
    """A folder of programs that sessions can run."""
    folder = data / "tools" / "bench" / "bin"
    folder.mkdir(parents=True, mode=0o755)
    return folder

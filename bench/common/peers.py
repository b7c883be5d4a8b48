"""The servers that this one is compared with, each set up as its own documentation says for the work at hand."""

import http.client
import json
import os

import machine
from machine import Subject

PEERS = machine.ROOT / "bench" / "peers"
CHP = PEERS / "node_modules" / "configurable-http-proxy" / "bin" / "configurable-http-proxy"
JUPYTERHUB = machine.CACHE / "jupyterhub" / "bin" / "jupyterhub"
NCHAN = "load_module /usr/lib/nginx/modules/ngx_nchan_module.so;"


class Nginx(Subject):
    """nginx with one worker. `routes`: the port behind each host."""

    name = "nginx, 1 worker"

    def __init__(self, routes: dict[str, int] | None = None):
        self.routes = routes or {}

    def begin(self) -> None:
        self.port = machine.free_port()
        config = self.folder / "nginx.conf"
        config.write_text(self.text())
        self.process = self.start(["nginx", "-p", self.folder, "-c", config, "-e", self.folder / "log"])
        machine.wait_for_port(self.port)

    def text(self) -> str:
        names = {host: f"r{index}" for index, host in enumerate(self.routes)}
        table = "\n".join(f"{host} {name};" for host, name in names.items())
        upstreams = "\n".join(
            f"upstream {names[host]} {{ server 127.0.0.1:{port}; keepalive 32; keepalive_requests 1000000000; }}"
            for host, port in self.routes.items()
        )
        return self.frame(f"""
            map_hash_max_size 16384; map_hash_bucket_size 128;
            map $host $route {{ {table} }}
            {upstreams}
            server {{
                listen 127.0.0.1:{self.port} backlog=4096;
                location / {{
                    proxy_pass http://$route;
                    proxy_http_version 1.1;
                    proxy_set_header Host $http_host;
                    proxy_set_header Upgrade $http_upgrade;
                    proxy_set_header Connection $upgrading;
                    proxy_set_header X-Forwarded-For $remote_addr;
                    proxy_set_header X-Forwarded-Proto $scheme;
                    proxy_set_header X-Forwarded-Host $http_host;
                }}
            }}
            map $http_upgrade $upgrading {{ default upgrade; "" ""; }}
        """)

    @staticmethod
    def frame(http: str, modules: str = "") -> str:
        return f"""
            daemon off; worker_processes 1; pid nginx.pid; error_log log;
            {modules}
            
            events {{ worker_connections 16384; }}
            http {{
                access_log off; tcp_nodelay on; server_tokens off;
                keepalive_requests 1000000000;
                client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                {http}
            }}
        """


class Nchan(Nginx):
    """nginx with the module Nchan: `POST /pub` is told to every WebSocket at `/sub`."""

    name = "Nchan"

    def text(self) -> str:
        return self.frame(f"""
            server {{
                listen 127.0.0.1:{self.port} backlog=4096;
                location = /pub {{ nchan_publisher; nchan_channel_id bench; nchan_message_buffer_length 10; }}
                location = /sub {{
                    nchan_subscriber websocket; nchan_channel_id bench; nchan_subscriber_first_message newest;
                }}
            }}
        """, NCHAN)


class Haproxy(Subject):
    """haproxy with one thread. `routes`: the port behind each host."""

    name = "haproxy, 1 thread"

    def __init__(self, routes: dict[str, int]):
        self.routes = routes

    def begin(self) -> None:
        self.port = machine.free_port()
        (self.folder / "hosts").write_text("".join(f"{host} r{index}\n" for index, host in enumerate(self.routes)))
        backends = "\n".join(f"backend r{index}\n  server s 127.0.0.1:{port}" for index, port in enumerate(self.routes.values()))
        config = self.folder / "haproxy.cfg"
        config.write_text(f"""
global
  maxconn 8192
  nbthread 1
defaults
  mode http
  http-reuse always
  option forwardfor
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
frontend all
  bind 127.0.0.1:{self.port}
  use_backend %[req.hdr(host),field(1,:),map({self.folder}/hosts)]
{backends}
""")
        self.process = self.start(["haproxy", "-db", "-f", config])
        machine.wait_for_port(self.port)


class ConfigurableHttpProxy(Subject):
    """The proxy of JupyterHub, routing by host. `routes`: the port behind each host."""

    name = "configurable-http-proxy"

    def __init__(self, routes: dict[str, int]):
        self.routes = routes

    def begin(self) -> None:
        self.port, control = machine.free_port(), machine.free_port()
        arguments = ["node", CHP, "--ip", "127.0.0.1", "--port", self.port, "--api-ip", "127.0.0.1", "--api-port", control]
        token = os.urandom(16).hex()
        environment = {**os.environ, "CONFIGPROXY_AUTH_TOKEN": token}
        self.process = self.start([*arguments, "--host-routing", "--log-level", "error"], env=environment)
        machine.wait_for_port(control)
        api = http.client.HTTPConnection("127.0.0.1", control, timeout=machine.LIMIT_S)
        for host, port in self.routes.items():
            api.request("POST", f"/api/routes/{host}", json.dumps({"target": f"http://127.0.0.1:{port}"}), {"Authorization": f"token {token}"})
            answer = api.getresponse()
            answer.read()
            if answer.status != 201:
                raise SystemExit(f"configurable-http-proxy refused a route: {answer.status}")
        api.close()
        machine.wait_for_port(self.port)


class SocketIo(Subject):
    """socket.io over WebSockets only: `POST /pub` is emitted to everybody."""

    name = "socket.io"

    def begin(self) -> None:
        self.port = machine.free_port()
        self.process = self.start(["node", PEERS / "socketio.cjs", self.port])
        machine.wait_for_port(self.port)


class Write(Subject):
    """The floor of a fan-out: a loop of write(2)."""

    name = "bare write(2) loop"

    def begin(self) -> None:
        self.port = machine.free_port()
        self.process = self.start([machine.LOAD, "floor", self.port])
        machine.wait_until(lambda: b"ready" in (self.folder / "log").read_bytes(), "the bare loop")

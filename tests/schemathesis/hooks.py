"""Gives schemathesis real things to ask about.

What it makes up finds no object and no secret, so it would meet the doors and nothing behind them. Every operation is
asked first with a request that has to succeed, and after that every second time about an object that is there. What
may be broken on the way is made for it; nobody changes the two who are signed in.
"""

import itertools
import os
import subprocess
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import quote

import requests
import schemathesis

BASE = os.environ["STREAMSPACE_BASE"]
ANYONE = {"origin": BASE}
ME = {**ANYONE, "cookie": os.environ["STREAMSPACE_COOKIE"]}
ADMIN = {**ANYONE, "cookie": os.environ["STREAMSPACE_ADMIN_COOKIE"]}
DATABASE = os.environ["STREAMSPACE_DATABASE"]
STATUSES = Path(os.environ["STREAMSPACE_STATUSES"])
# Words that stand in what belongs to somebody else, and where it is written down that an answer contained one.
MARKERS = [word.encode() for word in os.environ["STREAMSPACE_MARKERS"].split()]
SEEN = Path(os.environ["STREAMSPACE_SEEN"])
# Who has the sessions that are asked about: an auditor has none.
OWNER = ADMIN if os.environ["STREAMSPACE_ROLE"] == "auditor" else ME
PASSWORD = "correct horse battery staple"
RUNS_WITHIN_S = 90
DEFAULT_LIMITS = "/api/v1/quotas/default"
CONFIG = "/api/v1/config"

numbers = itertools.count(1)
counts: dict[str, int] = {}
there: dict = {}


def fresh(prefix: str) -> str:
    """A name that nobody had, in neither round."""
    return f"{prefix}-{os.getpid()}-{next(numbers)}"


def call(method: str, path: str, *, who=ME, body=None, well=True) -> requests.Response:
    answer = requests.request(method, BASE + path, json=body, headers=who, timeout=20)
    assert not well or answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer


def once(what: str, make, path: str = ""):
    """The one of that kind, made when it is first needed, and anew where it was deleted at its `path` on the way."""
    if what not in there or (path and not call("GET", path.format(there[what]), who=ADMIN, well=False).ok):
        there[what] = make()
    return there[what]


# ── What is there ──


def person() -> str:
    name = fresh("victim")
    call("POST", "/api/v1/users", who=ADMIN, body={"name": name})
    return name


def someone() -> str:
    return once("person", person, "/api/v1/users/{}")


def link(name: str) -> str:
    return call("POST", f"/api/v1/users/{name}/sign-in-link", who=ADMIN).json()["url"].split("#link=")[1]


def with_password() -> str:
    """Somebody who can sign in by name and password."""
    name = person()
    call("POST", "/api/v1/auth/link", who=ANYONE, body={"token": link(name), "password": PASSWORD})
    return name


def browser(name: str) -> dict:
    """A browser in which that person signed in."""
    answer = call("POST", "/api/v1/auth/login", who=ANYONE, body={"username": name, "password": PASSWORD})
    return {**ANYONE, "cookie": f"streamspace_session={answer.cookies['streamspace_session']}"}


def spec(**more) -> dict:
    command = {"command": ["streamspace", "terminal"], "args": ["--port", "8000"]}
    return {
        "displayName": "Fuzzed",
        "baseImage": "localhost/streamspace/terminal:latest",
        "defaultResources": {"cpu": "1", "memory": "256Mi"},
        "webapp": {"port": 8000},
        "local": command,
        **more,
    }


def template(**more) -> str:
    name = fresh("fuzzed")
    call("POST", "/api/v1/templates", who=ADMIN, body={"name": name, **spec(**more)})
    return name


def some_template() -> str:
    return once("template", template, "/api/v1/templates/{}")


def shell() -> str:
    """A template of our own: those that are shipped may be changed and deleted on the way."""
    return once("shell", template, "/api/v1/templates/{}")


def session(of: str = "") -> str:
    return call("POST", "/api/v1/sessions", who=OWNER, body={"template": of or shell()}).json()["metadata"]["name"]


def in_phase(phase: str, name: str) -> str:
    end = time.monotonic() + RUNS_WITHIN_S
    while (found := call("GET", f"/api/v1/sessions/{name}").json().get("status", {}).get("phase")) != phase:
        assert time.monotonic() < end, f"{name} is {found}, not {phase}"
        time.sleep(0.2)
    return name


def running() -> str:
    return once("running", lambda: in_phase("Running", session()), "/api/v1/sessions/{}")


def workload() -> str:
    name = in_phase("Running", session())
    return call("GET", f"/api/v1/sessions/{name}").json()["status"]["workload"]["name"]


def pod() -> str:
    """What runs a session is called."""
    return once("pod", workload)


def asleep() -> str:
    """One that nothing is lost with."""
    return once("asleep", sleeping, "/api/v1/sessions/{}")


def sleeping() -> str:
    name = session()
    call("PATCH", f"/api/v1/sessions/{name}", who=OWNER, body={"state": "hibernated"})
    return name


def failed() -> str:
    broken = {"command": ["/bin/false"], "args": []}
    return once("failed", lambda: in_phase("Failed", session(template(local=broken))), "/api/v1/sessions/{}")


def connection() -> str:
    path = f"/api/v1/sessions/{running()}/connect"
    return once(path, lambda: call("POST", path, who=OWNER).json()["connectionId"])


def shared() -> dict:
    """Where a session of the one who is signed in is shared with somebody."""
    name, body = asleep(), {"user": someone(), "level": "use"}
    return {"id": name, "share": call("POST", f"/api/v1/sessions/{name}/shares", who=OWNER, body=body).json()["id"]}


def to_be_invited() -> dict:
    """An invitation to be made."""
    return {"level": "use", "uses": 2, "expiresAt": (datetime.now(timezone.utc) + timedelta(days=1)).isoformat()}


def invitation() -> tuple[dict, str]:
    """Where an invitation is, and its secret. Its session is no other request's: a session has at most 20 at once."""
    name = once("invites", sleeping, "/api/v1/sessions/{}")
    path = f"/api/v1/sessions/{name}/invitations"
    # Who may not withdraw them leaves them there.
    for old in call("GET", path, who=OWNER).json()["items"][10:]:
        call("DELETE", f"{path}/{old['id']}", who=OWNER)
    made = call("POST", path, who=OWNER, body=to_be_invited()).json()
    return {"id": name, "invitation": made["id"]}, made["url"].split("#invitation=")[1]


def secret() -> dict:
    """What stands behind a link that lets in."""
    return {"token": once("secret", invitation)[1]}


def program_account() -> str:
    return call("POST", "/api/v1/service-accounts", who=ADMIN, body={"name": fresh("program")}).json()["name"]


def some_program() -> str:
    return once("program account", program_account, "/api/v1/users/{}")


def scoped() -> dict:
    """A token of a program to be made."""
    return {"name": fresh("t"), "scopes": ["sessions:read"]}


def program_token() -> dict:
    """Where a token of a program is."""
    name = some_program()
    made = call("POST", f"/api/v1/service-accounts/{name}/tokens", who=ADMIN, body=scoped())
    return {"name": name, "id": made.json()["id"]}


def token() -> dict:
    return call("POST", "/api/v1/tokens", body={"name": fresh("t"), "expiresIn": "24h"}).json()


def program() -> dict:
    """What a program shows that has a token of the one who is signed in."""
    return {"authorization": f"Bearer {token()['token']}"}


def rule() -> dict:
    """What a rule for single sign-on says."""
    return {"issuer": "https://id.example", "principal": f"groups={fresh('g')}", "role": "user"}


def mapping() -> str:
    return call("POST", "/api/v1/rbac-mappings", who=ADMIN, body=rule()).json()["id"]


def some_mapping() -> str:
    return once("mapping", mapping, "/api/v1/rbac-mappings/{}")


def identity() -> dict:
    return {"issuer": "https://id.example", "subject": fresh("subject")}


def joined() -> dict:
    """An identity of somebody."""
    path = f"/api/v1/users/{someone()}/identities"
    return {"name": someone(), "id": call("POST", path, who=ADMIN, body=identity()).json()["id"]}


def group() -> str:
    return call("POST", "/api/v1/groups", who=ADMIN, body={"name": fresh("g")}).json()["name"]


def some_group() -> str:
    return once("group", group, "/api/v1/groups/{}")


def project() -> str:
    return call("POST", "/api/v1/projects", who=ADMIN, body={"name": fresh("p")}).json()["name"]


def some_project() -> str:
    return once("project", project, "/api/v1/projects/{}")


def member(of: str, name: str, **how) -> dict:
    """Somebody who belongs to a group or project."""
    call("PUT", f"/api/v1/{of}/{name}/members/{someone()}", who=ADMIN, **how)
    return {"name": name, "user": someone()}


def limited(of: str, name: str) -> dict:
    """Somebody, or some people, with limits of their own."""
    call("PUT", f"/api/v1/{of}/{name}/quota", who=ADMIN, body={"sessions": 3})
    return {"name": name}


def node() -> str:
    return call("GET", "/api/admin/nodes", who=ADMIN).json()["items"][0]["name"]


def in_catalog() -> dict:
    """A template of the catalog that the server brings; it reads that at its start."""
    end = time.monotonic() + RUNS_WITHIN_S
    while not (items := call("GET", "/api/v1/catalog/templates", who=ADMIN).json()["items"]):
        assert time.monotonic() < end, "the catalog stays empty"
        time.sleep(0.2)
    return items[0]


def catalog() -> dict:
    return once("catalog", in_catalog)


def installed() -> str:
    name = fresh("installed")
    call("POST", "/api/v1/catalog/install", who=ADMIN, body={"catalogTemplateId": catalog()["id"], "name": name})
    return name


def repository() -> dict:
    """A repository that cannot be reached: what is looked at is what is said of it."""
    name = fresh("repository")
    body = {"name": name, "url": f"https://git.invalid/{name}", "branch": "main"}
    return call("POST", "/api/v1/catalog/repositories", who=ADMIN, body=body).json()


def some_repository() -> str:
    return once("repository", lambda: repository()["id"], "/api/v1/catalog/repositories/{}")


def grant() -> str:
    body = {"template": template(security="baseline"), "reason": "asked for"}
    return call("POST", "/api/v1/catalog/grants", who=ADMIN, body=body).json()["id"]


def job(status: str = "PENDING") -> str:
    """A job of the one who is signed in. None is asked for over HTTP yet, so its row is written as the server would."""
    name, me = fresh("job"), once("me", lambda: call("GET", "/api/v1/users/me").json()["name"])
    sql = (
        "INSERT INTO jobs (id, type, target, status, payload, collapsible, max_attempts, run_after, created_by)"
        f" VALUES ('{name}', 'made-up', '{name}', '{status}', '{{}}', false, 1, now() + interval '1 hour', '{me}')"
    )
    command = ["psql", "--quiet", "--set=ON_ERROR_STOP=1", "-h", DATABASE, "-U", "streamspace", "-c", sql, "streamspace"]
    subprocess.run(command, check=True, timeout=20)
    return name


# ── Requests that succeed ──

SESSION = "/api/v1/sessions/{id}"
PERSON = "/api/v1/users/{name}"
PROGRAM = "/api/v1/service-accounts/{name}"
TEMPLATE = "/api/v1/templates/{id}"
JOB = "/api/v1/jobs/{id}"
MAPPING = "/api/v1/rbac-mappings/{id}"
GROUP = "/api/v1/groups/{name}"
PROJECT = "/api/v1/projects/{name}"
NODE = "/api/admin/nodes/{name}"
CATALOG = "/api/v1/catalog"
REPOSITORY = f"{CATALOG}/repositories/{{id}}"

# Of each operation: what stands in the path, the body, the query, and who asks where that is not the one signed in.
# Those who may not (a user who asks for accounts) are refused all the same.
GOOD = {
    "POST /api/v1/auth/login": lambda: {
        "body": {"username": once("with password", with_password), "password": PASSWORD, "grant": "token"}
    },
    "POST /api/v1/auth/register": lambda: {"body": {"username": fresh("newcomer"), "password": PASSWORD}},
    "POST /api/v1/auth/link": lambda: {"body": {"token": link(person()), "password": PASSWORD}},
    "POST /api/v1/auth/password": lambda: {
        "body": {"current": PASSWORD, "new": PASSWORD + "!"},
        "who": browser(with_password()),
    },
    "POST /api/v1/users": lambda: {"body": {"name": fresh("somebody")}},
    f"GET {PERSON}": lambda: {"path": {"name": someone()}},
    f"PATCH {PERSON}": lambda: {"path": {"name": someone()}, "body": {"displayName": "Changed"}},
    f"DELETE {PERSON}": lambda: {"path": {"name": person()}},
    f"POST {PERSON}/sign-in-link": lambda: {"path": {"name": someone()}},
    f"GET {PERSON}/identities": lambda: {"path": {"name": someone()}},
    f"POST {PERSON}/identities": lambda: {"path": {"name": someone()}, "body": identity()},
    f"DELETE {PERSON}/identities/{{id}}": lambda: {"path": joined()},
    "POST /api/v1/rbac-mappings": lambda: {"body": rule()},
    f"GET {MAPPING}": lambda: {"path": {"id": some_mapping()}},
    f"PATCH {MAPPING}": lambda: {"path": {"id": some_mapping()}, "body": {"enabled": False}},
    f"DELETE {MAPPING}": lambda: {"path": {"id": mapping()}},
    "POST /api/v1/admin/sso/test": lambda: {"body": {"issuer": "https://id.example", "claims": {"sub": "x"}}},
    f"GET {PERSON}/groups": lambda: {"path": {"name": someone()}},
    f"GET {PERSON}/quota": lambda: {"path": {"name": someone()}},
    f"PUT {PERSON}/quota": lambda: {"path": {"name": someone()}, "body": {"sessions": 3}},
    f"DELETE {PERSON}/quota": lambda: {"path": limited("users", someone())},
    f"GET {NODE}": lambda: {"path": {"name": node()}},
    f"PUT {NODE}/labels": lambda: {"path": {"name": node()}, "body": {"key": "team", "value": "blue"}},
    f"DELETE {NODE}/labels/{{key}}": lambda: {"path": {"name": node(), "key": "team"}},
    f"POST {NODE}/taints": lambda: {
        "path": {"name": node()},
        "body": {"key": "team", "effect": "PreferNoSchedule"},
    },
    f"DELETE {NODE}/taints/{{key}}": lambda: {"path": {"name": node(), "key": "team"}},
    f"POST {NODE}/cordon": lambda: {"path": {"name": node()}},
    f"POST {NODE}/uncordon": lambda: {"path": {"name": node()}},
    f"POST {NODE}/drain": lambda: {"path": {"name": node()}, "body": {"dryRun": True}},
    "POST /api/v1/groups": lambda: {"body": {"name": fresh("g")}},
    f"GET {GROUP}": lambda: {"path": {"name": some_group()}},
    f"PATCH {GROUP}": lambda: {"path": {"name": some_group()}, "body": {"displayName": "Changed"}},
    f"DELETE {GROUP}": lambda: {"path": {"name": group()}},
    f"GET {GROUP}/members": lambda: {"path": {"name": some_group()}},
    f"PUT {GROUP}/members/{{user}}": lambda: {"path": {"name": some_group(), "user": someone()}},
    f"DELETE {GROUP}/members/{{user}}": lambda: {"path": member("groups", some_group())},
    f"GET {GROUP}/quota": lambda: {"path": {"name": some_group()}},
    f"PUT {GROUP}/quota": lambda: {"path": {"name": some_group()}, "body": {"sessions": 3}},
    f"DELETE {GROUP}/quota": lambda: {"path": limited("groups", some_group())},
    "POST /api/v1/projects": lambda: {"body": {"name": fresh("p")}},
    f"GET {PROJECT}": lambda: {"path": {"name": some_project()}},
    f"PATCH {PROJECT}": lambda: {"path": {"name": some_project()}, "body": {"displayName": "Changed"}},
    f"DELETE {PROJECT}": lambda: {"path": {"name": project()}},
    f"GET {PROJECT}/members": lambda: {"path": {"name": some_project()}},
    f"PUT {PROJECT}/members/{{user}}": lambda: {
        "path": {"name": some_project(), "user": someone()},
        "body": {"role": "member"},
    },
    f"DELETE {PROJECT}/members/{{user}}": lambda: {
        "path": member("projects", some_project(), body={"role": "member"}),
    },
    f"GET {PROJECT}/quota": lambda: {"path": {"name": some_project()}},
    f"PUT {PROJECT}/quota": lambda: {"path": {"name": some_project()}, "body": {"sessions": 3}},
    f"DELETE {PROJECT}/quota": lambda: {"path": limited("projects", some_project())},
    "POST /api/v1/service-accounts": lambda: {"body": {"name": fresh("program")}},
    f"GET {PROGRAM}/tokens": lambda: {"path": {"name": some_program()}},
    f"POST {PROGRAM}/tokens": lambda: {"path": {"name": some_program()}, "body": scoped()},
    f"DELETE {PROGRAM}/tokens/{{id}}": lambda: {"path": program_token()},
    "POST /api/v1/tokens": lambda: {"body": {"name": fresh("t"), "expiresIn": "24h"}},
    "DELETE /api/v1/tokens/{id}": lambda: {"path": {"id": token()["id"]}},
    "POST /api/v1/sessions": lambda: {"body": {"template": shell()}},
    f"GET {SESSION}": lambda: {"path": {"id": running()}},
    f"PATCH {SESSION}": lambda: {"path": {"id": asleep()}, "body": {"displayName": "Changed"}},
    f"DELETE {SESSION}": lambda: {"path": {"id": sleeping()}},
    f"POST {SESSION}/restart": lambda: {"path": {"id": failed()}},
    f"GET {SESSION}/logs": lambda: {"path": {"id": running()}, "query": {"tail": 10}},
    f"GET {SESSION}/events": lambda: {"path": {"id": running()}},
    f"GET {SESSION}/lifecycle": lambda: {"path": {"id": running()}},
    f"GET {SESSION}/connect": lambda: {"path": {"id": running()}, "who": program()},
    f"POST {SESSION}/connect": lambda: {"path": {"id": running()}},
    f"POST {SESSION}/heartbeat": lambda: {
        "path": {"id": running()},
        "body": {"connectionId": connection(), "active": True},
    },
    f"POST {SESSION}/disconnect": lambda: {
        "path": {"id": running()},
        "body": {"connectionId": call("POST", f"/api/v1/sessions/{running()}/connect", who=OWNER).json()["connectionId"]},
    },
    f"POST {SESSION}/snooze": lambda: {"path": {"id": running()}, "body": {"for": "1h"}},
    f"GET {SESSION}/shares": lambda: {"path": {"id": asleep()}},
    f"POST {SESSION}/shares": lambda: {"path": {"id": asleep()}, "body": {"user": someone(), "level": "use"}},
    f"DELETE {SESSION}/shares/{{share}}": lambda: {"path": shared()},
    f"GET {SESSION}/invitations": lambda: {"path": {"id": asleep()}},
    f"POST {SESSION}/invitations": lambda: {"path": {"id": asleep()}, "body": to_be_invited()},
    f"DELETE {SESSION}/invitations/{{invitation}}": lambda: {"path": invitation()[0]},
    "POST /api/v1/invitations/look": lambda: {"body": secret()},
    "POST /api/v1/invitations/accept": lambda: {
        "body": secret(),
        "who": once("guest", lambda: browser(with_password())),
    },
    f"GET {SESSION}/connections": lambda: {"path": {"id": running()}},
    f"GET {SESSION}/vnc": lambda: {"path": {"id": running()}},
    "GET /api/v1/ws/logs/{namespace}/{pod}": lambda: {"path": {"namespace": "local", "pod": pod()}},
    "POST /api/v1/templates": lambda: {"body": {"name": fresh("fuzzed"), **spec()}},
    f"GET {TEMPLATE}": lambda: {"path": {"id": shell()}},
    f"PUT {TEMPLATE}": lambda: {"path": {"id": some_template()}, "body": spec(description="Changed")},
    f"PATCH {TEMPLATE}": lambda: {"path": {"id": some_template()}, "body": {"description": "Changed"}},
    f"DELETE {TEMPLATE}": lambda: {"path": {"id": template()}},
    f"GET {JOB}": lambda: {"path": {"id": once("job", job)}},
    f"GET {JOB}/logs": lambda: {"path": {"id": once("job", job)}},
    f"POST {JOB}/cancel": lambda: {"path": {"id": job()}},
    f"POST {JOB}/retry": lambda: {"path": {"id": job("DEAD")}},
    f"POST {TEMPLATE}/upgrade": lambda: {"path": {"id": installed()}, "body": {"version": catalog()["version"]}},
    f"POST {TEMPLATE}/rollback": lambda: {"path": {"id": installed()}, "body": {"version": catalog()["version"]}},
    f"GET {CATALOG}/templates/{{id}}": lambda: {"path": {"id": catalog()["id"]}},
    f"GET {CATALOG}/templates/{{id}}/versions": lambda: {"path": {"id": catalog()["id"]}},
    f"GET {CATALOG}/templates/{{id}}/diff": lambda: {
        "path": {"id": catalog()["id"]},
        "query": {"from": catalog()["version"]},
    },
    f"POST {CATALOG}/install": lambda: {"body": {"catalogTemplateId": catalog()["id"], "name": fresh("installed")}},
    f"POST {CATALOG}/grants": lambda: {"body": {"template": template(security="baseline"), "reason": "asked for"}},
    f"DELETE {CATALOG}/grants/{{id}}": lambda: {"path": {"id": grant()}},
    f"POST {CATALOG}/repositories": lambda: {"body": {"name": fresh("r"), "url": f"https://git.invalid/{fresh('r')}"}},
    f"GET {REPOSITORY}": lambda: {"path": {"id": some_repository()}},
    f"PATCH {REPOSITORY}": lambda: {"path": {"id": some_repository()}, "body": {"path": "templates"}},
    f"DELETE {REPOSITORY}": lambda: {"path": {"id": repository()["id"]}},
    f"GET {REPOSITORY}/deliveries": lambda: {"path": {"id": some_repository()}},
    f"GET {REPOSITORY}/syncs": lambda: {"path": {"id": some_repository()}},
    f"POST {REPOSITORY}/sync": lambda: {"path": {"id": some_repository()}},
    f"POST {REPOSITORY}/webhook-secret": lambda: {"path": {"id": some_repository()}},
    "POST /webhooks/repository/sync": lambda: {
        "body": {"repository_url": repository()["url"], "branch": "main"},
        "who": program(),
    },
    "GET /api/v1/cluster/pods/{namespace}/{name}/logs": lambda: {"path": {"namespace": "local", "name": pod()}},
    f"PATCH {CONFIG}": lambda: {"body": {"terminatedTtl": "24h"}},
    "GET /openapi-ui/{file}": lambda: {"path": {"file": "swagger-ui.css"}},
}

# Operations that would end the sign-in, or change the password, of those on whom everything rests.
OTHERS = {
    # Who signs in again in the same browser is signed out there first.
    "POST /api/v1/auth/login": lambda: ANYONE,
    "POST /api/v1/auth/register": lambda: ANYONE,
    "POST /api/v1/auth/link": lambda: ANYONE,
    "POST /api/v1/auth/logout": lambda: browser(once("with password", with_password)),
    "POST /api/v1/auth/password": lambda: once("changes the password", lambda: browser(with_password())),
}


@schemathesis.hook
def before_call(context, case, kwargs):
    label = f"{case.method.upper()} {case.operation.path}"
    counts[label] = count = counts.get(label, 0) + 1
    good = GOOD.get(label, lambda: {})() if count == 1 or count % 2 == 0 else None
    if good is not None:
        case.path_parameters = good.get("path", case.path_parameters)
    if count == 1:
        case.query = good.get("query", {})
        case.headers = good.get("who", {})
        if "body" in good:
            case.body, case.media_type = good["body"], "application/json"
    # A log that is followed has no end.
    if isinstance(case.query, dict) and "follow" in case.query:
        case.query["follow"] = "false"
    if not any(name.lower() in ("authorization", "cookie") for name in case.headers or {}):
        case.headers = {**(case.headers or {}), **OTHERS.get(label, lambda: ME)()}


@schemathesis.hook
def after_call(context, case, response):
    with STATUSES.open("a") as file:
        file.write(f"{case.method.upper()} {case.operation.path} {response.status_code}\n")
    if any(marker in response.content for marker in MARKERS):
        with SEEN.open("a") as file:
            file.write(f"{case.method.upper()} {case.operation.path} {response.status_code}\n")
    if response.status_code >= 400 or case.method.upper() not in ("POST", "PUT", "PATCH"):
        return
    # What is set for everybody would hold for those who ask as well.
    if case.operation.path == DEFAULT_LIMITS:
        call("PUT", DEFAULT_LIMITS, who=ADMIN, body={})
    if case.operation.path == CONFIG:
        call("PATCH", CONFIG, who=ADMIN, body=dict.fromkeys(call("GET", CONFIG, who=ADMIN).json()["overrides"]))
    if case.operation.path in (f"{NODE}/cordon", f"{NODE}/drain"):
        call("POST", f"/api/admin/nodes/{node()}/uncordon", who=ADMIN)
    if case.operation.path == f"{NODE}/taints" and case.body.get("effect") != "PreferNoSchedule":
        call("DELETE", f"/api/admin/nodes/{node()}/taints/{quote(case.body['key'], safe='')}", who=ADMIN)

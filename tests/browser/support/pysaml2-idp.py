"""A SAML identity provider on pysaml2, for the stories: asks for a name and a password, and answers what it was told.

    pysaml2-idp.py PORT SP_ORIGIN CERTIFICATE KEY < people.json

`people.json`: by name their password, the id that they have here, and the attributes that are said of them. It believes
requests that the server at SP_ORIGIN signed, by what that says of itself once somebody comes from there.
"""

import html
import json
import shutil
import sys
import urllib.request
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.authn_context import PASSWORD
from saml2.config import IdPConfig
from saml2.metadata import entity_descriptor
from saml2.saml import NAME_FORMAT_URI, NAMEID_FORMAT_PERSISTENT, NameID
from saml2.server import Server
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

PORT, SP, CERTIFICATE, KEY = int(sys.argv[1]), *sys.argv[2:5]
BASE = f"http://localhost:{PORT}"
PEOPLE = json.load(sys.stdin)
REQUEST = ("SAMLRequest", "RelayState", "SigAlg", "Signature")
FORM = """<!doctype html><title>{title}</title><body><form method="post" action="{action}">{fields}
<button>{title}</button></form>"""


def config(**more) -> IdPConfig:
    return IdPConfig().load(
        {
            "entityid": f"{BASE}/metadata",
            "xmlsec_binary": shutil.which("xmlsec1"),
            "cert_file": CERTIFICATE,
            "key_file": KEY,
            "service": {
                "idp": {
                    "endpoints": {
                        "single_sign_on_service": [(f"{BASE}/sso", BINDING_HTTP_REDIRECT)],
                        "single_logout_service": [(f"{BASE}/slo", BINDING_HTTP_REDIRECT)],
                    },
                    "policy": {"default": {"lifetime": {"minutes": 5}, "name_form": NAME_FORMAT_URI}},
                    "want_authn_requests_signed": True,
                    "name_id_format": [NAMEID_FORMAT_PERSISTENT],
                }
            },
            **more,
        }
    )


@cache
def server() -> Server:
    with urllib.request.urlopen(f"{SP}/api/v1/auth/saml/metadata", timeout=10) as answer:
        return Server(config=config(metadata={"inline": [answer.read().decode()]}))


def signed(query: dict) -> dict:
    """What a signature of the redirect binding covers, as pysaml2 wants it."""
    return {"relay_state": query.get("RelayState"), "sigalg": query.get("SigAlg"), "signature": query.get("Signature")}


def login(query: dict, why: str = "") -> str:
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{html.escape(query[name])}">' for name in REQUEST if name in query
    )
    typed = '<label>Name <input name="username"></label> <label>Password <input type="password" name="password"></label>'
    return FORM.format(title="Enter", action="/sso", fields=f"<p>{why}</p>{hidden}{typed}")


def answer(query: dict) -> str:
    """The page that takes an assertion about whoever gave their name back to the server."""
    person = PEOPLE.get(query.get("username", ""))
    if person is None or person["password"] != query.get("password"):
        return login(query, "This is not right.")
    request = server().parse_authn_request(query["SAMLRequest"], BINDING_HTTP_REDIRECT, **signed(query))
    response = server().create_authn_response(
        person["attributes"],
        userid=query["username"],
        name_id=NameID(format=NAMEID_FORMAT_PERSISTENT, text=person["id"]),
        authn={"class_ref": PASSWORD, "authn_auth": BASE},
        sign_assertion=True,
        sign_response=False,
        sign_alg=SIG_RSA_SHA256,
        digest_alg=DIGEST_SHA256,
        **server().response_args(request.message, [BINDING_HTTP_POST]),
    )
    place = request.message.assertion_consumer_service_url
    made = server().apply_binding(BINDING_HTTP_POST, str(response), place, query.get("RelayState", ""), response=True)
    return "".join(made["data"]) if isinstance(made["data"], list) else made["data"]


def leave(query: dict) -> str:
    """Where the browser goes that is signed out at the server and asks to be so here."""
    request = server().parse_logout_request(query["SAMLRequest"], BINDING_HTTP_REDIRECT, **signed(query))
    response = server().create_logout_response(request.message, [BINDING_HTTP_REDIRECT])
    place = server().pick_binding("single_logout_service", [BINDING_HTTP_REDIRECT], "spsso", request=request.message)[1]
    return redirect(response, place, query.get("RelayState", ""), response=True)


def send_away(query: dict) -> str:
    """Where a browser goes whose person, named by `username`, is to be signed out at the server."""
    entity = f"{SP}/api/v1/auth/saml/metadata"
    who = NameID(format=NAMEID_FORMAT_PERSISTENT, text=PEOPLE[query["username"]]["id"])
    place = f"{SP}/api/v1/auth/saml/slo"
    _, request = server().create_logout_request(place, entity, name_id=who)
    return redirect(request, place, "")


def redirect(message, place: str, relay_state: str, response: bool = False) -> str:
    made = server().apply_binding(
        BINDING_HTTP_REDIRECT, str(message), place, relay_state, response=response, sign=True, sigalg=SIG_RSA_SHA256
    )
    return dict(made["headers"])["Location"]


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/metadata":
            self.show(str(entity_descriptor(config())), "application/samlmetadata+xml")
        elif url.path == "/sso":
            self.show(login(query))
        elif url.path == "/slo" and "SAMLRequest" in query:
            self.lead(leave(query))
        elif url.path == "/slo":
            self.show("<!doctype html><title>Left</title><p>You are signed out everywhere.</p>")
        elif url.path == "/leave":
            self.lead(send_away(query))
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.show(answer({name: values[0] for name, values in parse_qs(body).items()}))

    def show(self, text: str, kind: str = "text/html; charset=utf-8") -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def lead(self, place: str) -> None:
        self.send_response(303)
        self.send_header("location", place)
        self.send_header("content-length", "0")
        self.end_headers()


ThreadingHTTPServer(("127.0.0.1", PORT), Pages).serve_forever()

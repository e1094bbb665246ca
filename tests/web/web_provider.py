"""A small provider of OpenID Connect on this machine, which does what it should, or what a test has it do instead."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

CLIENT, SECRET = "shipworthy client", "a secret:of the client"
KEYS = {
    "RS256": RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"}),
    "ES256": ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"}),
    "EdDSA": OKPKey.generate_key("Ed25519", {"kid": "okp", "use": "sig"}),
}
ALGORITHMS = {"Ed25519": "EdDSA"}  # that share a key with another


def encoded(data) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Provider:
    """What it says can be twisted: claims and head of tokens, and any of its answers."""

    def __init__(self):
        self.claims = {}  # in place of its own; None leaves one out
        self.head = {}
        self.algorithm = "RS256"
        self.sign = None  # (head, claims) -> token
        self.discovery = {}
        self.keys = list(KEYS.values())
        self.answers = {}  # path -> (status, body)
        self.asked = []
        self.codes = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.reply(*outer.get(urlsplit(self.path)))

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                self.reply(
                    *outer.redeem({k: v[0] for k, v in parse_qs(body).items()}, self.headers.get("authorization", ""))
                )

            def reply(self, status, body):
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(raw)))
                if status == 302:
                    self.send_header("location", outer.issuer + "/elsewhere")
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def get(self, address):
        self.asked.append(address.path)
        if address.path in self.answers:
            return self.answers[address.path]
        if address.path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
                "authorization_response_iss_parameter_supported": True, **self.discovery,
            }  # fmt: skip
        if address.path == "/keys":
            return 200, {"keys": [one.as_dict(private=False) for one in self.keys]}
        return 404, {}

    def visit(self, address, *, subject="ada-1", email="ada@example.org"):
        """What a browser does there: it signs in, and is sent back with this query."""
        asked = {key: values[0] for key, values in parse_qs(urlsplit(address).query).items()}
        assert asked["code_challenge_method"] == "S256"
        assert asked["scope"].split()[0] == "openid"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked, subject, email
        return {"code": code, "state": asked["state"], "iss": self.issuer}

    def redeem(self, form, authorization):
        self.asked.append("/token")
        if "/token" in self.answers:
            return self.answers["/token"]
        asked, subject, email = self.codes.pop(form["code"])
        name, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        challenge = encoded(hashlib.sha256(form["code_verifier"].encode()).digest())
        if (unquote(name), unquote(secret)) != (CLIENT, SECRET) or challenge != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        if form["redirect_uri"] != asked["redirect_uri"] or form["grant_type"] != "authorization_code":
            return 400, {"error": "invalid_grant"}
        at = int(self.now().timestamp())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "sub": subject, "exp": at + 300, "iat": at, "nonce": asked["nonce"],
            "email": email, "email_verified": True, "name": "Ada  Lovelace", **self.claims,
        }  # fmt: skip
        claims = {key: value for key, value in claims.items() if value is not None}
        key = KEYS[ALGORITHMS.get(self.algorithm, self.algorithm)]
        head = {"alg": self.algorithm, "kid": key.kid, **self.head}
        head = {key: value for key, value in head.items() if value is not None}
        token = self.sign(head, claims) if self.sign else jwt.encode(head, claims, key, algorithms=[self.algorithm])
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": token}


def unsigned(head, claims):
    return f"{encoded({**head, 'alg': 'none'})}.{encoded(claims)}."


def with_the_public_key(head, claims):
    """The classic: HS256 with the RSA public key as its secret."""
    said = f"{encoded({**head, 'alg': 'HS256'})}.{encoded(claims)}"
    return f"{said}.{encoded(hmac.digest(KEYS['RS256'].as_pem(private=False), said.encode(), 'sha256'))}"


def with_another_key(head, claims):
    return jwt.encode(head, claims, RSAKey.generate_key(2048), algorithms=["RS256"])


def with_its_own_key(head, claims):
    """A key that the token brings along."""
    own = RSAKey.generate_key(2048)
    return jwt.encode({**head, "jwk": own.as_dict(private=False)}, claims, own, algorithms=["RS256"])


def with_changed_claims(head, claims):
    token = jwt.encode(head, claims, KEYS["RS256"], algorithms=["RS256"])
    first, _, last = token.split(".")
    return f"{first}.{encoded({**claims, 'email': 'root@example.org'})}.{last}"


def without_signature(head, claims):
    return jwt.encode(head, claims, KEYS["RS256"], algorithms=["RS256"]).rpartition(".")[0] + "."

"""Signing in by OpenID Connect: the authorization code flow with PKCE, and an ID token whose signature is checked.

Sources: OpenID Connect Core 1.0, sections 3.1.2 and 3.1.3.7; RFC 7636 (PKCE); RFC 9207 (the answer names its issuer);
RFC 8725 (the algorithms are ours to choose, never the token's).
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import secrets
import warnings
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from shipworthy.api.accounts import Role, role_named
from shipworthy.errors import Fault, MissingExtra, Unusable
from shipworthy.integrity.persons import why_no_address

if TYPE_CHECKING:
    from joserfc.jwk import Key

PATIENCE = timedelta(minutes=10)  # for somebody to sign in at the provider
_MOST_GOING = 10_000
_MOST_BYTES = 256 << 10  # of one answer of the provider
_MOST_KEYS = 50
_SECONDS = 10  # for one answer
_FRESH = timedelta(hours=1)  # what was discovered, and the keys, are asked for anew after that
_SOONEST = timedelta(minutes=1)  # between two questions for keys, whatever tokens name
_LEEWAY = 60  # seconds that two clocks may differ
_KINDS = {  # the algorithms that are taken, with the kind and the curve of the keys of each
    "RS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "EdDSA": ("OKP", "Ed25519"),  # the name before RFC 9864, and that of most providers
    "Ed25519": ("OKP", "Ed25519"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """Somebody whom the provider vouches for."""

    issuer: str
    subject: str
    email: str  # which the provider has verified
    name: str
    wanted: str  # the page that they wanted to see


@dataclass(frozen=True, kw_only=True, slots=True)
class _Going:
    """Somebody on their way to the provider and back."""

    nonce: str
    verifier: str
    browser: str  # digest of the secret that their browser keeps meanwhile
    wanted: str
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """What the provider says of itself."""

    authorize: str
    token: str
    keys: str
    names_itself: bool
    takes_basic: bool
    at: datetime


class Provider:
    """A provider of OpenID Connect. Who is on the way to it is known to this process alone, for ten minutes.

    redirect: the address of ours that it sends people back to. default: the role of whom nobody made an account for.
    Raises Unusable (WEB018) for an issuer that is not reached by TLS, except on this machine itself.
    """

    def __init__(
        self, *, issuer: str, client_id: str, client_secret: str | None, redirect: str, default: Role | None = None
    ) -> None:
        if not _is_safe(issuer) or urlsplit(issuer).query or urlsplit(issuer).fragment:
            what = "the issuer of OpenID Connect is no https address"
            raise Unusable(Fault(code="WEB018", what=what, where="SHIPWORTHY_OIDC_ISSUER", mend="write https://..."))
        self._issuer = issuer
        self._client_id = client_id
        self._secret = client_secret
        self._redirect = redirect
        self.default = default
        self.shown = urlsplit(issuer).hostname or "the provider"
        self._going: OrderedDict[str, _Going] = OrderedDict()
        self._found: _Found | None = None
        self._keys: Sequence[Mapping[str, Any]] = []
        self._keys_at: datetime | None = None

    async def begin(self, browser: str, *, wanted: str, now: datetime) -> str:
        """The provider's address to send a browser to. browser: a secret that it keeps. Raises Unusable (WEB016)."""
        found = await self._discover(now)
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        self._going[state] = _Going(nonce=nonce, verifier=verifier, browser=_hash(browser), wanted=wanted, at=now)
        while len(self._going) > _MOST_GOING:
            self._going.popitem(last=False)
        asked = {
            "response_type": "code", "client_id": self._client_id, "redirect_uri": self._redirect,
            "scope": "openid email profile", "state": state, "nonce": nonce, "code_challenge": _hash(verifier),
            "code_challenge_method": "S256",
        }  # fmt: skip
        return f"{found.authorize}{'&' if urlsplit(found.authorize).query else '?'}{urlencode(asked)}"

    async def finish(self, browser: str, answer: Sequence[tuple[str, str]], *, now: datetime) -> Known:
        """Who came back. answer: the query that they came with; each state counts once.

        Raises Unusable: WEB016 the provider does not answer as it should, WEB019 it does not vouch, or not for them.
        """
        if twice := [name for name, count in Counter(name for name, _ in answer).items() if count > 1]:
            raise _refused(f"the answer says {twice[0][:40]!r} twice")
        told = dict(answer)
        going = self._going.pop(told.get("state", ""), None)
        if going is None or now - going.at > PATIENCE or not browser:
            raise _refused("nobody is on the way to the provider from here with that state, or it took too long")
        if not secrets.compare_digest(going.browser, _hash(browser)):
            raise _refused("another browser has begun this")
        found = await self._discover(now)
        if told.get("iss", None if found.names_itself else self._issuer) != self._issuer:
            raise _refused("another provider has answered")
        if "error" in told or not told.get("code"):
            raise _refused("the provider has let nobody in")
        claims = await self._claims(await self._redeem(found, told["code"], going.verifier), going.nonce, now)
        email, subject = claims.get("email"), claims["sub"]
        if claims.get("email_verified") is not True or not isinstance(email, str) or why_no_address(email):
            raise _refused("the provider has not verified an address of theirs")
        name = claims.get("name")
        return Known(
            issuer=self._issuer, subject=subject, email=email, wanted=going.wanted,
            name=" ".join(name.split())[:200] if isinstance(name, str) else "",
        )  # fmt: skip

    async def _discover(self, now: datetime) -> _Found:
        if self._found is not None and now - self._found.at < _FRESH:
            return self._found
        told = await _ask(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if told.get("issuer") != self._issuer:
            raise _broken("it says that it is another issuer")
        parts = [told.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        authorize, token, keys = (one if isinstance(one, str) and _is_safe(one) else "" for one in parts)
        if not (authorize and token and keys):
            raise _broken("it does not say where it lets people in, or not by https")
        ways = told.get("token_endpoint_auth_methods_supported")
        takes_basic = not isinstance(ways, list) or "client_secret_basic" in ways
        self._found = _Found(
            authorize=authorize, token=token, keys=keys, at=now, takes_basic=takes_basic,
            names_itself=told.get("authorization_response_iss_parameter_supported") is True,
        )  # fmt: skip
        return self._found

    async def _redeem(self, found: _Found, code: str, verifier: str) -> str:
        """The ID token for a code."""
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self._redirect, "code_verifier": verifier,
        }  # fmt: skip
        headers = {}
        if self._secret is not None and found.takes_basic:
            pair = f"{quote(self._client_id, safe='')}:{quote(self._secret, safe='')}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": self._client_id} | ({"client_secret": self._secret} if self._secret else {})
        token = (await _ask(found.token, form=form, headers=headers)).get("id_token")
        if not isinstance(token, str):
            raise _broken("it gives no ID token")
        return token

    async def _claims(self, token: str, nonce: str, now: datetime) -> dict[str, Any]:
        """What an ID token says, once signature, issuer, audience, time and nonce are right."""
        jwt, jose_error = _jose()
        head = _head(token)
        algorithm, key_id = head.get("alg"), head.get("kid")
        if not isinstance(algorithm, str) or algorithm not in _KINDS:
            raise _refused("the ID token is signed by no algorithm that is taken here")
        key = await self._key(_KINDS[algorithm], key_id, now)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "EdDSA is deprecated")  # with this key it can mean one thing only
                claims = dict(jwt.decode(token, key, algorithms=[algorithm]).claims)
        except (jose_error, ValueError, TypeError) as error:
            raise _refused("the ID token's signature is not the provider's") from error
        at, audience = now.timestamp(), claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        times = [claims.get(name) for name in ("exp", "iat")]
        if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in times):
            raise _refused("the ID token does not say when it was made and when it ends")
        wrong = {
            "issuer": claims.get("iss") != self._issuer,
            "audience": self._client_id not in audiences or claims.get("azp", self._client_id) != self._client_id
            or (len(audiences) > 1 and "azp" not in claims),
            "time": not claims["iat"] - _LEEWAY <= at < claims["exp"] + _LEEWAY
            or (isinstance(claims.get("nbf"), int | float) and claims["nbf"] > at + _LEEWAY),
            "nonce": not isinstance(claims.get("nonce"), str)
            or not secrets.compare_digest(claims["nonce"].encode(), nonce.encode()),
            "subject": not isinstance(claims.get("sub"), str) or not 1 <= len(claims["sub"]) <= 255,
        }  # fmt: skip
        if found := [name for name, is_wrong in wrong.items() if is_wrong]:
            raise _refused(f"the ID token has another {found[0]} than it should")
        return claims

    async def _key(self, kind: tuple[str, str | None], key_id: object, now: datetime) -> Key:
        """The provider's one key that a token can mean; the keys are asked for anew where they do not hold it."""
        asked = self._keys_at
        if asked is None or now - asked >= _FRESH or (
            now - asked >= _SOONEST and not _suiting(self._keys, kind, key_id)
        ):  # fmt: skip
            told = (await _ask((await self._discover(now)).keys)).get("keys")
            listed: list[Any] = told if isinstance(told, list) else []
            self._keys = [one for one in listed if isinstance(one, dict)][:_MOST_KEYS]
            self._keys_at = now
        found = _suiting(self._keys, kind, key_id)
        if len(found) != 1:
            raise _refused("the ID token is signed by no key that the provider has")
        from joserfc.jwk import import_key

        jose_error = _jose()[1]
        try:
            key = import_key(dict(found[0]))
        except (jose_error, ValueError, TypeError, KeyError) as error:
            raise _broken("one of its keys cannot be read") from error
        if kind[0] == "RSA" and len(_bytes(str(found[0].get("n", "")))) < 256:
            raise _broken("one of its keys is too short")
        return key


def provider_from(environ: Mapping[str, str], *, public_url: str) -> Provider | None:
    """The provider that the environment names; None where it names none. Raises Unusable (WEB018, ACCOUNT004)."""
    issuer, client = environ.get("SHIPWORTHY_OIDC_ISSUER"), environ.get("SHIPWORTHY_OIDC_CLIENT_ID")
    if not issuer:
        return None
    if not client:
        what = "the provider of OpenID Connect is named, and not who we are to it"
        raise Unusable(Fault(code="WEB018", what=what, where="SHIPWORTHY_OIDC_CLIENT_ID", mend="set it as well"))
    _jose()
    role = environ.get("SHIPWORTHY_OIDC_DEFAULT_ROLE")
    if role and role_named(role) != "viewer":
        what = "whom nobody made an account for may be a viewer, and no more"
        mend = "leave it out, or write viewer"
        raise Unusable(Fault(code="WEB018", what=what, where="SHIPWORTHY_OIDC_DEFAULT_ROLE", mend=mend))
    return Provider(
        issuer=issuer, client_id=client, client_secret=environ.get("SHIPWORTHY_OIDC_CLIENT_SECRET") or None,
        redirect=f"{public_url.rstrip('/')}/login/oidc/back", default="viewer" if role else None,
    )  # fmt: skip


def _suiting(
    keys: Sequence[Mapping[str, Any]], kind: tuple[str, str | None], key_id: object
) -> list[Mapping[str, Any]]:
    return [
        one
        for one in keys
        if (one.get("kty"), one.get("crv")) == kind
        and one.get("use", "sig") == "sig"
        and (key_id is None or one.get("kid") == key_id)
    ]


async def _ask(
    address: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """A JSON object from the provider. Its words are never repeated: they may be secrets. Raises Unusable (WEB016)."""
    import aiohttp

    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS)) as session,
            session.request(
                "GET" if form is None else "POST", address, data=form, allow_redirects=False,
                headers={"accept": "application/json", **(headers or {})},
            ) as answer,
        ):  # fmt: skip
            if answer.status != 200:
                raise _broken(f"it answers with status {answer.status}")
            body = bytearray()
            async for piece in answer.content.iter_chunked(1 << 16):
                body += piece
                if len(body) > _MOST_BYTES:
                    raise _broken("its answer is too large")
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise _broken(f"it cannot be reached ({type(error).__name__})") from error
    return _object(bytes(body))


def _head(token: str) -> dict[str, Any]:
    if len(token) > 64 << 10 or token.count(".") != 2:
        raise _refused("the ID token is none")
    return _object(_bytes(token.partition(".")[0]))


def _bytes(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _broken("its answer is no JSON") from error
    if not isinstance(found, dict):
        raise _broken("its answer is no JSON object")
    return found


def _hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def _is_safe(address: str) -> bool:
    """Whether an address is one of https; of http only on this machine itself, where nobody listens in."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.username is not None or not host:
        return False
    try:
        is_here = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_here = False
    return parts.scheme == "https" or (parts.scheme == "http" and is_here)


def _jose() -> tuple[Any, type[Exception]]:
    try:
        from joserfc import jwt
        from joserfc.errors import JoseError
    except ModuleNotFoundError as error:
        raise MissingExtra(package="joserfc", extra="web", purpose="signing in by OpenID Connect") from error
    return jwt, JoseError


def _broken(why: str) -> Unusable:
    mend = "try again; if it stays so, whoever keeps this site checks the provider's address and what it is told of us"
    what = f"the provider does not answer as it should: {why}"
    return Unusable(Fault(code="WEB016", what=what, where="OpenID Connect", mend=mend))


def _refused(why: str) -> Unusable:
    return Unusable(Fault(code="WEB019", what=why, where="OpenID Connect", mend="sign in anew, from /login"))

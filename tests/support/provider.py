"""An OpenID Connect provider on this machine: it signs in whoever `email` names, without asking."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey


class Provider:
    """`url`: where it is; `person`: the claims of whoever signs in next."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.person: dict[str, Any] = {"email": "ann@example.org", "email_verified": True}
        self._key = RSAKey.generate_key(2048, {"use": "sig", "kid": "one"})
        self._nonces: dict[str, str] = {}

    def metadata(self) -> dict[str, Any]:
        places = {
            "authorization_endpoint": "authorize",
            "token_endpoint": "token",
            "jwks_uri": "jwks",
        }
        return {
            "issuer": self.url,
            **{name: f"{self.url}/{path}" for name, path in places.items()},
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def keys(self) -> dict[str, Any]:
        return {"keys": [self._key.as_dict(private=False)]}

    def back(self, asked: dict[str, list[str]]) -> str:
        """Where the browser is sent once the person has signed in."""
        code = f"code-{len(self._nonces)}"
        self._nonces[code] = asked.get("nonce", [""])[0]
        query = urlencode({"code": code, "state": asked["state"][0]})
        return f"{asked['redirect_uri'][0]}?{query}"

    def token(self, code: str) -> dict[str, Any]:
        """What the server gets for a code, once."""
        now = int(time.time())
        said = {"iss": self.url, "aud": "dualens", "sub": "1", "iat": now, "exp": now + 600}
        said |= {"nonce": self._nonces.pop(code), **self.person}
        signed = jwt.encode({"alg": "RS256", "kid": "one"}, said, self._key)
        return {"access_token": "a", "token_type": "Bearer", "expires_in": 600, "id_token": signed}


@contextmanager
def provider() -> Iterator[Provider]:
    """A provider that runs inside the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/authorize":
                self.send_response(302)
                self.send_header("Location", known.back(parse_qs(parts.query)))
                self.end_headers()
            else:
                self._say(known.keys() if parts.path == "/jwks" else known.metadata())

        def do_POST(self) -> None:
            sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self._say(known.token(sent["code"][0]))

        def _say(self, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing: the test has its own words."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        known = Provider(f"http://127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield known
        server.shutdown()

# Entra's login for apps with a certificate, on this machine. PyJWT checks what comes, as strictly as
# Entra says it does; msal, Microsoft's library, says how a login looks, and what comes must look so.
import base64, hashlib, json, pathlib, sys, time, urllib.parse
from http.server import BaseHTTPRequestHandler, HTTPServer
import jwt, msal
from cryptography import x509
from cryptography.hazmat.primitives import serialization

folder, app, tenant = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
certificate = (folder / "ours.crt").read_text()
parsed = x509.load_pem_x509_certificate(certificate.encode())
thumbprint = hashlib.sha256(parsed.public_bytes(serialization.Encoding.DER)).digest()
thumbprint = base64.urlsafe_b64encode(thumbprint).rstrip(b"=").decode()
seen = set()

def check(form, audience):
    """What Entra demands of a login with a certificate."""
    assert form["grant_type"] == "client_credentials", form["grant_type"]
    assert form["client_id"] == app and form["scope"] == "https://api.botframework.com/.default"
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert "client_secret" not in form
    token = form["client_assertion"]
    header = jwt.get_unverified_header(token)
    assert header["alg"] == "PS256" and header["typ"] == "JWT" and "kid" not in header, header
    assert header["x5t#S256"] == thumbprint, header
    claims = jwt.decode(
        token, parsed.public_key(), algorithms=["PS256"], audience=audience, issuer=app,
        options={"require": ["aud", "exp", "iat", "iss", "jti", "nbf", "sub"], "strict_aud": True},
    )
    assert claims["sub"] == app and claims["exp"] - claims["iat"] <= 600, claims
    assert len(claims["jti"]) >= 16 and claims["jti"] not in seen
    seen.add(claims["jti"])
    return header, claims

class Login:
    """What msal sends, caught on its way."""
    def __init__(self):
        self.form = None
    def post(self, url, data=None, headers=None, **_):
        self.url, self.form = url, data
        return self.answer({"access_token": "x", "expires_in": 60, "token_type": "Bearer"})
    def get(self, url, **_):
        base = url.rsplit("/v2.0", 1)[0]
        return self.answer({
            "authorization_endpoint": base + "/oauth2/v2.0/authorize", "token_endpoint": base + "/oauth2/v2.0/token",
            "issuer": f"https://login.microsoftonline.com/{tenant}/v2.0",
        })
    def answer(self, body):
        return type("Answer", (), {"status_code": 200, "headers": {}, "text": json.dumps(body), "raise_for_status": lambda self: None})()
    def close(self):
        pass

def theirs():
    """The same login by msal: the form, the header and the claims."""
    login = Login()
    own = msal.ConfidentialClientApplication(
        app, authority=f"https://login.microsoftonline.com/{tenant}", instance_discovery=False, http_client=login,
        client_credential={
            "private_key": (folder / "ours.key").read_text(), "public_certificate": certificate,
        },
    )
    answer = own.acquire_token_for_client(["https://api.botframework.com/.default"])
    assert answer.get("access_token") == "x", answer
    return login

class Entra(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        form = dict(urllib.parse.parse_qsl(body, strict_parsing=True))
        try:
            assert self.path == f"/{tenant}/oauth2/v2.0/token", self.path
            header, claims = check(form, f"http://{self.headers['host']}{self.path}")
            self.say(200, {"token_type": "Bearer", "access_token": "app-token", "expires_in": 3600})
        except Exception as error:
            print("refused", repr(error), flush=True)
            return self.say(401, {"error": "invalid_client", "error_codes": [700027]})
        login = theirs()
        their_header = jwt.get_unverified_header(login.form["client_assertion"])
        their_claims = jwt.decode(login.form["client_assertion"], options={"verify_signature": False})
        # What Microsoft's may carry more: the names of this client, the certificate itself, the
        # thumbprint by SHA-1 for older servers.
        more = {"client_info", "x-client-SKU", "x-client-VER", "x-client-OS"}
        same = (set(form) - more == set(login.form) - more
                and set(claims) - {"nbf"} == set(their_claims) - {"nbf"}
                and set(header) == set(their_header) - {"x5c", "x5t"}
                and header["x5t#S256"] == their_header["x5t#S256"].rstrip("=")
                and (header["alg"], header["typ"]) == (their_header["alg"], their_header["typ"]))
        print("logged in", "as msal does" if same else f"otherwise: {sorted(login.form)} {their_header} {their_claims} and {sorted(form)} {header} {claims}", flush=True)

    def say(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", 0), Entra)
print(f"entra at http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()

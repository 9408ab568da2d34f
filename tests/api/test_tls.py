"""F47: HTTPS with a pair of PEM files, nothing else on that port, and a clear word about a bad pair."""
import http.client
import pathlib
import socket
import ssl
import subprocess
import warnings

import pytest

import client


def make_pair(folder, name):
    """A self-signed certificate for 127.0.0.1 and its key."""
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=shortlist",
                    "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, stderr=subprocess.PIPE, timeout=60)
    return certificate, key


@pytest.fixture(scope="module")
def pairs(folder):
    where = folder / "pairs"
    where.mkdir()
    return {name: make_pair(where, name) for name in ("good", "other")}


def settings(certificate, key):
    return {"SHORTLIST_SERVER_TLS_CERTIFICATE": str(certificate), "SHORTLIST_SERVER_TLS_KEY": str(key)}


@pytest.fixture(scope="module")
def secure(services, pairs):
    """A service on HTTPS, and its admin who trusts its certificate alone."""
    certificate, key = pairs["good"]
    service = services("secure", **settings(certificate, key))
    service.api.url = f"https://127.0.0.1:{service.port}"
    service.api.session.verify = str(certificate)
    return service


def test_health_and_configuration_are_answered_over_https(secure):
    """F47"""
    assert secure.api.get("/livez").json()["status"] == "ok"
    made = secure.api.post("/v1/predictions", {"name": "Over TLS"})
    again = secure.api.get(made.headers["Location"]).json()
    assert again["name"] == "Over TLS" and again["status"] == "draft"


def test_every_thread_of_the_server_speaks_tls(secure):
    """Connections at once, kept open, each answered twice."""
    context = ssl.create_default_context(cafile=secure.api.session.verify)
    connections = [http.client.HTTPSConnection("127.0.0.1", secure.port, context=context, timeout=30)
                   for _ in range(16)]
    for _ in range(2):
        for connection in connections:
            connection.request("GET", "/livez")
        for connection in connections:
            answer = connection.getresponse()
            assert answer.status == 200 and answer.read()
    for connection in connections:
        connection.close()


def test_key_is_needed_over_https_too(secure):
    anybody = secure.api.with_key(None)
    anybody.session.verify = secure.api.session.verify
    anybody.get("/v1/predictions", expect=401)


def test_plain_http_is_refused(secure):
    """F47: no answer in the clear, not even an error with the service's headers."""
    with socket.create_connection(("127.0.0.1", secure.port), timeout=30) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        try:
            while chunk := connection.recv(4096):
                answer += chunk
        except ConnectionResetError:
            pass
    assert not answer.startswith(b"HTTP/"), answer
    assert secure.api.get("/livez").status_code == 200


def spoken(secure, newest):
    """The protocol agreed on by a client that knows `newest` and all before it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(secure.api.session.verify)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # which is what is to be refused
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = newest
    with socket.create_connection(("127.0.0.1", secure.port), timeout=30) as connection:
        with context.wrap_socket(connection, server_hostname="127.0.0.1") as wrapped:
            return wrapped.version()


def test_old_protocols_are_refused(secure):
    """F47: TLS 1.2 is the least."""
    assert spoken(secure, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    assert spoken(secure, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        spoken(secure, ssl.TLSVersion.TLSv1_1)


def test_certificate_that_nobody_trusts_is_the_clients_to_refuse(secure, pairs):
    stranger = client.Api(secure.api.url)
    stranger.session.verify = str(pairs["other"][0])
    with pytest.raises(client.requests.exceptions.SSLError):
        stranger.session.get(secure.api.url + "/livez", timeout=30)


def garbage(path):
    path.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    return path


def bad_pairs(pairs, folder):
    certificate, key = pairs["good"]
    return {
        "key of another certificate": (certificate, pairs["other"][1]),
        "the wrong way round": (key, certificate),
        "garbage": (garbage(folder / "pairs" / "garbage.crt"), key),
        "no such file": (certificate, folder / "pairs" / "nowhere.key"),
        "empty": (certificate, pathlib.Path("/dev/null")),
    }


@pytest.mark.parametrize("what", ["key of another certificate", "the wrong way round", "garbage",
                                  "no such file", "empty"])
def test_bad_pair_ends_the_start_with_a_clear_error(what, services, pairs, folder):
    """F47: in one line that names the settings or the file, and no part of the key."""
    certificate, key = bad_pairs(pairs, folder)[what]
    service = services(f"bad {what}".replace(" ", "_"), start=False, **settings(certificate, key))
    service.environment["ASAN_OPTIONS"] = "detect_leaks=0"  # GnuTLS leaks what it cannot parse
    ended = service.run("serve")
    said = ended.stderr.strip().splitlines()[-1]
    assert ended.returncode > 0, ended
    assert "tls_certificate and tls_key" in said or "TLS file" in said, ended.stderr
    assert "PRIVATE KEY" not in ended.stderr


@pytest.mark.parametrize("only", ["SHORTLIST_SERVER_TLS_CERTIFICATE", "SHORTLIST_SERVER_TLS_KEY"])
def test_half_a_pair_is_refused_by_the_settings(only, services, pairs):
    service = services(f"half_{only[-3:].lower()}", start=False, **{only: str(pairs["good"][0])})
    ended = service.run("serve")
    assert ended.returncode != 0
    assert '[server] needs both "tls_certificate" and "tls_key"' in ended.stderr

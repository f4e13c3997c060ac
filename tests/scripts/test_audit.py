"""`scripts/audit`, with pip-audit itself and a database of vulnerabilities on loopback."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from scripts.commands.audit import AuditError, audit, locked
from tests.conftest import ROOT


class Database(ThreadingHTTPServer):
    """OSV's API: says of each package what it was told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.flaws: dict[str, str] = {}
        self.status = 200
        self.asked: set[str] = set()
        self.url = f"http://127.0.0.1:{self.server_port}/v1/query"


class Answer(BaseHTTPRequestHandler):
    server: Database

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = query["package"]["name"]
        self.server.asked.add(f"{name}=={query['version']}")
        body = json.dumps(self._flaws(name) if name in self.server.flaws else {}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _flaws(self, name: str) -> dict[str, Any]:
        events = [{"introduced": "0"}, {"fixed": self.server.flaws[name]}]
        affected = {
            "package": {"ecosystem": "PyPI", "name": name},
            "ranges": [{"type": "ECOSYSTEM", "events": events}],
        }
        return {"vulns": [{"id": "PYSEC-2026-1", "summary": "A flaw.", "affected": [affected]}]}

    def log_message(self, *args: object) -> None:
        """Silent."""


@pytest.fixture
def database() -> Iterator[Database]:
    with Database() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def run(url: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if not name.endswith("_proxy")}
    return subprocess.run(
        [ROOT / "scripts" / "audit", "--osv-url", url],
        env=plain | {"NO_PROXY": "*"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_vulnerability_is_told_with_what_mends_it_and_where_it_is(database: Database) -> None:
    database.flaws["pillow"] = "99.0"
    result = run(database.url)
    assert result.returncode == 1, result.stderr
    line, total = result.stdout.splitlines()
    assert line.startswith("pillow==")
    assert "PYSEC-2026-1  fixed in 99.0  groups: " in line
    assert "serve" in line
    assert total == f"{len(locked())} locked packages, 1 with known vulnerabilities."
    # Every locked package was asked about, those without hashes too.
    assert len(database.asked) == len(locked())
    assert any(asked.startswith("torch==") for asked in database.asked)


def test_a_package_without_known_vulnerabilities_is_not_told(database: Database) -> None:
    assert audit({"pillow==13.0.0": ["serve"]}, ["--osv-url", database.url]) == []
    assert database.asked == {"pillow==13.0.0"}


def test_a_database_that_fails_is_no_clean_answer(database: Database) -> None:
    database.status = 500
    with pytest.raises(AuditError, match=r"^Nothing was audited"):
        audit({"pillow==13.0.0": ["serve"]}, ["--osv-url", database.url])


def test_where_the_database_cannot_be_reached_it_says_so() -> None:
    result = run("http://127.0.0.1:1/v1/query")
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith("error: Nothing was audited")
    assert "Traceback" not in result.stderr

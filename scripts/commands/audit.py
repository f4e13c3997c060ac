"""Tells which locked packages have known vulnerabilities, by pip-audit and OSV's database.

The exit status is 0 where none is known, 1 where some are, and 2 where the database cannot be had.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
_PINNED: Final = re.compile(r"^(?:# without hashes: )?([A-Za-z0-9._-]+==[^\s;\\]+)", re.MULTILINE)


class AuditError(RuntimeError):
    """Nothing can be told; the message says why."""


def locked() -> dict[str, list[str]]:
    """Every `name==version` that is locked, with the groups that have it."""
    files = {path.stem: path for path in (ROOT / "scripts" / "locks").glob("*.txt")}
    image = ROOT / "functions" / "predict"
    files |= {"serve": image / "requirements.txt", "sbom": image / "sbom-requirements.txt"}
    groups = defaultdict(list)
    for group, path in sorted(files.items()):
        for requirement in _PINNED.findall(path.read_text()):
            groups[requirement].append(group)
    return dict(groups)


def audit(requirements: Mapping[str, object], options: list[str]) -> list[dict[str, Any]]:
    """pip-audit's findings by package, each with `name`, `version` and `vulns`.

    Raises `AuditError` where the database does not answer for every one of them.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain, report = Path(folder) / "requirements.txt", Path(folder) / "report.json"
        plain.write_text("\n".join(requirements) + "\n")
        command = [sys.executable, "-m", "pip_audit", "--vulnerability-service=osv"]
        command += ["--no-deps", "--disable-pip", "--progress-spinner=off", "--desc=off"]
        command += ["--format=json", f"--output={report}", f"--requirement={plain}", *options]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if not report.exists():
            *_, reason = run.stderr.strip().splitlines() or ["it does not say why"]
            raise AuditError(
                f"Nothing was audited, as the database of vulnerabilities cannot be had: {reason}. "
                "Run this where the internet can be reached; behind a proxy, set HTTPS_PROXY, and "
                "name a mirror by --osv-url."
            )
        found: list[dict[str, Any]] = json.loads(report.read_text())["dependencies"]
    skipped = [package["name"] for package in found if "skip_reason" in package]
    if skipped:
        raise AuditError(f"Not audited, as the database does not know them: {', '.join(skipped)}.")
    return [package for package in found if package["vulns"]]


def main() -> int:
    """Prints a line for each vulnerability, and the sum."""
    parser = argparse.ArgumentParser(
        prog="scripts/audit",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--osv-url", metavar="URL", help="another server of OSV's API, v1/query")
    args = parser.parse_args()
    packages = locked()
    try:
        found = audit(packages, ["--osv-url", args.osv_url] if args.osv_url else [])
    except AuditError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for package in found:
        requirement = f"{package['name']}=={package['version']}"
        for flaw in package["vulns"]:
            names = ", ".join([flaw["id"], *flaw.get("aliases", [])])
            fixed = " or ".join(flaw["fix_versions"]) or "no version yet"
            groups = ", ".join(packages.get(requirement, []))
            print(f"{requirement}  {names}  fixed in {fixed}  groups: {groups}")
    print(f"{len(packages)} locked packages, {len(found)} with known vulnerabilities.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

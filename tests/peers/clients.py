#!/usr/bin/env python3
"""Runs FHIR clients that nobody here wrote against the running program, and says step by step what they got.

    tests/peers/clients.py [--program target/release/anchorline] [--work DIR] [--only NAME...] [--out FILE]

The clients: sekmet-fhir (its whole hospital: 14 scenarios in JSON, in XML, and with a token), fhirpy and fhirclient of
PyPI, fhir-kit-client and fhirclient of npm; and, for our own client side, the server of sekmet-fhir as a partner that is
forwarded to. Versions are pinned below; they are installed once into DIR. A client that
cannot be installed here is reported as skipped, by name. A step that waits for work of a later time, or that speaks a
dialect which is not FHIR, is named with its reason and is neither passed nor failed.

Exit status: 0 if no step failed, 1 if one did, 2 if the program does not start.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import venv

PYTHON = ["sekmet-fhir==0.1.1", "fhirpy==2.3.1", "fhirclient==4.4.0"]
NODE = ["fhir-kit-client@2.0.3", "fhirclient@2.6.3"]
HERE = pathlib.Path(__file__).resolve().parent / "clients"

CONFIGURATION = """
[listen]
http = "127.0.0.1:0"
https = "127.0.0.1:0"
mllp = "127.0.0.1:0"
cors_origins = ["https://app.example"]

[auth]
mode = "{mode}"

[consent]
implicit_policy = "permit-all"
"""

# Scenarios of sekmet-fhir that need what a later version brings. Everything else has to pass.
SEKMET_WAITS = {
    "bulk_export_group": "needs bulk export",
    "subscription_roundtrip": "needs Subscriptions that fire",
    "subscription_backport_roundtrip": "needs Subscriptions that fire",
    "lab_order_peer_fills": "asks the peer to be a laboratory that fills orders itself",
}


# With a token that reads as a clinician: docs/consent.md, "Whose data".
SEKMET_TOKEN_WAITS = {
    "appointment_book_cancel": "Schedule and Slot belong to no patient and not to the directory: withheld from clinicians",
}


class Program:
    """The gateway in a folder of its own."""

    def __init__(self, binary, folder, mode, more=""):
        folder.mkdir(parents=True)
        self.binary, self.folder = binary, folder
        (folder / "anchorline.toml").write_text(CONFIGURATION.format(mode=mode) + more)
        self.log = open(folder / "log", "w")
        self.process = subprocess.Popen(
            [binary, "serve", "--config", folder / "anchorline.toml", "--data", folder / "data"],
            stdout=subprocess.PIPE, stderr=self.log, text=True,
        )
        ready = self.process.stdout.readline()
        if not ready.startswith("ready "):
            print(f"the program did not start: see {folder}/log", file=sys.stderr)
            sys.exit(2)
        address = next(word[5:] for word in ready.split() if word.startswith("http="))
        self.base = f"http://{address}/fhir"

    def token(self, *arguments):
        out = subprocess.run(
            [self.binary, "token", "--config", self.folder / "anchorline.toml", "--data", self.folder / "data",
             "--ttl", "30m", *arguments],
            stdout=subprocess.PIPE, text=True, check=True,
        )
        return out.stdout.strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


class Report:
    """What each client got, step by step."""

    def __init__(self):
        self.rows = []

    def add(self, client, step, outcome, said=""):
        self.rows.append({"client": client, "step": step, "outcome": outcome, "said": said})
        if outcome != "passed":
            print(f"  {outcome:8} {client}: {step}: {' '.join(said.split())[:300]}")

    def lines(self, client, text):
        """What a script printed: one JSON a step."""
        for line in text.splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict) and "step" in row:
                self.add(client, row["step"], row["outcome"], row.get("said", ""))

    def print(self):
        clients = list(dict.fromkeys(row["client"] for row in self.rows))
        print(f"{'client':36} passed failed waits skipped")
        for client in clients:
            mine = [row["outcome"] for row in self.rows if row["client"] == client]
            counts = [mine.count(word) for word in ("passed", "failed", "waits", "skipped")]
            print(f"{client:36} {counts[0]:6} {counts[1]:6} {counts[2]:5} {counts[3]:7}")
        return sum(row["outcome"] == "failed" for row in self.rows)


def python(work):
    """The interpreter with the Python clients, or the reason why there is none."""
    tool = work / "venv/bin/python"
    try:
        if not tool.exists():
            venv.create(work / "venv", with_pip=True)
        subprocess.run([tool, "-m", "pip", "--quiet", "install", *PYTHON], check=True, capture_output=True, timeout=600)
    except (OSError, subprocess.SubprocessError) as error:
        return None, f"cannot be installed here ({type(error).__name__})"
    return tool, ""


def node(work):
    """The folder with the npm clients, or the reason why there is none."""
    folder = work / "npm"
    if not shutil.which("npm") or not shutil.which("node"):
        return None, "node and npm are not installed"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Without lifecycle scripts: a test client has no business running anything while it is unpacked.
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder,
                        *NODE], check=True, capture_output=True, timeout=600)
    except (OSError, subprocess.SubprocessError) as error:
        return None, f"cannot be installed here ({type(error).__name__})"
    return folder, ""


def script(report, name, command, environment):
    try:
        run = subprocess.run(command, env={**os.environ, **environment}, text=True, capture_output=True, timeout=600)
    except subprocess.TimeoutExpired:
        report.add(name, "all steps", "failed", "did not end within ten minutes")
        return
    report.lines(name, run.stdout)
    if run.returncode not in (0, 1) or not any(row["client"] == name for row in report.rows):
        last = (run.stderr.strip().splitlines() or ["no step was reported"])[-1]
        report.add(name, "all steps", "failed", last)


def sekmet(report, tool, folder, base, form, token):
    """The scenarios of sekmet-fhir, each a row."""
    name = f"sekmet-fhir, {form}" + (", token" if token else "")
    folder.mkdir(parents=True)
    auth = f"    auth: {{type: bearer, token: {token}}}\n" if token else ""
    (folder / "settings.yaml").write_text(
        f"host: 127.0.0.1\nport: 1\nbase_url: http://127.0.0.1:1/fhir\ndata_dir: data\n"
        f"peers:\n  gateway:\n    base_url: {base}\n    format: {form}\n{auth}"
    )
    command = [tool.with_name("sekmet"), "scenario", "run", "all", "--peer", "gateway", "--config", "settings.yaml",
               "--report-dir", "reports", "--no-serve"]
    with open(folder / "log", "w") as log:
        subprocess.run(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, timeout=900, check=False)
    results = next(iter(folder.glob("reports/*/results.json")), None)
    if results is None:
        report.add(name, "all scenarios", "failed", f"no report: see {folder}/log")
        return
    for scenario in json.loads(results.read_text()):
        key = pathlib.Path(scenario["file"]).stem
        steps = scenario.get("steps", [])
        bad = [f"{step['name']}: {(step.get('message') or '').splitlines()[:1]}" for step in steps
               if step["status"] in ("failed", "error")]
        done = sum(step["status"] == "passed" for step in steps)
        waits = SEKMET_WAITS | SEKMET_TOKEN_WAITS if token else SEKMET_WAITS
        if key in waits and scenario["status"] != "passed":
            report.add(name, key, "waits", waits[key])
        elif scenario["status"] == "passed":
            report.add(name, key, "passed", f"{done} of {len(steps)} steps")
        elif scenario["status"] == "skipped":
            why = next((step.get("message") for step in steps if step.get("message")), "skipped")
            report.add(name, key, "failed", f"was not tried: {why}")
        else:
            report.add(name, key, "failed", "; ".join(bad) or scenario["status"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="target/release/anchorline", type=pathlib.Path)
    parser.add_argument("--work", type=pathlib.Path, help="where the clients are installed and kept")
    parser.add_argument("--only", nargs="*", default=[], help="names of clients, as the table has them")
    parser.add_argument("--out", type=pathlib.Path, help="the report as JSON")
    options = parser.parse_args()
    binary = options.program.resolve()
    if not binary.exists():
        print(f"no program at {binary}: build it, or name it by --program", file=sys.stderr)
        sys.exit(2)
    work = (options.work or pathlib.Path(tempfile.mkdtemp(prefix="anchorline-clients-"))).resolve()
    run = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=work if work.exists() else None))
    report = Report()

    def wanted(name):
        return not options.only or any(only in name for only in options.only)

    tool, why_not = python(work)
    folder, why_no_node = node(work)
    number = 0
    for mode in ("open", "development"):
        for name in ("fhirpy (PyPI)", "fhirclient (PyPI)", "fhir-kit-client (npm)", "fhirclient (npm)"):
            label = name if mode == "open" else f"{name}, token"
            if not wanted(label):
                continue
            missing = why_not if "PyPI" in name else why_no_node
            if missing:
                report.add(label, "all steps", "skipped", missing)
                continue
            number += 1
            with Program(binary, run / str(number), mode) as program:
                token = "" if mode == "open" else program.token(
                    "--role", "source", "--role", "administrator", "--role", "clinician", "--purpose", "TREAT",
                    "--actor", "Practitioner/tester")
                environment = {"BASE": program.base, "TOKEN": token, "MODE": mode}
                if "PyPI" in name:
                    command = [tool, HERE / (name.split()[0] + "_steps.py")]
                else:
                    environment["PACKAGES"] = str(folder / "node_modules")
                    command = ["node", HERE / (name.split()[0].replace("-", "_") + ".mjs")]
                script(report, label, command, environment)
        for form in ("json", "xml"):
            label = f"sekmet-fhir, {form}" + ("" if mode == "open" else ", token")
            if not wanted(label):
                continue
            if why_not:
                report.add(label, "all scenarios", "skipped", why_not)
                continue
            number += 1
            with Program(binary, run / str(number), mode) as program:
                token = "" if mode == "open" else program.token(
                    "--role", "source", "--role", "administrator", "--role", "clinician", "--purpose", "TREAT",
                    "--actor", "Practitioner/tester")
                sekmet(report, tool, run / f"{number}-sekmet", program.base, form, token)
    label = "sekmet-fhir as our partner"
    if wanted(label):
        if why_not:
            report.add(label, "all steps", "skipped", why_not)
        else:
            command = [sys.executable, HERE / "forwarding.py", binary, tool.with_name("sekmet"), run / "forwarding"]
            script(report, label, command, {})
    if options.out:
        options.out.write_text(json.dumps(report.rows, indent=1))
    sys.exit(1 if report.print() else 0)


if __name__ == "__main__":
    main()

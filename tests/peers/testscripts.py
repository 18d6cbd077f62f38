#!/usr/bin/env python3
"""Compares our TestScript engine with another one, script by script and action by action.

Both engines run the same scripts against the same server: the one that comes with the PyPI package sekmet-fhir, started
afresh for each engine on a loopback port. Needs python3 with venv, and network access to install the package once.

    tests/peers/testscripts.py [--program target/debug/anchorline] [--work DIR] [SCRIPT-OR-FOLDER...]

Without scripts those of $ANCHORLINE_CORPUS are taken. Prints every difference and exits 1 if one is not explained below.
"""
import argparse
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv

PACKAGE = "sekmet-fhir==0.1.1"

# Differences that are known, by what the other engine says. Each is a limit of that engine or of its server.
EXPLAINED = [
    (
        "XML serialization failed",
        "the other engine cannot write this fixture as XML (its model refuses a date); ours sends it as it is, and the "
        "server's own refusal then fails the assert behind it",
    ),
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """The peer's server in a folder of its own, so that both engines find the same state."""

    def __init__(self, tool, folder):
        folder.mkdir(parents=True)
        self.folder, self.port = folder, free_port()
        self.base = f"http://127.0.0.1:{self.port}/fhir"
        self.settings = folder / "settings.yaml"
        self.settings.write_text(
            f"host: 127.0.0.1\nport: {self.port}\nbase_url: {self.base}\n"
            f"peers:\n  tested:\n    base_url: {self.base}\n"
        )
        self.log = open(folder / "server.log", "w")
        self.process = subprocess.Popen(
            [tool, "serve", "--config", self.settings, "--host", "127.0.0.1", "--port", str(self.port)],
            cwd=folder, stdout=self.log, stderr=subprocess.STDOUT,
        )

    def __enter__(self):
        for _ in range(300):
            if self.process.poll() is not None:
                sys.exit(f"the peer ended: see {self.folder}/server.log")
            try:
                with urllib.request.urlopen(f"{self.base}/metadata", timeout=2):
                    return self
            except OSError:
                time.sleep(0.1)
        sys.exit("the peer did not start")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


def scripts(paths):
    files = []
    for path in paths:
        files += sorted(p for p in path.iterdir() if p.suffix in (".json", ".xml")) if path.is_dir() else [path]
    return files


def theirs(tool, server, files):
    """file name -> list of (section, label, status, message)"""
    # One run a script: the results name only titles, which need not differ.
    found = {}
    for file in files:
        out = server.folder / "theirs" / file.stem
        subprocess.run(
            [tool, "testscript", "run", file, "--peer", "tested", "--fixture-base", "", "--config", server.settings,
             "--report-dir", out],
            cwd=server.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
        )
        results = next(out.glob("*/results.json"))
        steps = json.loads(results.read_text())[0]["steps"]
        found[file.name] = []
        for step in steps:
            section, _, label = step["name"].partition(": ")
            found[file.name].append((section, label, step["status"], step.get("message") or ""))
    return found


def ours(program, server, files):
    found = {}
    for file in files:
        run = subprocess.run(
            [program, "conformance", "run", "--suite", "testscript", "--base", server.base, "--parallel", "1",
             "--format", "json", file],
            stdout=subprocess.PIPE, check=False,
        )
        report = json.loads(run.stdout)
        found[file.name] = [
            (test["name"], step["name"], step["outcome"], step.get("got", ""))
            for suite in report["suites"] for test in suite["tests"] for step in test["steps"]
        ]
    return found


def verdict(steps):
    worst = ["skipped", "passed", "warning", "failed", "error"]
    return max((status for _, _, status, _ in steps), key=worst.index, default="skipped")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="target/debug/anchorline", type=pathlib.Path)
    parser.add_argument("--work", type=pathlib.Path, help="where the package is installed and kept")
    parser.add_argument("scripts", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    paths = options.scripts
    if not paths:
        corpus = os.environ.get("ANCHORLINE_CORPUS") or sys.exit("give scripts, or set ANCHORLINE_CORPUS")
        folder = pathlib.Path(corpus) / "fhir-r4/rest/testscripts"
        paths = sorted(path for path in folder.iterdir() if path.is_dir())
    files = [file.resolve() for file in scripts(paths)]
    work = (options.work or pathlib.Path(tempfile.mkdtemp(prefix="anchorline-peer-"))).resolve()
    tool = work / "venv/bin/sekmet"
    if not tool.exists():
        venv.create(work / "venv", with_pip=True)
        subprocess.run([work / "venv/bin/pip", "--quiet", "install", PACKAGE], check=True)
    run = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=work))
    with Server(tool, run / "a") as server:
        other = theirs(tool, server, files)
    with Server(tool, run / "b") as server:
        own = ours(options.program.resolve(), server, files)
    actions = same = unexplained = equal_scripts = 0
    for file in files:
        left, right = other[file.name], own[file.name]
        equal_scripts += verdict(left) == verdict(right)
        if verdict(left) != verdict(right):
            print(f"{file.name}: theirs {verdict(left)}, ours {verdict(right)}")
        why = next((text for said, text in EXPLAINED for step in left if said in step[3]), None)
        for index in range(max(len(left), len(right))):
            actions += 1
            a = left[index] if index < len(left) else ("", "nothing", "", "")
            b = right[index] if index < len(right) else ("", "nothing", "", "")
            if a[2] == b[2]:
                same += 1
                continue
            unexplained += why is None
            print(f"  {file.name} / {a[0] or b[0]} / {a[1]}: theirs {a[2]}, ours {b[2]}")
            print(f"    theirs: {a[3].splitlines()[0] if a[3] else ''}\n    ours: {b[3]}\n    {why or 'NOT EXPLAINED'}")
    print(f"{len(files)} scripts, {equal_scripts} with the same verdict; {actions} actions, {same} with the same verdict; "
          f"{unexplained} differences not explained")
    sys.exit(1 if unexplained else 0)


if __name__ == "__main__":
    main()

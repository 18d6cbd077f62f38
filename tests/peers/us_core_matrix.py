#!/usr/bin/env python3
"""Runs the requirement tables of US Core 6.1.0 against the running program, with the patients that their authors test with.

    ANCHORLINE_CORPUS=DIR tests/peers/us_core_matrix.py [--program target/release/anchorline] [--all] [--examples] [--out DIR]

The program is started with US Core's own SearchParameters ([search] parameters) and profiles ([validation] packages). The
reference patients are loaded by the transactions they come in. They lack allergies, devices, orders, weights and some
values: --all loads us_core_rows.json too, a patient of our own who has what they lack, so that every search is tried;
--examples loads the guide's examples (some refer to what the guide does not bring). Then `conformance run --suite us-core`
asks every row of the tables.

Prints each row that failed or could not be tried, with the reason, and a table: searches apart from what hangs on the data
alone (must-support elements, validity of what was loaded). Exit status: 0 if every SHALL row that could be tried holds
and at least 95 of 100 SHOULD ones do, and nothing was refused, 1 if not, 2 if nothing could be run.
"""
import argparse
import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

from clients import Program

PATIENTS = ["85", "907", "888"]
DEFINITIONS = "definitions/hl7.fhir.us.core-6.1.0-definitions.tgz"
TABLES = "rest/us-core-6.1.0-search-matrix"
REFERENCE = "bundles/us-core-reference-server"
EXAMPLES = "examples/us-core-6.1.0"
# What says something about the data that were loaded, and nothing about the server that holds them.
OF_THE_DATA = ("The server has resources of it", "Every must-support element is there", "Each is valid against the profile")


class UsCore(Program):
    """The gateway as a site sets it up that speaks US Core."""

    def __init__(self, binary, folder, package):
        more = f"\n[search]\nparameters = [{json.dumps(str(package))}]\n\n[validation]\npackages = [{json.dumps(str(package))}]\n"
        super().__init__(binary, folder, "open", more)

    def send(self, method, path, resource):
        request = urllib.request.Request(
            f"{self.base}{path}", json.dumps(resource).encode(), {"Content-Type": "application/fhir+json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, ""
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")[:500]


def load(program, corpus, own, examples):
    """Everything by the way it was made for; what is refused is told."""
    refused = 0
    files = sorted((corpus / REFERENCE).glob("*.json"))
    files += [pathlib.Path(__file__).with_name("us_core_rows.json")] if own else []
    files += sorted((corpus / EXAMPLES).rglob("*.json")) if examples else []
    patients = PATIENTS + (["rows"] if own else [])
    for file in files:
        # As Python writes them numbers keep their value, not their digits: nothing here compares digits.
        resource = json.loads(file.read_text())
        kind = resource.get("resourceType")
        if kind is None:
            continue
        if kind == "Bundle" and resource.get("type") in ("transaction", "batch"):
            status, said = program.send("POST", "", resource)
        else:
            status, said = program.send("PUT", f"/{kind}/{resource['id']}", resource)
            if kind == "Patient" and resource["id"] not in patients:
                patients.append(resource["id"])
        if status not in (200, 201):
            refused += 1
            print(f"refused   {file.name}: {status} {said}")
    return patients, refused


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="target/release/anchorline", type=pathlib.Path)
    parser.add_argument("--all", action="store_true", help="load what the reference patients lack too")
    parser.add_argument("--examples", action="store_true", help="load the guide's examples too")
    parser.add_argument("--out", type=pathlib.Path, help="where the whole report goes")
    options = parser.parse_args()
    corpus = os.environ.get("ANCHORLINE_CORPUS") or sys.exit("set ANCHORLINE_CORPUS")
    corpus = pathlib.Path(corpus) / "fhir-r4"
    binary, package = options.program.resolve(), corpus / DEFINITIONS
    if not binary.exists() or not package.exists():
        print(f"missing: {binary if not binary.exists() else package}", file=sys.stderr)
        sys.exit(2)
    with tempfile.TemporaryDirectory(prefix="anchorline-us-core-") as folder, \
            UsCore(binary, pathlib.Path(folder) / "gateway", package) as program:
        patients, refused = load(program, corpus, options.all, options.examples)
        command = [binary, "conformance", "run", "--suite", "us-core", "--requirements", corpus / TABLES, "--base", program.base,
                   "--package", package, "--variable", "patients=" + ",".join(patients), "--format", "json"]
        command += ["--out", options.out] if options.out else []
        run = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    try:
        report = json.loads(run.stdout)
    except ValueError:
        print("the suite gave no report", file=sys.stderr)
        sys.exit(2)
    sys.exit(0 if judge(report) and not refused else 1)


def judge(report):
    rows = [test for suite in report["suites"] for test in suite["tests"]]
    counts = collections.defaultdict(collections.Counter)
    for row in rows:
        kind = "search" if row["name"].startswith("Search") else "data" if row["name"] in OF_THE_DATA else "other"
        counts[kind, row["weight"]][row["outcome"]] += 1
        if row["outcome"] == "passed":
            continue
        said = [f"{step.get('expected') or step['name']}: {step.get('got', '')}" for step in row["steps"]
                if step["outcome"] != "passed"]
        print(f"{row['outcome']:8} {row['weight']:6} {row['group']}: {row['name']}")
        for line in said:
            print(f"             {line[:400]}")
    print(f"\n{'rows':8} {'weight':7} passed failed not-tried")
    good = True
    for (kind, weight), count in sorted(counts.items()):
        failed = count["failed"] + count["error"] + count["warning"]
        print(f"{kind:8} {weight:7} {count['passed']:6} {failed:6} {count['skipped']:9}")
        if kind != "data" and weight in ("SHALL", "SHOULD"):
            wanted = 1.0 if weight == "SHALL" else 0.95
            good &= count["passed"] > 0 and count["passed"] >= wanted * (count["passed"] + failed)
    return good


if __name__ == "__main__":
    main()

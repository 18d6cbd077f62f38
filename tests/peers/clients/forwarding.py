"""Our client side against a FHIR server of somebody else: the one of sekmet-fhir (PyPI), on loopback.

    forwarding.py PROGRAM SEKMET FOLDER

A bundle arrives at the gateway and is forwarded, in each way of writing, whole and in parts, twice each (the exchange is
replayed). The partner must then hold each resource once, with its references leading to what it holds.
"""
import json
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

failures = 0


def say(step, outcome, said=""):
    global failures
    failures += outcome == "failed"
    print(json.dumps({"step": step, "outcome": outcome, "said": str(said)[:400]}), flush=True)


def ask(method, url, body=None, accept="application/fhir+json"):
    request = urllib.request.Request(url, method=method, data=body and json.dumps(body).encode())
    request.add_header("Accept", accept)
    request.add_header("Content-Type", "application/fhir+json")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(holds, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = holds()
        if value:
            return value
        time.sleep(0.1)
    return None


def message(run):
    who, system = f"Patient/{run}-p", "urn:anchorline:peers:forwarding"

    def observation(number):
        return {"resource": {
            "resourceType": "Observation", "id": f"{run}-o{number}", "status": "final", "subject": {"reference": who},
            "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}, "effectiveDateTime": "2026-03-04",
            "valueQuantity": {"value": 72.5 + number, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}}}

    return {"resourceType": "Bundle", "type": "collection", "entry": [
        *(observation(number) for number in range(1, 6)),
        {"resource": {"resourceType": "Patient", "id": f"{run}-p", "identifier": [{"system": system, "value": run}],
                      "name": [{"family": "Peer", "given": ["Gwen"]}]}}]}


def main(program, sekmet, folder):
    folder.mkdir(parents=True)
    port = free_port()
    base = f"http://127.0.0.1:{port}/fhir"
    (folder / "settings.yaml").write_text(f"host: 127.0.0.1\nport: {port}\nbase_url: {base}\ndata_dir: data\n")
    log = open(folder / "log", "w")
    server = subprocess.Popen([sekmet, "serve", "--config", "settings.yaml", "--host", "127.0.0.1", "--port", str(port)],
                              cwd=folder, stdout=log, stderr=log)
    gateway = None

    def ready():
        try:
            return ask("GET", f"{base}/metadata")[0] == 200
        except OSError:
            return False

    try:
        if not until(ready):
            say("the partner starts", "failed", f"see {folder}/log")
            return
        ways = [(writes, more) for writes in ("update", "conditional", "create")
                for more in ("", 'oversize = "split"\nmost_entries = 2')] + [("update", 'bundle = "batch"')]
        text = '[listen]\nhttp = "127.0.0.1:0"\nhttps = "127.0.0.1:0"\nmllp = "127.0.0.1:0"\n\n[auth]\nmode = "open"\n\n' \
               '[consent]\nimplicit_policy = "permit-all"\n'
        for number, (writes, more) in enumerate(ways):
            text += (f'\n[[source]]\nname = "s{number}"\ntransport = "http"\nformat = "fhir-r4"\nids = "kept"\n'
                     f'destinations = ["d{number}"]\n\n[[destination]]\nname = "d{number}"\ntransport = "fhir"\n'
                     f'address = "{base}"\nrecipient = ["Organization/sekmet"]\nwrites = "{writes}"\n{more}\n')
        (folder / "anchorline.toml").write_text(text)
        gateway = subprocess.Popen([program, "serve", "--config", folder / "anchorline.toml", "--data", folder / "gateway"],
                                   stdout=subprocess.PIPE, stderr=log, text=True)
        line = gateway.stdout.readline()
        own = "http://" + next(word[5:] for word in line.split() if word.startswith("http="))
        for number, (writes, more) in enumerate(ways):
            step = f"{writes}, {' '.join(more.split()) or 'whole'}"
            run = f"fw{number}-{port}"
            try:
                deliver(own, base, f"s{number}", run, writes)
                say(step, "passed")
            except AssertionError as error:
                say(step, "failed", error)
    finally:
        for process in (gateway, server):
            if process:
                process.terminate()
                process.wait(30)
        log.close()


def deliver(own, base, source, run, writes):
    status, headers, body = ask("POST", f"{own}/ingest/{source}", message(run))
    assert status == 201, (status, body[:200])
    exchange = own + next(value for name, value in headers.items() if name.lower() == "location").removeprefix(own)

    def delivered(attempts):
        delivery = json.loads(ask("GET", exchange, accept="application/json")[2])["deliveries"][0]
        assert delivery["state"] != "dead", delivery
        return delivery["state"] == "delivered"

    def held():
        patients = json.loads(ask("GET", f"{base}/Patient?identifier=urn:anchorline:peers:forwarding%7C{run}")[2])
        assert patients["total"] == 1, f"{patients['total']} patients"
        patient = patients["entry"][0]["resource"]["id"]
        assert (patient == f"{run}-p") == (writes == "update"), f"the partner's id is {patient}"
        found = json.loads(ask("GET", f"{base}/Observation?subject=Patient/{patient}&_count=50")[2])
        values = sorted(entry["resource"]["valueQuantity"]["value"] for entry in found["entry"])
        assert values == [73.5, 74.5, 75.5, 76.5, 77.5], values

    assert until(lambda: delivered(0)), "was not delivered"
    held()
    # Again, as after an answer that was lost: the same resources, and none of them twice.
    status, _, body = ask("POST", f"{exchange}/replay")
    assert status == 202, (status, body[:200])
    assert until(lambda: delivered(0)), "was not delivered again"
    time.sleep(0.5)
    held()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]))
    sys.exit(1 if failures else 0)

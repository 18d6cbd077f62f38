"""Everything that fhirclient (PyPI) can do without SMART, against the server at $BASE. Its R4 models are strict readers."""
import sys
import uuid

import steps
from steps import BASE, TOKEN, raises, step, waits
from fhirclient import client as fhirclient
from fhirclient.auth import FHIRAuth
from fhirclient.models import bundle as bundles
from fhirclient.models import capabilitystatement, humanname, observation, operationoutcome, parameters, patient as patients
from fhirclient.server import FHIRNotFoundException

RUN = uuid.uuid4().hex[:10]
SYSTEM = "urn:anchorline:peers:fhirclient"
FAMILY = f"Fhirclient{RUN}"
smart = fhirclient.FHIRClient(settings={"app_id": "anchorline-peers", "api_base": BASE})
server = smart.server
if TOKEN:
    # No authorization server is asked: the token is there already.
    server.session.headers["Authorization"] = f"Bearer {TOKEN}"


@step("prepare: reads the capability statement with its model")
def prepare():
    smart.prepare()
    statement = server.capabilityStatement
    assert statement.fhirVersion == "4.0.1"
    assert any(each.type == "Patient" for each in statement.rest[0].resource)
    assert isinstance(server.auth, FHIRAuth)


@step("create")
def patient():
    person = patients.Patient({
        "identifier": [{"system": SYSTEM, "value": RUN}], "birthDate": "1958-11-30", "gender": "male",
        "name": [{"family": FAMILY, "given": ["Cyril"]}],
    })
    made = person.create(server)
    assert made["id"]
    return patients.Patient.read(made["id"], server)


@step("read with a strict model")
def read():
    assert patient.name[0].family == FAMILY and patient.birthDate.isostring == "1958-11-30"


@step("an unknown id is FHIRNotFoundException")
def unknown():
    raises(FHIRNotFoundException, lambda: patients.Patient.read("no-such-" + RUN, server))


@step("update")
def update():
    patient.name[0].given = ["Cyril", "Dmitri"]
    name = humanname.HumanName({"family": "Other" + FAMILY, "use": "maiden"})
    patient.name.append(name)
    patient.update(server)
    again = patients.Patient.read(patient.id, server)
    assert again.name[1].use == "maiden" and again.meta.versionId == "2"


@step("create of observations")
def made():
    ids = []
    for day in range(1, 6):
        ids.append(observation.Observation({
            "status": "final", "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
            "subject": {"reference": f"Patient/{patient.id}"}, "effectiveDateTime": f"2026-03-{day:02}",
            "valueQuantity": {"value": 70.5, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
        }).create(server)["id"])
    return ids


@step("search by struct: reference and token, resources of all pages")
def search():
    found = observation.Observation.where({"patient": patient.id, "code": "29463-7", "_count": "2"})
    assert sorted(each.id for each in found.perform_resources_iter(server)) == sorted(made)
    assert len(list(found.perform_iter(server))) == 3


@step("search with a list of alternatives and with :exact and :missing")
def alternatives():
    found = patients.Patient.where({"family": {"$or": [FAMILY, "nobody-" + RUN]}}).perform_resources(server)
    assert [each.id for each in found] == [patient.id]
    assert len(patients.Patient.where({"family": {"$exact": FAMILY}}).perform_resources(server)) == 1
    assert not patients.Patient.where({"identifier": RUN, "birthdate": {"$missing": "true"}}).perform_resources(server)


@step("chained search")
def chained():
    found = observation.Observation.where({"subject:Patient.family": FAMILY}).perform_resources(server)
    assert len(found) == 5, len(found)


@step("include and reverse include")
def include():
    found = observation.Observation.where({"patient": patient.id}).include("subject").perform_resources(server)
    assert sorted(each.resource_type for each in found) == ["Observation"] * 5 + ["Patient"]
    found = patients.Patient.where({"_id": patient.id}).include("subject", observation.Observation, reverse=True)
    assert len(found.perform_resources(server)) == 6


@step("date prefixes")
def dates():
    found = observation.Observation.where({"patient": patient.id, "date": {"$and": ["ge2026-03-02", "lt2026-03-04"]}})
    assert len(found.perform_resources(server)) == 2


@step("transaction: a Bundle created at the base")
def transaction():
    bundle = bundles.Bundle({"type": "transaction", "entry": [
        {"fullUrl": "urn:uuid:7c6d1f7e-1111-4111-8111-000000000001",
         "resource": {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": RUN + "t"}]},
         "request": {"method": "POST", "url": "Patient"}},
        {"fullUrl": "urn:uuid:7c6d1f7e-1111-4111-8111-000000000002",
         "resource": {"resourceType": "Observation", "status": "final", "code": {"text": "x"},
                      "subject": {"reference": "urn:uuid:7c6d1f7e-1111-4111-8111-000000000001"}},
         "request": {"method": "POST", "url": "Observation"}}]})
    answer = bundles.Bundle(bundle.create(server))
    assert answer.type == "transaction-response" and len(answer.entry) == 2


@step("history with a strict model")
def history():
    found = bundles.Bundle.read_from(f"Patient/{patient.id}/_history", server)
    assert found.type == "history" and len(found.entry) == 2


@step("operations: $everything and $validate")
def operations():
    found = bundles.Bundle.read_from(f"Patient/{patient.id}/$everything", server)
    assert len(found.entry) >= 6
    answer = server.post_json("Patient/$validate", parameters.Parameters(
        {"parameter": [{"name": "resource", "resource": {"resourceType": "Patient", "gender": "unknown"}}]}).as_json())
    operationoutcome.OperationOutcome(answer.json())


@step("an outcome of a refusal with a strict model")
def outcome():
    answer = server.session.post(BASE + "/Patient", json={"resourceType": "Patient", "shoe": 43})
    assert answer.status_code in (400, 422)
    assert operationoutcome.OperationOutcome(answer.json()).issue


@step("a resource with every page of the server's capability statement: strict")
def statement():
    assert capabilitystatement.CapabilityStatement.read_from("metadata", server).rest[0].mode == "server"


@step("delete")
def delete():
    observation.Observation.read(made[0], server).delete(server)
    answer = server.session.get(f"{BASE}/Observation/{made[0]}")
    assert answer.status_code == 410, answer.status_code


waits("authorize, handle_callback, reauthorize", "SMART App Launch")
waits("the operators $gt, $lt, $gte, $lte", "are written as < and > in the value, a form of before R4: refused with 400")
sys.exit(1 if steps.failures else 0)

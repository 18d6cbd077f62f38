"""Everything that fhirpy (PyPI) can do, against the server at $BASE."""
import asyncio
import datetime
import sys
import uuid

import steps
from steps import BASE, TOKEN, raises, step, waits
from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound
from fhirpy.base.searchset import Raw

AUTHORIZATION = f"Bearer {TOKEN}" if TOKEN else None
client = SyncFHIRClient(BASE, authorization=AUTHORIZATION)
RUN = uuid.uuid4().hex[:10]
SYSTEM = "urn:anchorline:peers:fhirpy"
FAMILY = f"Fhirpy{RUN}"


def identifier(number):
    return {"system": SYSTEM, "value": f"{RUN}-{number}"}


@step("capability statement by execute")
def capability():
    statement = client.execute("metadata", method="get")
    assert statement["fhirVersion"] == "4.0.1", statement["fhirVersion"]


@step("create")
def patient():
    made = client.resource("Patient", identifier=[identifier(1)], active=True, gender="female", birthDate="1961-03-04",
                           name=[{"family": FAMILY, "given": ["Ada", "Bea"]}])
    made.save()
    assert made.id and made["meta"]["versionId"]
    return made


@step("read by reference, and to_resource")
def read():
    found = client.reference("Patient", patient.id).to_resource()
    assert found.get_by_path(["name", 0, "family"]) == FAMILY
    assert client.get("Patient", patient.id)["birthDate"] == "1961-03-04"


@step("update keeps what it does not change")
def update():
    patient["telecom"] = [{"system": "phone", "value": "+1 555 0100"}]
    patient.save()
    assert client.get("Patient", patient.id)["telecom"][0]["value"] == "+1 555 0100"
    assert client.get("Patient", patient.id)["name"][0]["given"] == ["Ada", "Bea"]


@step("refresh: the current version, and 304 where nothing changed")
def refresh():
    patient.refresh()
    assert patient["meta"]["versionId"] == "2", patient["meta"]
    patient.refresh()


@step("validate: a good resource and a bad one")
def validate():
    assert patient.is_valid()
    assert not client.resource("Patient", gender="sideways").is_valid()


@step("an unknown id is ResourceNotFound")
def unknown():
    raises(ResourceNotFound, lambda: client.get("Patient", "no-such-" + RUN))


@step("what is no FHIR is an OperationOutcome")
def outcome():
    error = raises(OperationOutcome, lambda: client.resource("Patient", favourite="colour").save())
    assert "favourite" in str(error), error


@step("an unknown search parameter is an OperationOutcome that names it")
def unknown_parameter():
    error = raises(OperationOutcome, lambda: client.resources("Patient").search(shoesize="43").fetch())
    assert "shoesize" in str(error), error


@step("observations of the patient")
def observations():
    made = []
    for number in range(1, 8):
        made.append(client.resource(
            "Observation", status="final", subject=patient.to_reference(), identifier=[identifier(f"o{number}")],
            code={"coding": [{"system": "http://loinc.org", "code": "8867-4"}], "text": "Heart rate"},
            effectiveDateTime=f"2026-02-{number:02}T08:00:00+01:00",
            valueQuantity={"value": 60 + number, "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min"},
        ).create())
    return made


def of_patient():
    return client.resources("Observation").search(patient=patient.id)


@step("search by reference, token, date with prefixes, string")
def search():
    assert len(of_patient().fetch()) == 7
    assert len(of_patient().search(code="http://loinc.org|8867-4").fetch()) == 7
    assert len(of_patient().search(code="8867-4", date__ge="2026-02-03", date__lt="2026-02-06").fetch()) == 3
    assert len(of_patient().search(date__gt=datetime.datetime(2026, 2, 5, 7, 0, tzinfo=datetime.timezone.utc)).fetch()) == 2
    assert len(of_patient().search(status=["final"]).fetch()) == 7
    assert client.resources("Patient").search(name__contains=FAMILY[2:8].lower(), identifier=f"{SYSTEM}|{RUN}-1").fetch()
    assert client.resources("Patient").search(family=FAMILY, gender="female", active=True).get().id == patient.id
    assert len(client.resources("Patient").search(family__exact=FAMILY).fetch()) == 1


@step("search by quantity with prefixes and a unit")
def quantity():
    assert len(of_patient().search(value_quantity="gt64|http://unitsofmeasure.org|/min").fetch()) == 3


@step("search with :not, :missing, :text")
def modifiers():
    assert len(of_patient().search(status__not="cancelled").fetch()) == 7
    assert not of_patient().search(encounter__missing=False).fetch()
    assert len(of_patient().search(code__text="heart").fetch()) == 7


@step("chained search")
def chained():
    assert len(client.resources("Observation").search(patient__Patient__family=FAMILY).fetch()) == 7
    assert len(client.resources("Observation").search(subject__Patient__birthdate__ge="1961", patient=patient.id).fetch()) == 7


@step("reverse chaining: has")
def has():
    found = client.resources("Patient").has("Observation", "patient", code="8867-4").search(family=FAMILY).fetch()
    assert [each.id for each in found] == [patient.id]


@step("include and revinclude")
def include():
    bundle = of_patient().include("Observation", "subject").fetch_raw()
    kinds = sorted(entry.resource["resourceType"] for entry in bundle["entry"])
    assert kinds == ["Observation"] * 7 + ["Patient"], kinds
    bundle = client.resources("Patient").search(family=FAMILY).revinclude("Observation", "subject").fetch_raw()
    assert len(bundle["entry"]) == 8, len(bundle["entry"])


@step("include everything: *")
def include_all():
    bundle = of_patient().include("*").fetch_raw()
    assert len(bundle["entry"]) == 8, len(bundle["entry"])


@step("include with iterate")
def iterate():
    bundle = of_patient().include("Observation", "subject").include("Patient", "general-practitioner", iterate=True).fetch_raw()
    assert len(bundle["entry"]) == 8, len(bundle["entry"])


@step("sort by date, both ways")
def sort():
    dates = [each["effectiveDateTime"] for each in of_patient().sort("date").fetch()]
    assert dates == sorted(dates), dates
    dates = [each["effectiveDateTime"] for each in of_patient().sort("-date", "_id").fetch()]
    assert dates == sorted(dates, reverse=True), dates


@step("paging: every resource once, in pages of two")
def paging():
    found = [each.id for each in of_patient().limit(2)]
    assert sorted(found) == sorted(each.id for each in observations), found
    assert len(of_patient().limit(3).fetch_all()) == 7


@step("first, and get of several")
def first():
    assert of_patient().first()
    raises(MultipleResourcesFound, lambda: of_patient().get())
    raises(ResourceNotFound, lambda: of_patient().search(date="1900").get())


@step("elements")
def elements():
    found = of_patient().elements("status").fetch()
    assert all(each["status"] == "final" and "valueQuantity" not in each for each in found), found[0]


@step("search by _id and _lastUpdated")
def common():
    assert client.resources("Patient").search(_id=patient.id).get().id == patient.id
    assert len(of_patient().search(_lastUpdated__gt="2020").fetch()) == 7


@step("count, which asks by a parameter that is not FHIR, with lenient handling")
def count():
    lenient = SyncFHIRClient(BASE, authorization=AUTHORIZATION, extra_headers={"Prefer": "handling=lenient"})
    assert lenient.resources("Observation").search(patient=patient.id).count() == 7


@step("conditional update: makes one, then changes that one")
def conditional_update():
    who = client.resource("Patient", identifier=[identifier(2)], name=[{"family": FAMILY + "b"}])
    made, created = client.resources("Patient").search(identifier=f"{SYSTEM}|{RUN}-2").update(who)
    assert created
    who["name"] = [{"family": FAMILY + "c"}]
    changed, created = client.resources("Patient").search(identifier=f"{SYSTEM}|{RUN}-2").update(who)
    assert not created and changed.id == made.id


@step("conditional update of several is MultipleResourcesFound")
def conditional_update_of_several():
    raises(MultipleResourcesFound, lambda: of_patient().update(observations[0]))


@step("transaction through a Bundle resource")
def transaction():
    bundle = client.resource("Bundle", type="transaction", entry=[
        {"fullUrl": "urn:uuid:6c6d1f7e-1111-4111-8111-000000000001",
         "resource": {"resourceType": "Patient", "identifier": [identifier(3)]},
         "request": {"method": "POST", "url": "Patient"}},
        {"resource": {"resourceType": "Observation", "status": "final", "code": {"text": "x"},
                      "subject": {"reference": "urn:uuid:6c6d1f7e-1111-4111-8111-000000000001"}},
         "request": {"method": "POST", "url": "Observation"}},
    ])
    answer = client.execute("", data=bundle.serialize())
    assert answer["type"] == "transaction-response"
    assert [entry["response"]["status"][:3] for entry in answer["entry"]] == ["201", "201"]


@step("batch: one entry that fails takes nothing with it")
def batch():
    answer = client.execute("", data={"resourceType": "Bundle", "type": "batch", "entry": [
        {"request": {"method": "GET", "url": f"Patient/{patient.id}"}},
        {"request": {"method": "GET", "url": f"Patient/no-such-{RUN}"}}]})
    assert [entry["response"]["status"][:3] for entry in answer["entry"]] == ["200", "404"], answer


@step("operation on an instance: $everything")
def everything():
    bundle = patient.execute("$everything", method="get")
    assert len(bundle["entry"]) >= 8


@step("history by execute")
def history():
    assert len(patient.execute("_history", method="get")["entry"]) == 2


@step("delete, then ResourceNotFound")
def delete():
    observations[0].delete()
    raises(ResourceNotFound, lambda: client.get("Observation", observations[0].id))
    assert len(of_patient().fetch()) == 6


@step("conditional delete")
def conditional_delete():
    _, status = client.resources("Observation").search(identifier=f"{SYSTEM}|{RUN}-o2").delete()
    assert status in (200, 204), status
    assert len(of_patient().fetch()) == 5


@step("the asynchronous client: search, paging, create")
def asynchronous():
    async def all_of_it():
        other = AsyncFHIRClient(BASE, authorization=AUTHORIZATION)
        found = [each.id async for each in other.resources("Observation").search(patient=patient.id).limit(2)]
        made = other.resource("Patient", identifier=[identifier(4)])
        await made.save()
        return found, made.id

    found, made = asyncio.run(all_of_it())
    assert len(set(found)) == 5 and made


@step("the client's own create-on-condition and merge patch are refused, not misread")
def dialects():
    # POST with a query and PATCH of application/json are one vendor's dialect: FHIR has If-None-Exist and three patch forms.
    known = client.resources("Patient").search(identifier=f"{SYSTEM}|{RUN}-1")
    raises(OperationOutcome, lambda: known.get_or_create(client.resource("Patient", identifier=[identifier(1)])))
    raises(OperationOutcome, lambda: patient.patch(gender="male"))
    assert client.get("Patient", patient.id)["gender"] == "female"
    assert len(known.fetch()) == 1


waits("get_or_create", "sends POST with a query, which is no FHIR R4 (If-None-Exist is): refused with 400")
waits("patch", "sends a merge patch as application/json, which is none of the three forms of FHIR R4: refused with 415")
sys.exit(1 if steps.failures else 0)

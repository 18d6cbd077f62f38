"""Writes the files that are validated: a US Core Patient, and a Bundle of about 60 KB. Usage: files.py FOLDER"""

import json
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"


def narrative(text):
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{text}</div>'}


patient = {
    "resourceType": "Patient",
    "id": "p1",
    "meta": {"profile": [US_CORE + "us-core-patient"]},
    "text": narrative("A patient"),
    "extension": [
        {
            "url": US_CORE + "us-core-race",
            "extension": [
                {
                    "url": "ombCategory",
                    "valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": "2106-3", "display": "White"},
                },
                {"url": "text", "valueString": "White"},
            ],
        },
        {"url": US_CORE + "us-core-birthsex", "valueCode": "F"},
    ],
    "identifier": [
        {
            "use": "usual",
            "type": {
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR", "display": "Medical record number"}
                ]
            },
            "system": "http://hospital.example.org/mrn",
            "value": "4711",
        }
    ],
    "active": True,
    "name": [{"use": "official", "family": "Beispiel", "given": ["Ada", "Maria"]}],
    "telecom": [{"system": "phone", "value": "555-555-5555", "use": "home"}, {"system": "email", "value": "a@example.org"}],
    "gender": "female",
    "birthDate": "1980-02-03",
    "address": [{"line": ["1 Main Street"], "city": "Springfield", "state": "OK", "postalCode": "74047", "country": "US"}],
}


def observation(number):
    return {
        "fullUrl": f"urn:uuid:0b9aeb3c-5ddf-4f0a-8a53-{number:012x}",
        "resource": {
            "resourceType": "Observation",
            "text": narrative("A result"),
            "identifier": [{"system": "http://hospital.example.org/results", "value": f"4711-{number}"}],
            "status": "final",
            "category": [
                {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                            "code": "laboratory",
                            "display": "Laboratory",
                        }
                    ]
                }
            ],
            "code": {"coding": [{"system": "http://loinc.org", "code": "2823-3"}], "text": "Potassium"},
            "subject": {"reference": "urn:uuid:0b9aeb3c-5ddf-4f0a-8a53-000000000000"},
            "performer": [{"display": "Laboratory"}],
            "effectiveDateTime": "2026-03-09T10:11:12+01:00",
            "valueQuantity": {"value": 4.5, "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"},
        },
    }


def bundle(entries):
    first = {"fullUrl": "urn:uuid:0b9aeb3c-5ddf-4f0a-8a53-000000000000", "resource": {k: v for k, v in patient.items() if k != "id"}}
    return {"resourceType": "Bundle", "type": "collection", "entry": [first] + entries}


entries = []
while len(json.dumps(bundle(entries), separators=(",", ":"))) < 60_000:
    entries.append(observation(len(entries) + 1))
for name, resource in [("patient.json", patient), ("bundle.json", bundle(entries))]:
    (folder / name).write_text(json.dumps(resource, separators=(",", ":")))

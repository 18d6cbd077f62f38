"""Writes elements.txt: the elements of R4 that a mapping row may name, with type and cardinality.

Usage: python3 elements.py hl7.fhir.r4.core-4.0.1.tgz > elements.txt

A line is `Path Type` or `Path* Type` (repeats); `@Path` as type means: the same children as there. A choice element
stands once for each of its types. Definitions: FHIR R4 (4.0.1), package hl7.fhir.r4.core.
"""
import json
import sys
import tarfile

RESOURCES = """Account AdverseEvent AllergyIntolerance Appointment AuditEvent Basic Binary BodyStructure Bundle CarePlan CareTeam
ChargeItem Claim ClinicalImpression Communication CommunicationRequest Composition Condition Consent Contract Coverage
DetectedIssue Device DeviceRequest DeviceUseStatement DiagnosticReport DocumentManifest DocumentReference Encounter
Endpoint EpisodeOfCare ExplanationOfBenefit FamilyMemberHistory Flag Goal Group HealthcareService ImagingStudy
Immunization ImmunizationEvaluation ImmunizationRecommendation InsurancePlan List Location Media Medication
MedicationAdministration MedicationDispense MedicationRequest MedicationStatement MessageHeader MolecularSequence
NutritionOrder Observation OperationOutcome Organization Patient PaymentReconciliation Practitioner PractitionerRole
Procedure Provenance Questionnaire QuestionnaireResponse RelatedPerson RequestGroup ResearchSubject RiskAssessment
Schedule ServiceRequest Slot Specimen Substance SupplyDelivery SupplyRequest Task VisionPrescription""".split()


def main():
    lines = []
    with tarfile.open(sys.argv[1]) as package:
        for member in package.getmembers():
            if "/StructureDefinition-" not in member.name:
                continue
            definition = json.load(package.extractfile(member))
            if definition.get("derivation") == "constraint" or definition["kind"] == "logical":
                continue
            if definition["kind"] == "resource" and definition["name"] not in RESOURCES:
                continue
            if definition["kind"] == "primitive-type":
                continue
            for element in definition["snapshot"]["element"][1:]:
                star = "*" if element["max"] not in ("0", "1") else ""
                if element["max"] == "0":
                    continue
                path = element["path"]
                if "contentReference" in element:
                    lines.append(f"{path}{star} @{element['contentReference'].lstrip('#')}")
                    continue
                for kind in element["type"]:
                    code = kind["code"].rsplit(".", 1)[-1] if "://" in kind["code"] else kind["code"]
                    code = {"String": "string"}.get(code, code)
                    name = path
                    if path.endswith("[x]"):
                        name = path[:-3] + code[0].upper() + code[1:]
                    lines.append(f"{name}{star} {code}")
                    if not path.endswith("[x]"):
                        break
    print("\n".join(sorted(set(lines))))


main()

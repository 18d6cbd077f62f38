"""Writes vocabulary maps of hl7v2-base from the code pairs of the HL7 v2-to-FHIR guide.

    ANCHORLINE_REFERENCE=… python3 mappers/generator/codes.py [NAME…]

Takes code, target system, target code and the target's display, row by row; a code that stands twice keeps its first
row. Maps that are written by hand are not in the list below.
"""

import csv
import io
import os
import pathlib
import sys

PACKAGE = pathlib.Path(__file__).resolve().parent.parent / "packages" / "hl7v2-base" / "codes"

# our map: table of the guide, number of the HL7 table
MAPS = {
    "AdministrationMethod": ("AdministrationMethod", "0165"),
    "AdmissionLevelOfCare": ("AdmissionLevelOfCareCode", "0432"),
    "AllowSubstitution": ("AllowSubstitution", "0161"),
    "BedStatus": ("BedStatus", "0116"),
    "CommentType": ("CommentType", "0364"),
    "DocumentConfidentiality": ("DocumentConfidentialityStatus", "0272"),
    "Confidentiality": ("ConfidentialityCode", "0177"),
    "HospitalService": ("HospitalService", "0069"),
    "LivingWill": ("LivingWillCode", "0315"),
    "OrderType": ("OrderType", "0482"),
    "OrganizationalNameType": ("OrganizationalNameType", "0204"),
    "PublicityCode": ("PublicityCode", "0215"),
    "RejectReason": ("SpecimenRejectReason", "0490"),
    "VisitUser": ("VisitUserCode", "0130"),
}


def rows(reference, table):
    name = table.replace("[", "__").replace("]", "")
    with open(reference / "codesystems" / f"{name}.csv", encoding="utf-8-sig") as file:
        lines = list(csv.reader(file))
    header = [cell.strip() for cell in lines[1]]
    code = [n for n, cell in enumerate(header) if cell == "Code"][1]
    display = header.index("Display")
    system = [n for n, cell in enumerate(header) if cell == "Code System"][1]
    seen = set()
    for line in lines[2:]:
        line = [cell.strip() for cell in line] + [""] * 12
        if line[0] and line[code] and line[0] not in seen:
            seen.add(line[0])
            yield line[0], line[system], line[code], line[display]


def main():
    reference = pathlib.Path(os.environ["ANCHORLINE_REFERENCE"])
    if (reference / "v2-to-fhir").is_dir():
        reference = reference / "v2-to-fhir"
    for name in sys.argv[1:] or MAPS:
        table, number = MAPS[name]
        out = io.StringIO()
        write = csv.writer(out, lineterminator="\n").writerow
        write(["code", "system", "target", "display", "equivalence", "guide"])
        write(["@table", f"http://terminology.hl7.org/CodeSystem/v2-{number}", "", "", "", table])
        for code, system, target, display in rows(reference, table):
            write([code, system, target, display, "", f"{table}#{code}"])
        (PACKAGE / f"{name}.csv").write_text(out.getvalue(), encoding="utf-8")


if __name__ == "__main__":
    main()

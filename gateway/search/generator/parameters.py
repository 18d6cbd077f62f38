#!/usr/bin/env python3
"""Writes src/generated/r4.rs: where the search parameters patient, subject, identifier and target find their values.

Input: the unpacked FHIR package hl7.fhir.r4.core 4.0.1 (its folder `package`).
Usage: parameters.py FOLDER [--check]   (--check: compare with the file, write nothing)
"""

import glob
import json
import pathlib
import re
import sys

CODES = {"patient": "PATIENT", "subject": "SUBJECT", "identifier": "IDENTIFIER"}
OUT = pathlib.Path(__file__).resolve().parent.parent / "src" / "generated" / "r4.rs"


def paths(folder):
    """Type -> element paths below the resource, for each parameter."""
    found = {code: {} for code in CODES}
    for name in sorted(glob.glob(f"{folder}/SearchParameter-*.json")):
        definition = json.load(open(name, encoding="utf-8"))
        if definition["code"] not in CODES or definition["type"] not in ("reference", "token"):
            continue
        for expression in definition.get("expression", "").split("|"):
            match = re.fullmatch(r"([A-Z][A-Za-z]*)\.([A-Za-z.]+?)(?:\.where\(resolve\(\) is Patient\))?", expression.strip())
            if match and match.group(1) in definition["base"]:
                listed = found[definition["code"]].setdefault(match.group(1), [])
                if match.group(2) not in listed:
                    listed.append(match.group(2))
    return found


def render(found):
    lines = ["// FHIR R4 4.0.1, SearchParameter.expression. Made by generator/parameters.py; never edited by hand.", ""]
    for code, constant in CODES.items():
        rows = sorted(found[code].items())
        lines.append(f"/// Types that can be searched by `{code}`, and the elements that hold its values.")
        lines.append(f"pub(crate) const {constant}: [(&str, &[&str]); {len(rows)}] = [")
        for resource_type, elements in rows:
            listed = ", ".join(f'"{element}"' for element in sorted(elements))
            lines.append(f'    ("{resource_type}", &[{listed}]),')
        lines.append("];")
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def main():
    text = render(paths(sys.argv[1]))
    if "--check" in sys.argv:
        sys.exit(0 if OUT.read_text(encoding="utf-8") == text else "src/generated/r4.rs is not what the generator makes")
    OUT.write_text(text, encoding="utf-8")


main()

#!/usr/bin/env python3
"""Writes src/generated/compartments.rs: by which parameters a resource is in a compartment.

Input: the unpacked FHIR package hl7.fhir.r4.core 4.0.1 (its folder `package`).
Usage: compartments.py FOLDER [--check]   (--check: compare with the file, write nothing)
"""

import glob
import json
import pathlib
import sys

OUT = pathlib.Path(__file__).resolve().parent.parent / "src" / "generated" / "compartments.rs"


def compartments(folder):
    """Compartment -> type -> parameters; a type without any is in no such compartment."""
    found = {}
    for name in sorted(glob.glob(f"{folder}/CompartmentDefinition-*.json")):
        definition = json.load(open(name, encoding="utf-8"))
        if definition["id"] not in ("patient", "encounter", "practitioner", "relatedPerson", "device"):
            continue  # the example
        rows = {one["code"]: one["param"] for one in definition["resource"] if one.get("param")}
        found[definition["code"]] = rows
    return found


def render(found):
    lines = ["// FHIR R4 4.0.1, CompartmentDefinition. Made by generator/compartments.py; never edited by hand.", ""]
    lines.append("/// A type, and the parameters by which its resources are in a compartment.")
    lines.append("pub(crate) type Row = (&'static str, &'static [&'static str]);")
    lines.append("")
    lines.append("/// Compartments by the type they are named after.")
    lines.append(f"pub(crate) const COMPARTMENTS: [(&str, &[Row]); {len(found)}] = [")
    for compartment, rows in sorted(found.items()):
        lines.append("    (")
        lines.append(f'        "{compartment}",')
        lines.append("        &[")
        for name, parameters in sorted(rows.items()):
            listed = ", ".join(f'"{parameter}"' for parameter in sorted(parameters))
            lines.append(f'            ("{name}", &[{listed}]),')
        lines.append("        ],")
        lines.append("    ),")
    lines.append("];")
    return "\n".join(lines) + "\n"


def main():
    text = render(compartments(sys.argv[1]))
    if "--check" in sys.argv:
        same = OUT.read_text(encoding="utf-8") == text
        sys.exit(0 if same else "src/generated/compartments.rs is not what the generator makes")
    OUT.write_text(text, encoding="utf-8")


main()

#!/usr/bin/env python3
"""Writes src/generated/r4.rs: where the search parameters patient, subject and identifier find their values, and which
elements every reference parameter follows (for _include and _revinclude).

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


# `A.b.c`, `(A.b as Reference)`, `A.b.where(resolve() is Patient)`. Extensions and filters on values are left out.
PLAIN = re.compile(r"([A-Z][A-Za-z]*)\.([A-Za-z.]+?)(?:\.where\(resolve\(\) is ([A-Z][A-Za-z]+)\))?")
CHOICE = re.compile(r"\(([A-Z][A-Za-z]*)\.([A-Za-z.]+) as Reference\)")


def elements(folder):
    """Path -> the types a Reference there may point to, of every element of every resource type; no types: any."""
    found = {}
    for name in glob.glob(f"{folder}/StructureDefinition-*.json"):
        definition = json.load(open(name, encoding="utf-8"))
        if definition["kind"] == "resource" and definition.get("derivation") == "specialization":
            for element in definition["snapshot"]["element"]:
                for one in element.get("type", []):
                    if one["code"] == "Reference":
                        targets = {profile.rsplit("/", 1)[1] for profile in one.get("targetProfile", [])}
                        found[element["path"]] = set() if "Resource" in targets else targets
    return found


def references(folder):
    """Type -> parameter -> (element, the types it may point to)."""
    types = elements(folder)
    found = {}
    for name in sorted(glob.glob(f"{folder}/SearchParameter-*.json")):
        definition = json.load(open(name, encoding="utf-8"))
        if definition["type"] != "reference":
            continue
        for expression in definition.get("expression", "").split("|"):
            plain, choice = PLAIN.fullmatch(expression.strip()), CHOICE.fullmatch(expression.strip())
            match = plain or choice
            if not match or match.group(1) not in definition["base"]:
                continue
            path = f"{match.group(1)}.{match.group(2)}"
            suffix = ""
            if f"{path}[x]" in types:
                path, suffix = f"{path}[x]", "Reference"
            if path not in types:
                continue  # canonical and uri point to definitions, which are found by url
            targets = {plain.group(3)} if plain and plain.group(3) else types[path]
            row = found.setdefault(match.group(1), {}).setdefault(definition["code"], set())
            row.add((match.group(2) + suffix, tuple(sorted(targets))))
    return found


def render_references(found):
    lines = ["/// Types, their reference parameters, and the elements each follows, with the types it may point to; none: any."]
    lines.append(f"pub(crate) const REFERENCES: [(&str, &[Row]); {len(found)}] = [")
    for resource_type, parameters in sorted(found.items()):
        lines.append(f'    ("{resource_type}", &[')
        for code, rows in sorted(parameters.items()):
            listed = ", ".join(
                f'("{element}", &[{", ".join(chr(34) + target + chr(34) for target in targets)}])'
                for element, targets in sorted(rows)
            )
            lines.append(f'        ("{code}", &[{listed}]),')
        lines.append("    ]),")
    lines.append("];")
    aliases = [
        "/// An element below the resource, and the types a reference there may point to; none: any.",
        "pub(crate) type Element = (&'static str, &'static [&'static str]);",
        "/// A reference parameter and the elements it follows.",
        "pub(crate) type Row = (&'static str, &'static [Element]);",
        "",
    ]
    return "\n" + "\n".join(aliases + lines) + "\n"


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
    text = render(paths(sys.argv[1])) + render_references(references(sys.argv[1]))
    if "--check" in sys.argv:
        sys.exit(0 if OUT.read_text(encoding="utf-8") == text else "src/generated/r4.rs is not what the generator makes")
    OUT.write_text(text, encoding="utf-8")


main()

#!/usr/bin/env python3
"""Judges our HL7 v2 output by a validator that is not ours: the models of fhir.resources (R4B, PyPI).

Usage: pip install fhir.resources; tests/peers/fhir_resources.py target/release/anchorline "$ANCHORLINE_CORPUS/hl7v2"

Every .hl7 file below the folder is converted; every resource of every Bundle is read by its model. Prints what the
models do not take, by resource type and element, with a count and one input. docs/adjudication.md says what each is.
"""
import collections
import json
import pathlib
import subprocess
import sys
import tempfile

from fhir.resources.R4B import get_fhir_model_class


def main(binary: str, corpus: str) -> None:
    inputs = sorted(path for path in pathlib.Path(corpus).rglob("*.hl7") if ".expected" not in path.name)
    found, example = collections.Counter(), {}
    clean = 0
    with tempfile.TemporaryDirectory() as work:
        folder = pathlib.Path(work)
        names = {}
        links = []
        for number, path in enumerate(inputs):
            link = folder / f"{number:05}.hl7"
            link.symlink_to(path.resolve())
            names[link.stem] = path
            links.append(str(link))
        out = folder / "out"
        subprocess.run([binary, "--quiet", "convert", "--to", "fhir-r4", "--out", str(out), *links], capture_output=True)
        outputs = sorted(out.glob("*.fhir.json"))
        for output in outputs:
            before = sum(found.values())
            for entry in json.loads(output.read_bytes()).get("entry", []):
                resource = entry.get("resource", {})
                try:
                    get_fhir_model_class(resource["resourceType"]).model_validate(resource)
                except Exception as error:  # pydantic's own, or the model's
                    for each in error.errors() if hasattr(error, "errors") else [{"loc": (), "msg": str(error)}]:
                        place = ".".join(str(step) for step in each["loc"] if not isinstance(step, int))
                        key = (resource.get("resourceType"), place, each["msg"].split("[")[0].strip())
                        found[key] += 1
                        example.setdefault(key, names[output.name[:5]].name)
            clean += before == sum(found.values())
    print(f"{len(outputs)} Bundles, {clean} without a finding")
    for key, count in found.most_common():
        print(count, *key, example[key], sep="\t")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])

"""`ccda_driver.py [--write FOLDER] FILE...`: python-fhir-converter makes FHIR of C-CDA.

Without --write: median and resources of each file, 0 where it refuses. With it: FOLDER/NAME.json of what is made.
"""

import json
import logging
import pathlib
import re
import sys

from fhir_converter.renderers import CcdaRenderer

from measure import measure

logging.disable(logging.CRITICAL)
# Its templates are by type of document; others are read as the most general of them.
TEMPLATES = {
    "34133-9": "CCD",
    "11488-4": "ConsultationNote",
    "18842-5": "DischargeSummary",
    "34117-2": "HistoryandPhysical",
    "11504-8": "OperativeNote",
    "28570-0": "ProcedureNote",
    "11506-3": "ProgressNote",
    "57133-1": "ReferralNote",
    "18761-7": "TransferSummary",
}
CODE = re.compile(rb"<(?:\w+:)?ClinicalDocument\b.*?<(?:\w+:)?code\b[^>]*?\bcode=[\"']([^\"']+)[\"']", re.DOTALL)
renderer = CcdaRenderer()


def convert(data):
    code = CODE.search(data)
    template = TEMPLATES.get(code.group(1).decode("ascii", "replace") if code else "", "CCD")
    return renderer.render_fhir_string(template, data)


def run(data):
    try:
        return len(json.loads(convert(data))["entry"])
    except Exception:
        return 0


files = sys.argv[1:]
if files[:1] == ["--write"]:
    folder = pathlib.Path(files[1])
    folder.mkdir(parents=True, exist_ok=True)
    for file in map(pathlib.Path, files[2:]):
        try:
            (folder / f"{file.parent.name}.{file.name}.json").write_text(convert(file.read_bytes()))
        except Exception:
            pass
else:
    measure(files, run)

"""`python_driver.py fhirkit|pyrofile PACKAGES FILE...`: as driver/src/lib.rs, for validators of PyPI.

PACKAGES are archives of FHIR packages between commas; fhirkit has no use for them.
"""

import contextlib
import json
import os
import pathlib
import sys
import time

subject, packages, *files = sys.argv[1:]

if subject == "fhirkit":
    import fhirkit

    def validate(text):
        return sum(1 for issue in fhirkit.parse(text).issues if str(issue).startswith("error"))

else:
    from pyrofile_validator import Validator
    from pyrofile_validator.config import ValidatorConfig

    validator = Validator(ValidatorConfig(local_package_paths=packages.split(",")))

    nowhere = open(os.devnull, "w")

    def validate(text):
        # It prints what its invariants trace.
        with contextlib.redirect_stdout(nowhere):
            report = validator.validate_resource(json.loads(text))
        return sum(1 for issue in report.issues if str(issue.severity).lower().endswith("error"))


for file in files:
    text = pathlib.Path(file).read_bytes()
    errors = validate(text)
    warm = time.perf_counter()
    while time.perf_counter() - warm < 0.3:
        validate(text)
    took, start = [], time.perf_counter()
    while time.perf_counter() - start < 1 or len(took) < 3:
        one = time.perf_counter()
        validate(text)
        took.append(time.perf_counter() - one)
    took.sort()
    print(f"{pathlib.Path(file).name}\t{took[len(took) // 2] * 1e6:.1f}\t{errors}", flush=True)

"""`python_driver.py fhirkit|pyrofile PACKAGES FILE...`: the number is the errors found.

PACKAGES are archives of FHIR packages between commas; fhirkit has no use for them.
"""

import contextlib
import json
import os
import sys

from measure import measure

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


measure(files, validate)

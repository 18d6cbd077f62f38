"""`hl7v2_driver.py hl7apy|bridge FILE...`: as driver/src/lib.rs, for HL7 v2 tools of PyPI.

hl7apy parses only; hl7v2-fhir-bridge converts to a FHIR Bundle, whose JSON is written, too. The last column is 1 for a
file that the tool refuses: its time is then no measure.
"""

import logging
import pathlib
import sys
import time

logging.disable(logging.CRITICAL)
subject, *files = sys.argv[1:]

if subject == "hl7apy":
    from hl7apy.parser import parse_message

    def run(data):
        parse_message(data.decode("utf-8", "replace").replace("\r\n", "\r").replace("\n", "\r"))

else:
    from v2fhir.config import load_config
    from v2fhir.convert import convert
    from v2fhir.hl7.parser import parse_bytes

    config = load_config()

    def run(data):
        bundle = convert(parse_bytes(data), config).bundle
        bundle.model_dump_json() if hasattr(bundle, "model_dump_json") else str(bundle)


def attempt(data):
    try:
        run(data)
        return 0
    except Exception:
        return 1


for file in files:
    data = pathlib.Path(file).read_bytes()
    refused = attempt(data)
    warm = time.perf_counter()
    while time.perf_counter() - warm < 0.3:
        attempt(data)
    took, start = [], time.perf_counter()
    while time.perf_counter() - start < 1 or len(took) < 3:
        one = time.perf_counter()
        attempt(data)
        took.append(time.perf_counter() - one)
    took.sort()
    print(f"{pathlib.Path(file).name}\t{took[len(took) // 2] * 1e6:.1f}\t{refused}", flush=True)

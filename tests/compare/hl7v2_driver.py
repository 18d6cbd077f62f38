"""`hl7v2_driver.py hl7apy|bridge FILE...`: hl7apy reads a message, hl7v2-fhir-bridge makes the FHIR Bundle and its JSON.

The number is what came out: segments of hl7apy, resources of the bridge, 0 for a file that the tool refuses.
"""

import json
import logging
import sys

from measure import measure

logging.disable(logging.CRITICAL)
subject, *files = sys.argv[1:]

if subject == "hl7apy":
    from hl7apy.parser import parse_message

    # Groups are left out, as our parser finds none either: it is the faster way.
    def run(data):
        text = data.decode("utf-8", "replace").replace("\r\n", "\r").replace("\n", "\r")
        return len(parse_message(text, find_groups=False).children)

else:
    from v2fhir.config import default_config_path, load_config
    from v2fhir.convert import convert
    from v2fhir.hl7.parser import parse_bytes

    config = load_config(default_config_path(), {})

    # Its check of the Bundle is left out, as ours is.
    def run(data):
        bundle = convert(parse_bytes(data, config.default_charset, config.fallback_charsets), config).bundle
        json.dumps(bundle)
        return len(bundle["entry"])


def attempt(data):
    try:
        return run(data)
    except Exception:
        return 0


measure(files, attempt)

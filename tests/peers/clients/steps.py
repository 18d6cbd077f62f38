"""What the Python scripts share: a step is tried, its outcome is one line of JSON."""
import json
import os
import traceback

BASE = os.environ["BASE"]
TOKEN = os.environ.get("TOKEN", "")
failures = 0


def say(step, outcome, said=""):
    print(json.dumps({"step": step, "outcome": outcome, "said": str(said)[:400]}), flush=True)


def step(name):
    """Decorates a function that is one step; what it returns is its value, `None` if it failed."""

    def tried(function):
        global failures
        try:
            value = function()
        except Exception as error:  # whatever a client throws is the finding
            failures += 1
            place = traceback.extract_tb(error.__traceback__)[-1]
            body = getattr(getattr(error, "response", None), "text", "")
            say(name, "failed", f"{type(error).__name__}: {error} {body[:200]} (line {place.lineno})")
            return None
        say(name, "passed")
        return value

    return tried


def waits(name, why):
    say(name, "waits", why)


def raises(expected, function):
    """Whether the call ends as the client says a refusal ends."""
    try:
        function()
    except expected as error:
        return error
    raise AssertionError(f"expected {expected}")

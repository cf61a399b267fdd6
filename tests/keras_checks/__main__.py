"""Runs the checks and writes what came of them as JSON to the path given."""

import json
import sys

from . import run_all

with open(sys.argv[1], "w") as file:
    json.dump(run_all(), file)

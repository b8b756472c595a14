"""Writes with cliff's own formatters what the tests ask for.

Reads one JSON object per line and answers each with a JSON string:
{"list": bool, "format": "table", "names": [...], "rows": [[...]], "options": {"quote": ...}}
"""

import argparse
import io
import json
import os
import sys

from cliff.formatters import commaseparated, json_format, shell, table, value, yaml_format

formatters = {
    "table": table.TableFormatter,
    "json": json_format.JSONFormatter,
    "yaml": yaml_format.YAMLFormatter,
    "value": value.ValueFormatter,
    "csv": commaseparated.CSVLister,
    "shell": shell.ShellFormatter,
}

for line in io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8"):
    order = json.loads(line)
    formatter = formatters[order["format"]]()
    parser = argparse.ArgumentParser()
    formatter.add_argument_group(parser)
    options = parser.parse_args(order["options"])
    out = io.StringIO()
    try:
        if order["list"]:
            formatter.emit_list(order["names"], order["rows"], out, options)
        else:
            formatter.emit_one(order["names"], order["rows"][0], out, options)
        answer = {"text": out.getvalue()}
    except Exception as e:
        answer = {"error": "%s: %s" % (type(e).__name__, e)}
    print(json.dumps(answer), flush=True)

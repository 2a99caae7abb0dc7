"""What pytest tells of the suite, as lines of JSON in the file that S3_TESTS_REPORT names.

A line per collected test with its marks, or a line per phase of a test that ran.
"""

import json
import os


def write(record):
    with open(os.environ["S3_TESTS_REPORT"], "a", encoding="utf-8") as report:
        report.write(json.dumps(record) + "\n")


def function_of(nodeid):
    """The name without the module and without parameters: tests of the suite have different ones."""
    return nodeid.rpartition("::")[2].partition("[")[0]


def pytest_collection_modifyitems(config, items):
    if config.option.collectonly:
        for item in items:
            marks = sorted({mark.name for mark in item.iter_markers()})
            write({"test": function_of(item.nodeid), "id": item.nodeid, "marks": marks})


def pytest_runtest_logreport(report):
    reason = ""
    if report.outcome != "passed":
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        errors = [line[1:].strip() for line in text.splitlines() if line.startswith("E ")]
        reason = errors[0] if errors else text.strip().rpartition("\n")[2]
    write(
        {
            "test": function_of(report.nodeid),
            "phase": report.when,
            "outcome": report.outcome,
            "reason": reason,
            "seconds": round(report.duration, 1),
        }
    )

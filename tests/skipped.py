#!/usr/bin/env python3
"""Lists the tests that a run of ctest skipped, with their reasons, and fails where one is skipped that need not be.

    tests/skipped.py JUNIT.xml BUILD_FOLDER [present|absent]

Only tests that `ctest -L gpu` names may be skipped; where real data is absent, also those that say that they want MILLRACE_DATA.
"""
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as xml


def short(name):
    """Without the bytes of a parameter, which may be an address, another one in each listing."""
    return name.split("  # GetParam()")[0]


def labels_by_test(build):
    shown = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], check=True, capture_output=True, text=True).stdout
    out = {}
    for test in json.loads(shown)["tests"]:
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        out[short(test["name"])] = properties.get("LABELS", [])
    return out


def reason(case):
    """What GTEST_SKIP said: the line after the place."""
    said = (case.findtext("system-out") or "").splitlines()
    at = next((i for i, line in enumerate(said) if re.search(r": Skipped$", line)), None)
    return said[at + 1].strip() if at is not None and at + 1 < len(said) else "no reason was printed"


def main():
    junit, build, data = sys.argv[1], sys.argv[2], (sys.argv + ["present"])[3]
    labels = labels_by_test(build)
    skipped = {short(case.get("name")): reason(case) for case in xml.parse(junit).iter("testcase") if case.get("status") in ("notrun", "disabled")}
    unexpected = 0
    print(f"{len(skipped)} tests skipped:")
    for name, why in sorted(skipped.items()):
        may = any(re.search("gpu", label) for label in labels.get(name, [])) or (data == "absent" and "MILLRACE_DATA" in why)
        unexpected += not may
        print(f"  {'' if may else 'UNEXPECTED '}{name}: {why}")
    if unexpected:
        print(f"{unexpected} of them do not need a GPU: make test-peers installs what tests ask", file=sys.stderr)
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())

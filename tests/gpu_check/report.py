"""The table of a check: what was looked at, what came out, what was expected, and what to do where that differs."""
import json
import time

OK, FAILED, TOLD, LEFT_OUT = "ok", "FAILED", "-", "left out"


class Report:
    def __init__(self, folder, limit_seconds):
        self.folder, self.limit, self.rows, self.began = folder, limit_seconds, [], time.monotonic()
        self.notes = []

    def seconds(self):
        return time.monotonic() - self.began

    def left(self):
        """Seconds of the check that are left."""
        return self.limit - self.seconds()

    def add(self, subject, check, result, expected="", good=None, remedy=""):
        """`good` None: only told. The remedy is shown where it failed."""
        verdict = TOLD if good is None else OK if good else FAILED
        self.put(subject, check, result, expected, verdict, remedy if verdict == FAILED else "")

    def leave_out(self, subject, check, why):
        self.put(subject, check, why, "", LEFT_OUT, "")

    def put(self, subject, check, result, expected, verdict, remedy):
        row = {"at_seconds": round(self.seconds(), 1), "subject": subject, "check": check, "result": result, "expected": expected, "verdict": verdict, "remedy": remedy}
        self.rows.append(row)
        print(f"{self.seconds():4.0f} s  {verdict:8}  {subject}: {check}: {result}", flush=True)

    def failed(self):
        return [row for row in self.rows if row["verdict"] == FAILED]

    def text(self):
        def cell(value):
            return str(value).replace("|", "/").replace("\n", " ")

        lines = [*self.notes, "", "| subject | check | result | expected | |", "|---|---|---|---|---|"]
        lines += ["| " + " | ".join(cell(row[key]) for key in ("subject", "check", "result", "expected", "verdict")) + " |" for row in self.rows]
        failed = self.failed()
        if failed:
            lines += ["", "What to do about what failed:", ""] + [f"* {row['subject']}, {row['check']}: {row['remedy'] or 'see the log'}" for row in failed]
        lines += ["", f"{len(self.rows)} rows, {len(failed)} failed, {sum(row['verdict'] == LEFT_OUT for row in self.rows)} left out; {self.seconds():.0f} s."]
        return "\n".join(lines).strip() + "\n"

    def write(self):
        (self.folder / "table.md").write_text(self.text())
        (self.folder / "table.jsonl").write_text("".join(json.dumps(row) + "\n" for row in self.rows))

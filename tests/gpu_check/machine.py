"""Where the checked programs lie, how they are started, and what they leave."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass


ROOT = pathlib.Path(__file__).resolve().parents[2]


@dataclass
class Ended:
    code: int       # 124: it took longer than it may and was killed.
    out: str
    err: str
    seconds: float

    def why(self):
        """How it ended, and the line that says what went wrong."""
        lines = [line.strip() for line in (self.err + "\n" + self.out).splitlines() if line.strip()]
        told = [line for line in lines if line.startswith("millrace: ") or "Failure" in line or "what()" in line]
        if self.code < 0:
            return "ended by " + signal.Signals(-self.code).name
        return (f"exit {self.code}" if self.code != 124 else "no end in time") + (": " + (told or lines)[-1].replace(f"{ROOT}/", "")[:140] if told or lines else "")

    def json(self):
        """The last line of stdout that is an object, or None."""
        for line in reversed(self.out.splitlines()):
            if line.startswith("{"):
                return json.loads(line)
        return None


class Machine:
    def __init__(self, build, folder, double, libraries, data, pictures, python):
        self.build, self.folder, self.double, self.pictures, self.python = build, folder, double, pictures, python
        self.environment = dict(os.environ)
        if libraries:
            self.environment["LD_LIBRARY_PATH"] = libraries + ":" + os.environ.get("LD_LIBRARY_PATH", "")
        if double:
            self.environment.update(double.environment(1))
        self.environment["MILLRACE_DATA"] = str(data)
        self.digits = "mnist" if (data / "mnist").is_dir() else "digits"
        self.cores = len(os.sched_getaffinity(0))
        self.logs = folder / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)

    def gpus(self, count):
        """The environment of a program that sees so many GPUs, on the double; on a real machine what there is."""
        return {**self.environment, **self.double.environment(count)} if self.double else self.environment

    def start(self, name, command, environment=None):
        out, err = open(self.logs / f"{name}.out", "w"), open(self.logs / f"{name}.err", "w")
        return subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment or self.environment,
                                cwd=self.folder, start_new_session=True)

    def finish(self, name, process, seconds):
        began = time.monotonic()
        try:
            code = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = 124
        read = lambda kind: (self.logs / f"{name}.{kind}").read_text(errors="replace")
        return Ended(code, read("out"), read("err"), time.monotonic() - began)

    def run(self, name, command, seconds, environment=None):
        return self.finish(name, self.start(name, command, environment), seconds)

    def program(self, *arguments):
        return [self.build / "millrace", *arguments]

    def millrace(self, name, *arguments, seconds=60, environment=None):
        return self.run(name, self.program(*arguments), seconds, environment)

    def out(self, name):
        """A fresh output folder."""
        folder = self.folder / "runs" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        return folder

    def records(self, name, kind):
        path = self.folder / "runs" / name / "results.jsonl"
        if not path.exists():
            return []
        return [record for record in map(json.loads, path.read_text().splitlines()) if record["type"] == kind]

    def spec(self, name, model, batch, side=None, pictures=None):
        """A spec file: digits (resized where `side` is given), or pictures."""
        lines = ["[data]", f'name = "{"folder" if pictures else self.digits}"', f"batch = {batch}"]
        if pictures:
            lines += [f'path = "{pictures}"', 'dtype = "u8"']
        elif side:
            lines.append("subset = 4096")
        lines += ["[loader]", f"workers = {min(4, self.cores)}"]
        if pictures:
            lines += ["[[augment]]", 'op = "random_resized_crop"', "size = 224"]
        else:
            lines += ["[[augment]]", 'op = "resize"', f"size = {side}"] if side else []
            lines += ["[[augment]]", 'op = "normalize"', "mean = 0.1307", "std = 0.3081"]
        lines += ["[train]", f'model = "{model}"', 'device = "cuda"', "lr = 0.02", 'schedule = "cosine"', "evaluate_every = 0"]
        if model == "lenet":
            lines.append("padding = 2")
        if pictures:
            lines = lines[: lines.index("[train]")]
        if self.double and not pictures:
            lines.append('on_nonfinite = "go-on"')  # Its kernels compute nothing.
        path = self.folder / f"{name}.toml"
        path.write_text("\n".join(lines) + "\n")
        return path


def real_gpu():
    """(name, driver, MiB) of the first GPU as nvidia-smi has it, or None."""
    try:
        done = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"], capture_output=True, text=True, timeout=30)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.strip().splitlines() if done.returncode == 0 else []
    return [[field.strip() for field in line.split(",")] for line in lines] or None


def python_with_torch(wanted):
    """A Python that has torch, for the comparison; None: there is none."""
    for candidate in [wanted, str(ROOT / ".venv/bin/python"), sys.executable]:
        if candidate and shutil.which(candidate) and subprocess.run([candidate, "-c", "import torch"], capture_output=True).returncode == 0:
            return candidate
    return None

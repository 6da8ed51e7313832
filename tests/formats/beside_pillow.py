"""Decodes pictures by Millrace and by Pillow (13 or later) and compares every pixel: those of pictures.py, then copies with some bytes
changed, removed or put in. beside_pillow.py DECODE_FILES [MUTATIONS [SEED]] prints what agreed, and why only one of the two read a file;
status 1 where pixels differ or the decoder dies. MILLRACE_KEEP=FOLDER keeps the files that failed.

Only Pillow reads, and why Millrace does not:
  PNG   without its end or with a wrong check sum (the file is damaged); data that end early (Pillow leaves black rows); header values and
        critical chunks that the format does not have; sides above a million.
  BMP   palettes of greys for other than 8 bits a pixel, which Pillow takes for bytes or bits; run lengths for other than their own bits;
        palettes of more than 256 colours or that are cut.
  JPEG  lost data: what libjpeg warns of (Pillow delivers what is left, grey or smeared).
Only Millrace reads: PNG with a wrong sum, and JPEG with an odd segment, where no pixel depends on it; Pillow parses these, and fails.
"""

import collections
import io
import os
import random
import subprocess
import sys
import tempfile
import warnings
import zlib

import numpy as np
from PIL import Image, ImageOps

import pictures

warnings.simplefilter("ignore")


class Millrace:
    def __init__(self, program, folder):
        self.program, self.path = program, os.path.join(folder, "picture")
        self.start()

    def start(self):
        self.process = subprocess.Popen([self.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, data, channels=3, exif=False):
        with open(self.path, "wb") as file:
            file.write(data)
        self.process.stdin.write(f"{channels} {int(exif)} {self.path}\n".encode())
        self.process.stdin.flush()
        line = self.process.stdout.readline().decode(errors="replace").strip()
        if not line:
            code = self.process.wait()
            self.start()
            raise RuntimeError(f"the decoder died with {code}")
        if not line.startswith("ok"):
            return line
        width, height = map(int, line.split()[1:])
        pixels = np.frombuffer(self.process.stdout.read(width * height * channels), np.uint8)
        return pixels.reshape((height, width, 3) if channels == 3 else (height, width))


def pillow(data, channels=3, exif=False):
    try:
        with Image.open(io.BytesIO(data)) as picture:
            picture = ImageOps.exif_transpose(picture) if exif else picture
            return np.asarray(picture.convert("RGB" if channels == 3 else "L"))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def outcome(ours, theirs):
    if isinstance(ours, str) or isinstance(theirs, str):
        return "both refuse" if isinstance(ours, str) and isinstance(theirs, str) else "only Pillow reads" if isinstance(ours, str) else "only Millrace reads"
    return "equal" if ours.shape == theirs.shape and (ours == theirs).all() else "DIFFERENT"


def plain(reason):
    """Without the numbers, so that equal reasons count together."""
    words = " ".join("N" if any(c.isdigit() for c in word) else word for word in reason.split())
    return words[:90]


def mutated(data, rng):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 3])):
        at = rng.randrange(min(len(data), rng.choice([64, 200, 700, len(data)])))
        kind = rng.random()
        if kind < 0.5:
            data[at] = rng.choice([0, 1, 2, 3, 4, 8, 16, 24, 32, 127, 128, 255, data[at] ^ 1 << rng.randrange(8)])
        elif kind < 0.8:
            data[at] ^= 1 << rng.randrange(8)
        elif kind < 0.9:
            del data[at : at + rng.randrange(1, 5)]
        else:
            data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 5)))
        if not data:
            data = bytearray(b"\0")
    return bytes(data)


def with_true_sums(data):
    """A PNG whose chunks have the check sums of what they hold now, so that damage reaches the decoder behind them."""
    out, at = data[:8], 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        body = data[at + 4 : at + 8 + size]
        if at + 12 + size > len(data):
            break
        out += data[at : at + 4] + body + zlib.crc32(body).to_bytes(4, "big")
        at += 12 + size
    return out + data[at:]


class Comparison:
    def __init__(self, millrace):
        self.millrace, self.counts, self.reasons, self.failures = millrace, collections.Counter(), collections.Counter(), 0

    def compare(self, name, data, **how):
        kind = name.split("/")[0]
        try:
            ours = self.millrace(data, **how)
        except RuntimeError as error:
            return self.fail(name, data, str(error))
        theirs = pillow(data, **how)
        found = outcome(ours, theirs)
        self.counts[kind, found] += 1
        if found.startswith("only"):
            self.reasons[kind, found, plain(ours if isinstance(ours, str) else theirs)] += 1
        if found == "DIFFERENT":
            self.fail(name, data, f"{ours.shape} {theirs.shape} " + (f"{np.mean(ours != theirs):.3f} of the bytes" if ours.shape == theirs.shape else ""))

    def fail(self, name, data, what):
        self.failures += 1
        print(f"FAILED {name}: {what}")
        if keep := os.environ.get("MILLRACE_KEEP"):
            with open(os.path.join(keep, name.replace("/", "_") + f".{self.failures}"), "wb") as file:
                file.write(data)

    def table(self):
        for kind, found in sorted(self.counts):
            print(f"{kind:6}{found:22}{self.counts[kind, found]:7}")
        for key, count in sorted(self.reasons.items(), key=lambda item: (item[0][:2], -item[1])):
            print(f"  {key[0]:5} {key[1]:20}{count:6}  {key[2]}")


def main(program, mutations=0, seed=1):
    with tempfile.TemporaryDirectory() as folder:
        comparison = Comparison(Millrace(program, folder))
        files = pictures.all_files()
        for name, data in files.items():
            for how in ({}, {"channels": 1}, {"exif": True}):
                comparison.compare(name, data, **how)
        print(f"{len(files)} pictures of pictures.py, Pillow {Image.__version__}")
        comparison.table()
        if mutations:
            changed = Comparison(comparison.millrace)
            rng = random.Random(seed)
            kinds = collections.defaultdict(list)
            for item in {**files, **pictures.jpeg_files()}.items():
                kinds[item[0].split("/")[0]].append(item)
            for i in range(mutations):
                name, data = rng.choice(kinds[sorted(kinds)[i % len(kinds)]])
                data = mutated(data, rng)
                changed.compare(name, with_true_sums(data) if name.startswith("png/") and rng.random() < 0.8 else data)
            print(f"{mutations} changed files, seed {seed}")
            changed.table()
            comparison.failures += changed.failures
    print(f"{comparison.failures} failures")
    return 1 if comparison.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:])))

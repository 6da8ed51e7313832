"""The loader on all cores: pictures a second by workers."""
import struct
import zlib

IMAGES_A_SECOND, CORES = 22_000, 16
SCALING = 7.5  # Of 8 workers over one.


def pictures(machine):
    """The user's, or some that are made here: PNG files, whose rate says nothing of photographs, though how it grows with workers does."""
    if machine.pictures:
        return machine.pictures, True
    folder = machine.folder / "pictures" / "made"
    if not folder.exists():
        folder.mkdir(parents=True)
        for number in range(32):
            (folder / f"{number:03}.png").write_bytes(png(320, 240, number))
    return folder.parent, False


def png(width, height, seed):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes((x * y // 97 + seed * c) & 255 for x in range(width) for c in (3, 5, 7)) for y in range(height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def check(machine, report):
    folder, theirs = pictures(machine)
    spec, rates = machine.spec("pictures", "", 64 if theirs else 16, pictures=folder), {}
    for workers in sorted({1, min(8, machine.cores), machine.cores}):
        done = machine.millrace(f"loader{workers}", "bench", "loader", spec, "--set", f"loader.workers={workers}", "--seconds", "2", "--json", seconds=40)
        result = done.json()
        if done.code or not result:
            return report.add("loader", f"{workers} workers", done.why(), "it runs", False, "the message names the cause")
        rates[workers] = result["images_per_second"]
        judged = theirs and workers >= CORES and not machine.double
        report.add("loader", f"{workers} workers, {'pictures' if theirs else 'PNG files made here'} to 224, u8", f"{rates[workers]:,.0f} images/s",
                   f"at least {IMAGES_A_SECOND:,} with {CORES}" if judged else "", rates[workers] >= IMAGES_A_SECOND if judged else None, "millrace profile names the stage that takes the time")
    if 8 in rates:
        report.add("loader", "8 workers over 1", f"{rates[8] / rates[1]:.2f}", f"at least {SCALING}", True if machine.double else rates[8] >= SCALING * rates[1],
                   "cores that are shared, or hyper-threads: compare 'lscpu'; a memory bandwidth that is used up")

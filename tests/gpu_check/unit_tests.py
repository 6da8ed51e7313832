"""The GPU tests, each in a process of its own: one that crashes takes no other along."""

REMEDY = "the log has the place; 139 or 70 is a crash, 'capture' a call that a graph cannot hold, a distance just above its limit another order of sums"


def check(machine, report):
    binary = machine.build / "test_train_gpu"
    listed = machine.run("tests", [binary, "--gtest_list_tests"], 60)
    if listed.code:
        return report.add("tests", "test_train_gpu", listed.why(), "its list", False, "build it: cmake --build build/release --target test_train_gpu; 'not found' names a library that is missing")
    names, suite = [], ""
    for line in listed.out.splitlines():
        if line.startswith(" "):
            names.append(suite + line.split("#")[0].strip())
        elif line.endswith("."):
            suite = line.strip()
    good = skipped = 0
    for name in names:
        if report.left() < 30:
            report.leave_out("tests", name, "no time")
            continue
        done = machine.run("test." + name.replace("/", "_"), [binary, "--gtest_filter=" + name], 90)
        if "[  SKIPPED ]" in done.out:
            skipped += 1
        elif done.code == 0:
            good += 1
        else:
            report.add("tests", name, done.why(), "passes", False, REMEDY)
    report.add("tests", "GPU tests", f"{good} passed, {skipped} skipped", "all pass but those for machines without a GPU" + (" and those of numbers" if machine.double else ""), good > 0,
               "is there a GPU for this process? CUDA_VISIBLE_DEVICES, the driver")

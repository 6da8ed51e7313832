"""NVIDIA's memory checkers over tests that use all of a trainer's memory."""
import shutil

TESTS = "Cuda.AStopLeavesNoSlotBehind:Cuda.U8Rows*"


def check(machine, report):
    tool = shutil.which("compute-sanitizer") or shutil.which("/usr/local/cuda/bin/compute-sanitizer")
    for name in ("memcheck", "initcheck"):
        if machine.double or not tool:
            report.leave_out("memory", name, "the double watches memory itself" if machine.double else "no compute-sanitizer: it is part of the CUDA toolkit")
        elif report.left() < 45:
            report.leave_out("memory", name, "no time")
        else:
            done = machine.run(name, [tool, "--tool", name, "--error-exitcode", "9", machine.build / "test_train_gpu", "--gtest_filter=" + TESTS], min(90, report.left() - 10))
            report.add("memory", name, done.why() if done.code else "no errors", "no errors", done.code == 0, "the log has the kernel and the address")

#pragma once
#include <map>

#include "tests/cuda_double/report_file.h"
#include "tests/processes/ranks_program_fixture.h"

namespace millrace {

/// The program as users run it, on the double, which CTest preloads. Each process of it reports to one file, which must hold no finding at the end
/// (and a process with a finding ends with status 99).
class OnTheDouble : public RanksOfTheProgram {
 protected:
  OnTheDouble() {
    machine("CUDA_DOUBLE_REPORT", (folder_ / "report.jsonl").string());
    machine("CUDA_DOUBLE_KERNEL_US", "1");
  }
  ~OnTheDouble() override {
    for (const auto& name : set_) unsetenv(name.c_str());
  }
  void TearDown() override { EXPECT_TRUE(report().all_findings().empty()) << report().text(); }

  /// A setting of the machine that the next runs see.
  void machine(const std::string& name, const std::string& value) {
    setenv(name.c_str(), value.c_str(), 1);
    set_.push_back(name);
  }
  /// So many GPUs, of which each process may have a context on those listed: "0,1", "one", "none".
  void gpus(int n, const std::string& contexts) {
    machine("CUDA_DOUBLE_DEVICES", std::to_string(n));
    machine("CUDA_DOUBLE_CONTEXTS", contexts);
  }
  DoubleReport report() const { return DoubleReport(folder_ / "report.jsonl"); }
  void forget_report() const { std::filesystem::remove(folder_ / "report.jsonl"); }

  /// Seven steps an epoch, the last of 4 rows. The double's kernels compute nothing: a loss may be anything.
  std::string on_gpu(const std::string& train, const std::string& data = "", const std::string& model = "toy-norm") {
    return spec("[data]\nname = \"digits\"\nsubset = 100\nbatch = 16\n" + data + "[loader]\nworkers = 1\n[train]\nmodel = \"" + model +
                "\"\ndevice = \"cuda\"\nthreads = 1\non_nonfinite = \"go-on\"\n" + train);
  }
  /// Runs `millrace train SPEC MORE...` into an own folder; its only or last epoch.
  Json trains(const std::string& path, std::vector<std::string> more = {}) {
    std::filesystem::remove_all(out());
    std::vector<std::string> arguments{"train", path, "--out", out()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    EXPECT_EQ(run(arguments), 0) << text("stderr");
    Json last;
    for (const Json& record : read_records(out(), true))
      if (record["type"] == "epoch") last = record;
    return last;
  }

 private:
  std::vector<std::string> set_;
};

}  // namespace millrace

#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "experiments/document.h"
#include "experiments/findings.h"
#include "experiments/records.h"

namespace millrace::test {

inline Json published() {
  static const Json table = read_toml(MILLRACE_SOURCE_DIR "/experiments/published/mnist-workers.toml");
  return table;
}

inline std::vector<std::string> texts(const std::vector<Finding>& findings) {
  std::vector<std::string> out;
  for (const Finding& f : findings) out.push_back(f.detector + " " + f.text);
  return out;
}

/// A folder of made records, removed at the end.
class Folder : public testing::Test {
 protected:
  Folder()
      : path_((std::filesystem::temp_directory_path() /
               ("millrace_report_" + std::to_string(getpid()) + "_" + testing::UnitTest::GetInstance()->current_test_info()->name()))
                  .string()) {}
  ~Folder() override { std::filesystem::remove_all(path_); }

  void write(const Json& record) { RecordFile(path_).append(record); }
  void write_study() {
    write({{"type", "study"},
           {"name", "made"},
           {"axes", {{"augment.affine", {true, false}}, {"loader.workers", {0, 2}}}},
           {"repeat", 1},
           {"scale", "a toy"},
           {"published", published()}});
  }
  void write_run(const std::string& name, bool affine, int workers, double wall, double wait, const std::string& outcome = "complete") {
    write({{"type", "run"},
           {"run", name},
           {"started", "2026-01-01T00:00:00Z"},
           {"commit", "abc"},
           {"spec_digest", name},
           {"spec", {{"data", {{"batch", 50}}}, {"loader", {{"workers", workers}}}}},
           {"host", {{"cpu", "made"}, {"cores", 2}}},
           {"versions", {{"torch", "2"}}},
           {"cell", {{"augment.affine", affine}, {"loader.workers", workers}}},
           {"repetition", 0}});
    const double rest = (wall - wait) / 3;
    for (int epoch = 1; epoch <= 2; ++epoch)
      write({{"type", "epoch"},
             {"run", name},
             {"epoch", epoch},
             {"wall_seconds", wall},
             {"images", 1000},
             {"steps", 20},
             {"loss", .1},
             {"accuracy", .99},
             {"unaccounted_seconds", 0.0},
             {"phases",
              {{"wait", wait}, {"upload", 0}, {"forward", rest}, {"backward", rest}, {"reduce", 0}, {"optimizer", rest}, {"other", 0}}}});
    write({{"type", "end"}, {"run", name}, {"outcome", outcome}, {"error", "disk on fire"}});
  }
  std::string text(const char* file) {
    std::ifstream in(std::filesystem::path(path_) / file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string path_;
};

}  // namespace millrace::test

#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "experiments/checkpoint.h"
#include "pipeline/error.h"

namespace millrace {

/// Checkpoints of small states in a folder of their own. State n differs from state m in every file.
class Checkpoints : public testing::Test {
 protected:
  Checkpoints()
      : folder_(root() /
                ("millrace_checkpoints_" + std::to_string(getpid()) + "_" + testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~Checkpoints() override { std::filesystem::remove_all(folder_); }

  /// In memory where that can be: these tests flush thousands of files, which disks that others use take minutes for.
  static std::filesystem::path root() { return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : std::filesystem::temp_directory_path(); }
  std::string parent() const { return (folder_ / "checkpoints").string(); }

  /// A state whose numbers are made of `step`.
  static train::TrainerState state(std::uint64_t step) {
    train::TrainerState out;
    auto* values = reinterpret_cast<float*>(out.memory.reserve(64, plain_slot_memory()));
    for (int i = 0; i < 4; ++i) values[i] = static_cast<float>(step) + static_cast<float>(i) / 8;
    const auto view = [&](const char* name, int first, int count) {
      return train::TensorView{name, train::TensorType::f32, {static_cast<std::uint64_t>(count)}, std::as_bytes(std::span(values + first, static_cast<std::size_t>(count)))};
    };
    out.weights = {view("fc.weight", 0, 2)};
    out.optimizer = {view("fc.weight.momentum_buffer", 2, 1)};
    out.own = {view("rank.1.bn.running_mean", 3, 1)};
    return out;
  }
  std::string write(std::uint64_t step, const Durable& durable = Durable()) {
    const train::TrainerState tensors = state(step);
    return write_checkpoint(parent(), {step, {{"step", step}}, &tensors, tensors.own}, durable);
  }
  static std::string text_of(const train::TensorView& t) {
    return t.name + ":" + std::string(reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size());
  }
  /// Whether a checkpoint holds what `write(step)` wrote.
  static bool holds(const Checkpoint& read, std::uint64_t step) {
    const train::TrainerState expected = state(step);
    return read.state == Json{{"step", step}} && read.tensors.weights.size() == 1 && read.tensors.optimizer.size() == 1 && read.ranks.size() == 1 &&
           text_of(read.tensors.weights[0]) == text_of(expected.weights[0]) &&
           text_of(read.tensors.optimizer[0]) == text_of(expected.optimizer[0]) && text_of(read.ranks[0]) == text_of(expected.own[0]);
  }
  /// The step of the newest whole checkpoint, which must hold what was written; -1 where there is none.
  std::int64_t newest() {
    const NewestCheckpoint newest = newest_checkpoint(parent());
    passed_over_ = newest.passed_over;
    if (!newest.found) return -1;
    const auto step = newest.found->state["step"].get<std::uint64_t>();
    EXPECT_TRUE(holds(*newest.found, step)) << step;
    return static_cast<std::int64_t>(step);
  }
  static std::string bytes(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void put(const std::string& file, const std::string& all) {
    if (!std::filesystem::is_directory(file)) std::filesystem::remove(file);  // Some file systems flush one that is cut to nothing and written again.
    std::ofstream(file, std::ios::binary) << all;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(parent())) out.push_back(entry.path().filename());
    std::sort(out.begin(), out.end());
    return out;
  }

  std::filesystem::path folder_;
  std::vector<std::string> passed_over_;
};

constexpr const char* kCheckpointFiles[] = {"weights.safetensors", "optimizer.safetensors", "ranks.safetensors", "state.json", "sums.xxh128"};

}  // namespace millrace

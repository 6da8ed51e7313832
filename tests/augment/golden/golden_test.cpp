// Every golden case on every dispatch level, with contiguous and with padded rows, in place, and from several threads.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <optional>
#include <sstream>
#include <thread>

#include "golden_ops.h"
#include "golden_set.h"

namespace millrace::test {
namespace {

using augment::ForcedLevel;
using augment::Level;

constexpr std::uint8_t kUntouched = 0xA5;

// A picture whose rows lie `gap` bytes apart.
class Picture {
 public:
  Picture(int width, int height, int channels, int gap)
      : width_(width),
        height_(height),
        channels_(channels),
        stride_(width * channels + gap),
        bytes_(static_cast<std::size_t>(stride_) * static_cast<std::size_t>(height), kUntouched) {}
  void fill(const std::vector<std::uint8_t>& pixels) {
    for (int y = 0; y < height_; ++y)
      std::memcpy(bytes_.data() + y * stride_, pixels.data() + y * width_ * channels_, static_cast<std::size_t>(width_ * channels_));
  }
  MutableImageView view() { return {bytes_.data(), width_, height_, channels_, stride_}; }
  std::vector<std::uint8_t> packed() const {
    std::vector<std::uint8_t> pixels;
    for (int y = 0; y < height_; ++y)
      pixels.insert(pixels.end(), bytes_.begin() + y * stride_, bytes_.begin() + y * stride_ + width_ * channels_);
    return pixels;
  }
  bool gaps_untouched() const {
    for (int y = 0; y < height_; ++y)
      for (int i = width_ * channels_; i < stride_; ++i)
        if (bytes_[static_cast<std::size_t>(y * stride_ + i)] != kUntouched) return false;
    return true;
  }

 private:
  int width_, height_, channels_, stride_;
  std::vector<std::uint8_t> bytes_;
};

std::string about(const GoldenCase& c) { return std::string("case ").append(std::to_string(c.number)).append(": "); }

std::string difference(const GoldenCase& c, const std::vector<std::uint8_t>& got) {
  int count = 0, largest = 0, first = -1;
  for (std::size_t i = 0; i < std::min(got.size(), c.expected.size()); ++i)
    if (const int d = std::abs(got[i] - c.expected[i]); d > 0) {
      if (first < 0) first = static_cast<int>(i);
      ++count;
      largest = std::max(largest, d);
    }
  if (count == 0 && got.size() == c.expected.size()) return {};
  std::ostringstream s;
  s << "case " << c.number << " " << c.op << " on " << c.image << " (" << c.parameters << "): " << count << " bytes differ, at most by "
    << largest << ", first at x " << first / c.channels % c.width << " y " << first / c.channels / c.width << " channel "
    << first % c.channels << "; " << got.size() << " bytes for " << c.expected.size();
  return s.str();
}

std::string float_difference(const GoldenCase& c, const std::vector<float>& got) {
  const double limit = std::stod(c.tolerance.substr(c.tolerance.find(':') + 1));
  for (std::size_t i = 0; i < got.size(); ++i) {
    float expected;
    std::memcpy(&expected, c.expected.data() + 4 * i, 4);
    if (!(std::abs(got[i] - expected) <= limit)) return about(c) + "element " + std::to_string(i) + " is off";
  }
  return {};
}

// What is wrong with one case; empty if nothing is.
std::string check(const GoldenSet& set, const GoldenCase& c, int gap, bool in_place, Scratch& scratch) {
  const GoldenImage& image = set.images.at(c.image);
  GoldenParameters parameters(c.parameters);
  Picture in(image.width, image.height, image.channels, gap), out(c.width, c.height, c.channels, gap);
  in.fill(image.pixels);
  const bool floats = c.dtype == "f32";
  if (c.tolerance != "exact" && c.tolerance.rfind("max_abs:", 0) != 0) return about(c) + "unknown tolerance " + c.tolerance;
  std::vector<float> values(floats ? image.pixels.size() : 0);
  if (!run_operation(c.op, parameters, in.view(), in_place ? in.view() : out.view(), values.data(), scratch))
    return "unknown operation " + c.op;
  if (const std::string keys = parameters.unread(); !keys.empty()) return about(c) + "unknown keys " + keys;
  if (floats) return float_difference(c, values);
  if (!in.gaps_untouched() || !out.gaps_untouched()) return about(c) + "bytes between rows were written";
  return difference(c, (in_place ? in : out).packed());
}

class GoldenVectors : public testing::TestWithParam<Level> {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(golden_folder() + "/cases.csv")) GTEST_SKIP() << "no golden vectors in " << golden_folder();
    level_.emplace(GetParam());
    set_ = read_golden(golden_folder());
  }
  int run_all(int gap, bool in_place, Scratch& scratch) const {
    int run = 0, reported = 0;
    for (const GoldenCase& c : set_.cases) {
      if (in_place && !in_place_allowed(c.op)) continue;
      ++run;
      const std::string wrong = check(set_, c, gap, in_place, scratch);
      if (!wrong.empty() && ++reported <= 10) ADD_FAILURE() << wrong;
    }
    return run;
  }

  std::optional<ForcedLevel> level_;
  GoldenSet set_;
};

TEST_P(GoldenVectors, EveryCaseIsEqual) {
  Scratch scratch;
  const int run = run_all(0, false, scratch);
  EXPECT_EQ(run, golden_folder_is_ours() ? 876 : static_cast<int>(set_.cases.size()));
}

TEST_P(GoldenVectors, RowsNeedNotBeContiguous) {
  Scratch scratch;
  EXPECT_EQ(run_all(13, false, scratch), static_cast<int>(set_.cases.size()));
}

TEST_P(GoldenVectors, PointOperationsWorkInPlace) {
  Scratch scratch;
  run_all(0, true, scratch);
  run_all(5, true, scratch);
}

TEST_P(GoldenVectors, ThreadsDoNotDisturbEachOther) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      Scratch scratch;
      for (const GoldenCase& c : set_.cases) wrong += !check(set_, c, t, false, scratch).empty();
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
}

std::string level_name(const testing::TestParamInfo<Level>& info) {
  constexpr const char* kNames[] = {"scalar", "avx2", "avx512"};
  return kNames[static_cast<int>(info.param)];
}
/// Those that this machine has: what it lacks is no test that could be run.
std::vector<Level> levels_here() {
  std::vector<Level> out;
  for (const Level level : {Level::scalar, Level::avx2, Level::avx512})
    if (augment::supports(level)) out.push_back(level);
  return out;
}
INSTANTIATE_TEST_SUITE_P(Levels, GoldenVectors, testing::ValuesIn(levels_here()), level_name);

}  // namespace
}  // namespace millrace::test

#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

namespace millrace::train {

/// The median of any number of values in bounded memory (32 KiB): of all of them up to kMost, then of every second, fourth and so on.
class RunningMedian {
 public:
  static constexpr std::size_t kMost = 8192;
  void add(double value) {
    if (seen_++ % stride_) return;
    if (values_.size() == kMost) {
      for (std::size_t i = 0; i < kMost / 2; ++i) values_[i] = values_[2 * i];
      values_.resize(kMost / 2);
      stride_ *= 2;
      // What would have been kept from the start on: value number seen_ - 1 is a multiple of the new stride, since kMost is even.
    }
    values_.push_back(static_cast<float>(value));
  }
  double value() const {  ///< 0 of none.
    if (values_.empty()) return 0;
    std::vector<float> sorted = values_;
    const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
    std::nth_element(sorted.begin(), middle, sorted.end());
    return *middle;
  }

 private:
  std::vector<float> values_;
  std::uint64_t seen_ = 0, stride_ = 1;
};

}  // namespace millrace::train

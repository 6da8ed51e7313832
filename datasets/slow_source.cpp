#include "datasets/slow_source.h"

#include <chrono>
#include <thread>
#include <utility>

namespace millrace {
namespace {

class SlowSource final : public Source {
 public:
  SlowSource(std::unique_ptr<Source> inner, const SlowReads& reads) : inner_(std::move(inner)), reads_(reads) {}
  const SourceInfo& info() const override { return inner_->info(); }
  std::uint64_t size() const override { return inner_->size(); }
  std::string origin(std::uint64_t index) const override { return inner_->origin(index); }
  Expected<Sample> read(std::uint64_t index, Buffer& scratch) const override {
    std::this_thread::sleep_for(std::chrono::duration<double, std::micro>(reads_.of(index)));
    return inner_->read(index, scratch);
  }

 private:
  const std::unique_ptr<Source> inner_;
  const SlowReads reads_;
};

}  // namespace

double SlowReads::of(std::uint64_t index) const {
  if (rare_us <= 0) return usual_us;
  // Steele, Lea and Flood's SplitMix64 finaliser: neighbours fall apart.
  std::uint64_t z = index + 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return (z ^ (z >> 31)) % kRare == 0 ? rare_us : usual_us;
}

std::unique_ptr<Source> open_slow(std::unique_ptr<Source> inner, const SlowReads& reads) {
  return std::make_unique<SlowSource>(std::move(inner), reads);
}

}  // namespace millrace

#include "train/slow_link.h"

#include <chrono>
#include <thread>

#include "pipeline/clock.h"

namespace millrace::train {
namespace {

class SlowLink final : public Collective {
 public:
  SlowLink(std::shared_ptr<Collective> ranks, double mbit) : ranks_(std::move(ranks)), mbit_(mbit) {
    if (auto second = ranks_->second()) second_ = std::make_shared<SlowLink>(std::move(second), mbit);
  }
  int rank() const override { return ranks_->rank(); }
  int size() const override { return ranks_->size(); }
  std::string name() const override { return ranks_->name(); }
  std::vector<std::string> all_gather(const std::string& words) override { return ranks_->all_gather(words); }
  void barrier() override { ranks_->barrier(); }
  void abort(const std::string& cause) noexcept override { ranks_->abort(cause); }
  bool on_gpu() const override { return ranks_->on_gpu(); }
  void all_reduce_sum(at::Tensor values) override {
    const double sent = 2.0 * (size() - 1) / size() * static_cast<double>(values.nbytes());
    const auto until = SteadyClock::now() + std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double, std::micro>(8 * sent / mbit_));
    ranks_->all_reduce_sum(std::move(values));
    std::this_thread::sleep_until(until);
  }
  void broadcast(at::Tensor values, int root) override { ranks_->broadcast(std::move(values), root); }
  void check(double waited_seconds) override { ranks_->check(waited_seconds); }
  std::shared_ptr<Collective> second() override { return second_; }

 private:
  const std::shared_ptr<Collective> ranks_;
  const double mbit_;
  std::shared_ptr<Collective> second_;
};

}  // namespace

std::shared_ptr<Collective> make_slow_link(std::shared_ptr<Collective> ranks, double mbit) {
  return std::make_shared<SlowLink>(std::move(ranks), mbit);
}

}  // namespace millrace::train

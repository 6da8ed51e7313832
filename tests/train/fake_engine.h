#pragma once
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <optional>

#include "train/engine.h"

namespace millrace::testing {

/// An engine without arithmetic, as a GPU looks from its thread: two batches are taken in at once, and the loss is seen only once it was asked for.
class FakeEngine final : public train::Engine {
 public:
  std::function<void(std::uint64_t step)> on_step; ///< Counted from 1.
  std::function<void(std::size_t uploaded)> on_conclude; ///< With the batches that wait on the device.
  double sum_of_losses = 0;

  std::uint64_t parameters() const override { return 0; }
  std::string device() const override { return "none (fake)"; }
  train::Meter& meter() override { return meter_; }
  void enter() override {}
  void synchronize() override {}
  bool uploads_ahead() const override { return true; }
  void upload(Batch batch) override {
    ASSERT_LT(waiting_.size(), 2u);
    waiting_.push_back(std::move(batch));
  }
  void settle_uploads() override {}
  void forget_upload() override { waiting_.pop_front(); }
  void begin(bool) override { sum_of_losses = seen_ = 0; }
  void compute(bool) override {
    waiting_.pop_front();
    if (on_step) on_step(++steps_);
  }
  void compute_nothing(bool) override {}
  bool waits_in_forward() const override { return false; }
  train::Tally conclude(train::Tally mine) override {
    if (on_conclude) on_conclude(waiting_.size());
    return mine;
  }
  bool was_nonfinite() const override { return false; }
  double take_reduce_hidden_seconds() override { return 0; }
  void score() override { waiting_.pop_front(); }
  void ask_for_loss() override { seen_ = sum_of_losses; }
  double seen_loss() const override { return seen_; }
  double loss() override { return sum_of_losses; }
  std::vector<std::uint64_t> class_correct() override { return {}; }
  double weights_norm() override { return 0; }
  void save(train::TrainerState&, bool) override {}
  void load(const train::TrainerState&) override {}
  void hold(std::span<Batch>) override {}
  void compute_held(std::size_t, bool) override {}

 private:
  train::HostMeter meter_;
  std::deque<Batch> waiting_;
  std::uint64_t steps_ = 0;
  double seen_ = 0;
};

}  // namespace millrace::testing

// A trainer without compute: a step takes exactly as long as it is told. For loader studies and tests of the books.
#include <sys/prctl.h>
#include <time.h>

#include <optional>

#include "pipeline/error.h"
#include "train/engine.h"
#include "train/range.h"

namespace millrace::train {
namespace {

/// Sleeps until shortly before `end`, then spins: a sleep alone ends up to 50 us late, spinning alone takes a core that the
/// loader may need.
void wait_until(SteadyClock::time_point end) {
  constexpr auto kSpin = std::chrono::microseconds(50);
  const auto wake = (end - kSpin).time_since_epoch();
  if (SteadyClock::now() < end - kSpin) {
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(wake).count(); // steady_clock is CLOCK_MONOTONIC.
    const timespec when{static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, nullptr) != 0) {}
  }
  while (SteadyClock::now() < end) __builtin_ia32_pause();
}

class SleepEngine final : public Engine {
 public:
  explicit SleepEngine(const TrainOptions& options)
      : world_(options.world && options.world->size() > 1 ? options.world : nullptr),
        step_(std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double, std::micro>(options.step_microseconds))) {
    if (!(options.step_microseconds >= 0 && options.step_microseconds <= 1e9))
      throw Error(ErrorKind::usage, "train.step_microseconds = " + std::to_string(options.step_microseconds) + " is out of range",
                  "0 to 1e9");
    trace_phases(meter_, options, /*device_has_its_own_time=*/false);
  }
  std::uint64_t parameters() const override { return 0; }
  std::string device() const override { return "none (sleep)"; }
  Meter& meter() override { return meter_; }
  void enter() override { prctl(PR_SET_TIMERSLACK, 1); } // This thread's wake-ups: 50 us late by default.
  void synchronize() override {}

  bool uploads_ahead() const override { return false; }
  void upload(Batch batch) override { batch_.emplace(std::move(batch)); }
  void settle_uploads() override {}
  void forget_upload() override { batch_.reset(); }

  void begin(bool) override {}
  void compute(bool) override {
    const Range range(meter_, Phase::forward);
    wait_until(SteadyClock::now() + step_);
    batch_.reset(); // As on the CPU: a slot comes home at the end of its step.
    meter_.device(Phase::forward);
  }
  void compute_nothing(bool) override {}
  bool waits_in_forward() const override { return false; }
  Tally conclude(Tally mine) override {
    if (!world_) return mine;
    const Range range(meter_, Phase::reduce);
    mine = sum_over_ranks(*world_, mine);
    meter_.device(Phase::reduce);
    return mine;
  }
  bool was_nonfinite() const override { return false; }
  double take_reduce_hidden_seconds() override { return 0; }
  void score() override { compute(true); }
  void ask_for_loss() override {}
  double seen_loss() const override { return 0; }
  double loss() override { return 0; }
  std::vector<std::uint64_t> class_correct() override { return {}; }
  double weights_norm() override { return 0; }

  void save(TrainerState& into, bool) override { into.weights.clear(), into.optimizer.clear(), into.own.clear(); }
  void load(const TrainerState& from) override {
    if (!from.weights.empty()) throw Error(ErrorKind::data, "tensor " + from.weights[0].name + ": the sleep model has none");
  }

  void hold(std::span<Batch>) override {}
  void compute_held(std::size_t, bool last) override { compute(last); }

 private:
  const std::shared_ptr<World> world_; ///< Null: the only rank.
  const SteadyClock::duration step_;
  HostMeter meter_;
  std::optional<Batch> batch_;
};

}  // namespace

std::unique_ptr<Engine> make_sleep_engine(const TrainOptions& options) { return std::make_unique<SleepEngine>(options); }

}  // namespace millrace::train

#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "pipeline/error.h"

namespace millrace::train {
namespace {

constexpr double kUsualStart = 1.0 / 3; ///< Of a warm-up: torch's LinearLR.

void require(bool good, const std::string& what, const std::string& hint) {
  if (!good) throw Error(ErrorKind::usage, "train." + what, hint);
}

/// From `start` to `end` along half a cosine while `part` goes from 0 to 1.
double half_cosine(double start, double end, double part) {
  return end + (start - end) / 2 * (1 + std::cos(std::numbers::pi * part));
}

/// torch's OneCycleLR with its defaults: up from 1/25 in the first three tenths, then down to 1/25 of 1e-4.
double one_cycle(double now, double total) {
  constexpr double kStart = 1.0 / 25, kEnd = kStart * 1e-4, kRising = 0.3;
  const double top = kRising * total - 1, last = total - 1;
  if (now < top) return half_cosine(kStart, 1, now / top);
  return last > top ? half_cosine(1, kEnd, (now - top) / (last - top)) : 1;
}

}  // namespace

double batch_factor(LrScaling rule, double global_batch, double base_batch) {
  switch (rule) {
    case LrScaling::linear: return global_batch / base_batch;
    case LrScaling::square_root: return std::sqrt(global_batch / base_batch);
    case LrScaling::none: break;
  }
  return 1;
}

Schedule::Schedule(const TrainOptions& options) : options_(options.schedule) {
  const ScheduleOptions& o = options_;
  require(options.lr >= 0 && std::isfinite(options.lr), "lr = " + std::to_string(options.lr) + " is out of range", "0.01 is usual for sgd");
  require(o.epochs >= 1 && o.steps_an_epoch >= 1, "schedule: there are no epochs or steps to plan for", "");
  require(o.warmup_epochs >= 0 && std::isfinite(o.warmup_epochs), "warmup_epochs is out of range", "0: no warm-up");
  require(o.warmup_start >= 0 && o.warmup_start <= 1, "warmup_start is out of range", "a factor from 0 (the usual start) to 1");
  require(o.step_epochs >= 1 && o.step_factor > 0 && std::isfinite(o.step_factor), "step_epochs or step_factor is out of range",
          "30 and 0.1 are usual");
  require(o.kind != ScheduleKind::one_cycle || o.warmup_epochs == 0, "warmup_epochs with schedule = \"one-cycle\"",
          "one-cycle begins with a warm-up of its own");
  require(options.lr_scaling == LrScaling::none || (options.global_batch >= 1 && options.base_batch >= 1),
          "lr_scaling needs the batch and base_batch", "");
  const double scaled = batch_factor(options.lr_scaling, static_cast<double>(options.global_batch), static_cast<double>(options.base_batch));
  base_ = options.lr * scaled;
  warmup_start_ = o.warmup_start > 0 ? o.warmup_start : scaled > 1 ? 1 / scaled : kUsualStart;
}

/// Of the step or epoch `now` of `end`, without warm-up.
double Schedule::shape(double now, double end) const {
  switch (options_.kind) {
    case ScheduleKind::cosine: return half_cosine(1, 0, std::min(now, end) / end);
    case ScheduleKind::step: return std::pow(options_.step_factor, std::floor(now / options_.step_epochs));
    case ScheduleKind::one_cycle: return one_cycle(std::min(now, end - 1), end);
    case ScheduleKind::constant: break;
  }
  return 1;
}

double Schedule::factor(std::uint64_t step) const {
  const ScheduleOptions& o = options_;
  const auto per_epoch = static_cast<double>(o.steps_an_epoch);
  const auto steps = static_cast<double>(step), epochs = std::floor(steps / per_epoch);
  const double warmup = o.warmup_epochs * (o.every_step ? per_epoch : 1), now = o.every_step ? steps : epochs;
  const double warm = warmup > 0 && now < warmup ? warmup_start_ + (1 - warmup_start_) * now / warmup : 1;
  // Steps down are counted in epochs either way.
  if (o.kind == ScheduleKind::step) return warm * shape(epochs, o.epochs);
  if (!o.every_step) return warm * shape(now, o.epochs);
  return warm * shape(now, o.steps ? static_cast<double>(o.steps) : o.epochs * per_epoch);
}

}  // namespace millrace::train

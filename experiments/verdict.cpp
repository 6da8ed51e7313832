#include "experiments/verdict.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>

#include "experiments/terminal.h"

namespace millrace {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr double kLeastHalfWidth = 0.01;  // Of what two runs differ in, however still the rounds of one were.
constexpr double kAgrees = 0.12;          // E against the prediction.
constexpr double kOneReading = 0.1;       // What a single reading may be off, for want of a spread of its own.
constexpr double kWaitAgrees = 0.2;       // The share of waiting in E's books against what the legs say it should be.

/// The lowest rank k (from 0) such that [x_k, x_(n-1-k)] holds the median with probability 0.95: binomial tails of a fair coin.
std::size_t rank_of_interval(std::size_t n) {
  if (n > 500) return static_cast<std::size_t>(double(n) / 2 - 0.98 * std::sqrt(double(n))) - 1;  // The normal's; 2^-n is near underflow.
  double probability = std::pow(0.5, double(n)), tail = 0;  // Of j values below the median, summed.
  std::size_t k = 0;
  for (std::size_t j = 0; j < n / 2; ++j) {
    tail += probability;
    if (2 * tail > 0.05) break;
    k = j;
    probability *= double(n - j) / double(j + 1);
  }
  return k;
}

}  // namespace

Reading Reading::of(std::vector<double> values) {
  if (values.empty()) return {};
  std::ranges::sort(values);
  const std::size_t n = values.size(), k = rank_of_interval(n);
  const double median = n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
  return {median, values[k], values[n - 1 - k], int(n)};
}

Rates rates_of(const LegReadings& m) {
  const Reading& loader = m.cold_is_usual && m.cold ? m.cold : m.loader;
  return {.loader = loader.median,
          .transfer = m.transfers ? m.transfer.median : kInfinite,
          .compute = m.compute.median,
          .reduced = m.reduced.median,
          .loader_cpu = m.loader_cpu.median,
          .reduced_cpu = m.reduced_cpu.median,
          .cores = m.cores_there ? m.cores_there.median : m.cores,
          .read_share = m.read_share.median,
          .everything = m.everything.median,
          .cores_busy = m.cores_busy.median,
          .workers = m.workers};
}

double predict(const Rates& r) {
  if (r.workers == 0) return 1 / (1 / r.loader + 1 / r.transfer + 1 / r.reduced);
  return std::min({r.loader, r.transfer, r.reduced, r.shared()});
}

const char* name_of(Bound bound) {
  constexpr const char* names[] = {"loader-bound", "storage-bound", "transfer-bound", "compute-bound", "communication-bound", "cpu-shared", "balanced"};
  return names[static_cast<int>(bound)];
}

const char* name_of(Confidence confidence) {
  constexpr const char* names[] = {"low", "medium", "high"};
  return names[static_cast<int>(confidence)];
}

bool Rates::both_compute() const { return std::min(loader_cpu, reduced_cpu) >= kPart * (loader_cpu + reduced_cpu); }

bool crowded(const Rates& r) {
  if (r.workers == 0 || !r.both_compute() || r.everything == 0) return false;
  if (r.cores_busy > 0 && r.cores_busy < kBusy * r.cores) return false;  // Cores were idle: whatever E waited for, it was no core.
  return r.everything < kCrowded * std::min({r.loader, r.transfer, r.reduced});
}

Bound bound_of(const Rates& r) {
  std::array<double, 3> apart{r.loader, r.transfer, r.reduced};
  std::ranges::sort(apart);
  // In one thread they take turns: nothing is shared, and whichever becomes faster, the whole does.
  if ((r.workers > 0 && r.both_compute() && r.shared() < kShared * apart[0]) || crowded(r)) return Bound::cpu_shared;
  if (r.workers > 0 && apart[1] < (1 + kBalance) * apart[0]) return Bound::balanced;
  if (r.loader == apart[0]) return r.read_share > kStorageShare ? Bound::storage : Bound::loader;
  if (r.transfer == apart[0]) return Bound::transfer;
  return r.reduced < (1 - kExposedReduce) * r.compute ? Bound::communication : Bound::compute;
}

namespace {

/// A number of Rates and the ends of its interval.
struct Range {
  double Rates::*what;
  double low, high;
};

std::vector<Range> ranges_of(const LegReadings& m, const Rates& middle) {
  std::vector<Range> out;
  const auto add = [&](double Rates::*what, const Reading& r) {
    if (!r || !std::isfinite(middle.*what)) return;
    const double value = middle.*what;
    out.push_back({what, std::min(r.low, value * (1 - kLeastHalfWidth)), std::max(r.high, value * (1 + kLeastHalfWidth))});
  };
  add(&Rates::loader, m.cold_is_usual && m.cold ? m.cold : m.loader);
  if (m.transfers) add(&Rates::transfer, m.transfer);
  add(&Rates::reduced, m.reduced);
  if (m.ranks > 1) add(&Rates::compute, m.compute);
  if (m.workers > 0) {
    add(&Rates::loader_cpu, m.loader_cpu);
    add(&Rates::reduced_cpu, m.reduced_cpu);
    add(&Rates::cores, m.cores_there);
    add(&Rates::everything, m.everything);
  }
  add(&Rates::read_share, m.read_share);
  return out;
}

/// Without other ranks A is C, whichever end it is at.
Bound bound_with(Rates r, const LegReadings& m) {
  if (m.ranks == 1) r.compute = r.reduced;
  return bound_of(r);
}

bool each_end_agrees(const LegReadings& m, const Rates& middle, const std::vector<Range>& ranges, Bound bound) {
  return std::ranges::all_of(ranges, [&](const Range& range) {
    Rates low = middle, high = middle;
    low.*range.what = range.low;
    high.*range.what = range.high;
    return bound_with(low, m) == bound && bound_with(high, m) == bound;
  });
}

bool all_ends_agree(const LegReadings& m, const Rates& middle, const std::vector<Range>& ranges, Bound bound) {
  for (std::size_t corner = 0; corner < (std::size_t{1} << ranges.size()); ++corner) {
    Rates r = middle;
    for (std::size_t i = 0; i < ranges.size(); ++i) r.*ranges[i].what = corner >> i & 1 ? ranges[i].high : ranges[i].low;
    if (bound_with(r, m) != bound) return false;
  }
  return true;
}

std::string percent(double share) { return fixed(100 * share, 0) + " %"; }

}  // namespace

Verdict judge(const LegReadings& m) {
  const Rates middle = rates_of(m);
  Verdict out{.bound = bound_with(middle, m), .predicted = predict(middle), .doubts = {}};
  const std::vector<Range> ranges = ranges_of(m, middle);
  const bool each = each_end_agrees(m, middle, ranges, out.bound), all = each && all_ends_agree(m, middle, ranges, out.bound);
  int level = all ? 2 : each ? 1 : 0;
  if (!all) out.doubts.push_back("within the legs' intervals it could be another");
  const auto lower = [&](const std::string& why) {
    level = std::max(0, level - 1);
    out.doubts.push_back(why);
  };
  const double overlap = m.everything.median / out.predicted;
  if (std::abs(overlap - 1) > kAgrees && !m.cold_is_usual) lower("together they reach " + percent(overlap) + " of what they should");
  // E's books are kept by another clock than the legs: waiting is what E takes longer than a trainer that never waits.
  const double expected_wait = std::max(0.0, 1 - m.everything.median / m.replayed.median);
  if (m.waited && m.replayed && std::abs(m.waited.median - expected_wait) > kWaitAgrees)
    lower("the trainer waited " + percent(m.waited.median) + " of the time, by the legs it should be " + percent(expected_wait));
  if (m.everything.count < 4 && level == 2) lower(m.everything.count == 1 ? "only one round was measured" : "only " + std::to_string(m.everything.count) + " rounds were measured");
  out.confidence = static_cast<Confidence>(level);
  return out;
}

Stalls stalls_of(const LegReadings& m) {
  const Rates r = rates_of(m);
  const double predicted = predict(r);
  Stalls out;
  out.prep = 1 / m.everything.median - 1 / m.replayed.median;
  out.prep_predicted = 1 / predicted - 1 / r.reduced;
  out.utilisation = m.everything.median / m.compute.median;
  out.gap = m.replayed.median / m.everything.median - 1;
  out.overlap = m.everything.median / predicted;
  if (m.cold && m.warm) {
    // The loader's time with a cold cache, put in place of its warm one.
    Rates cold = r, warm = r;
    warm.loader = m.loader.median;
    cold.loader = 1 / (1 / m.loader.median + std::max(0.0, 1 / m.cold.median - 1 / m.warm.median));
    out.fetch = 1 / predict(cold) - 1 / predict(warm);
  }
  return out;
}

Rates with_workers(Rates r, int workers) {
  if (workers > 0 && r.workers > 0) {
    r.loader *= double(workers) / r.workers;
    if (r.loader_cpu > 0) r.loader = std::min(r.loader, r.cores / r.loader_cpu);
  } else if (workers > 0) {
    r.loader *= workers;  // The trainer's thread did it all: so does each worker.
  }
  r.workers = workers;
  return r;
}

std::vector<WhatIf> what_if(const LegReadings& m) {
  const Rates now = rates_of(m);
  const double everything = m.everything.median, scale = everything / predict(now);
  std::vector<WhatIf> out;
  const auto add = [&](std::string change, double rate, std::string note = {}) {
    const double gain = rate / everything - 1;
    const double spread = m.everything.has_interval() ? std::max(m.everything.width(), kLeastHalfWidth) : kOneReading;
    out.push_back({std::move(change), rate, gain, std::move(note), std::abs(gain) < spread});
  };

  add("one worker more (" + std::to_string(m.workers + 1) + ")", scale * predict(with_workers(now, m.workers + 1)));
  if (m.workers > 1) add("one worker fewer (" + std::to_string(m.workers - 1) + ")", scale * predict(with_workers(now, m.workers - 1)));
  if (m.workers == 1) add("no worker (0)", scale * predict(with_workers(now, 0)), "the trainer's thread loads");
  add("an infinitely fast loader", m.replayed.median, "measured: leg X");

  if (m.decode_share && m.decode_share.median > 0.01) {
    Rates half = now;
    half.loader /= 1 - m.decode_share.median / 2;
    half.loader_cpu *= 1 - m.decode_share.median / 2;
    add("half the decode cost", scale * predict(half), "decoding is " + percent(m.decode_share.median) + " of the workers' time");
  }
  if (m.half_step && m.batch > 0) {
    // A step is a fixed part and one that grows with its rows; what all-reduce adds stays.
    const double step = m.batch / now.compute, half = std::min(step, m.half_step.median), reduce = m.batch / now.reduced - step;
    const double doubled = std::max(step, 3 * step - 2 * half);
    Rates twice = now;
    twice.compute = 2 * m.batch / doubled;
    twice.reduced = 2 * m.batch / (doubled + std::max(0.0, reduce));
    twice.reduced_cpu *= now.compute / twice.compute;
    add("twice the batch (" + grouped(2 * m.batch) + ")", scale * predict(twice), "from steps of half and whole batches");
  }
  if (m.transfers || m.more_ranks) {
    const double w = m.ranks;
    Rates more = now;
    more.loader *= (w + 1) / w;
    more.loader = std::min(more.loader, more.cores / std::max(1e-12, more.loader_cpu));
    more.transfer *= (w + 1) / w;  // A device of its own, with its own way to it.
    std::string note = "the same rows a rank";
    if (m.more_ranks) {
      // Ranks on one host share its cores, caches and memory: what that costs shows only where it is tried.
      more.reduced = more.compute = m.more_ranks.median;
      more.reduced_cpu = m.more_ranks_cpu.median;
      note += "; their steps and all-reduce measured on the same cores, the loader predicted";
    } else {
      // A ring sends 2 (W - 1) / W of the gradients; what of it is not hidden grows alike.
      const double step = m.batch / now.compute, exposed = std::max(0.0, m.batch / now.reduced - step);
      more.reduced = m.batch * (w + 1) / w / (step + (w > 1 ? exposed * (w / (w + 1)) / ((w - 1) / w) : 0));
      if (w == 1) note += "; without the all-reduce, which one rank cannot show";
    }
    add("one rank more (" + std::to_string(m.ranks + 1) + ")", scale * predict(more), note);
  }
  if (m.ranks > 1) {
    Rates free = now;
    free.reduced = free.compute;
    add("an all-reduce that costs nothing", scale * predict(free));
  }
  return out;
}

}  // namespace millrace

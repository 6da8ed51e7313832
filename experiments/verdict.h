#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace millrace {

/// A median with an interval that holds it in at least 95 of 100 cases, by order statistics: nothing is assumed of the noise but that
/// rounds are alike. Of fewer than six values the interval is their range.
struct Reading {
  double median = 0, low = 0, high = 0;
  int count = 0;
  static Reading of(std::vector<double> values);
  double width() const { return median > 0 ? (high - low) / median : 0; }  ///< Of the interval, as a share of the median.
  bool has_interval() const { return count > 1; }  ///< One value says nothing of its spread.
  explicit operator bool() const { return count > 0; }
};

/// The legs of one spec, measured apart and together (legs.h), and what else a verdict rests on. Rates are images a second of all ranks.
struct LegReadings {
  int workers = 1, ranks = 1, cores = 1;  ///< Workers a rank; cores that this process may use.
  double batch = 0;                       ///< Images a step, of all ranks.
  Reading loader;                         ///< L: a consumer that only touches each page.
  Reading compute;                        ///< C: steps on resident batches, each rank by itself.
  Reading transfer;                       ///< T: handing batches over; on a GPU, their way to it.
  bool transfers = false;                 ///< Whether T is a way to another device.
  Reading reduced;                        ///< A: compute with all-reduce; C with one rank.
  Reading everything;                     ///< E
  Reading replayed;                       ///< X: E with batches from a ring in place of the loader.
  Reading loader_cpu, reduced_cpu;        ///< CPU seconds an image, of L and of A.
  Reading cores_there;                    ///< Cores that other processes left to this one.
  Reading half_step;                      ///< Seconds of a step of half the batch, compute alone.
  Reading more_ranks, more_ranks_cpu;     ///< A and its CPU seconds an image with one rank more on the same cores; absent: not measured.
  Reading read_share;                     ///< Of the workers' busy time in L: waiting for storage, and copying from it.
  Reading decode_share;                   ///< The same of decoding, without reading.
  Reading cores_busy;                     ///< Cores that E kept busy.
  Reading waited;                         ///< Share of E's wall that the slowest rank waited for a batch.
  Reading cold, warm;                     ///< L's rate over the same batches, out of the page cache and in it; absent: see no_cold.
  std::string no_cold;                    ///< Why fetching was not measured.
  bool cold_is_usual = false;             ///< The set is larger than the memory that could cache it.
};

/// What a pipeline can do by the legs' numbers alone. Times are in seconds, `_cpu` in CPU seconds an image.
struct Rates {
  double loader = 0, transfer = 0, compute = 0, reduced = 0;
  double loader_cpu = 0, reduced_cpu = 0, cores = 0;
  double read_share = 0;
  double everything = 0;  ///< E; 0: not measured.
  double cores_busy = 0;  ///< In E; 0: not measured.
  int workers = 1;
  /// Images a second that the cores allow where loader and trainer share them.
  double shared() const { return cores / (loader_cpu + reduced_cpu); }
  bool both_compute() const;  ///< Whether loader and trainer each need a part of the cores that counts.
};
Rates rates_of(const LegReadings& legs);

/// min(L, T, A), and at most what the cores allow; with workers = 0 one after the other: 1 / (1/L + 1/T + 1/A).
double predict(const Rates& rates);

enum class Bound : std::uint8_t { loader, storage, transfer, compute, communication, cpu_shared, balanced };
const char* name_of(Bound bound);  ///< "loader-bound" ... "cpu-shared", "balanced".

/// What limits the pipeline: the lowest of its rates, told apart further where the loader waits for storage or the trainer for other
/// ranks. `balanced`: making the lowest rate faster buys less than kBalance. `cpu_shared`: the cores allow less than kShared of what loader and
/// trainer do apart, or together they reach less than kCrowded of it (threads that wait for one another lose more than adds up) with kBusy of
/// the cores in use. It takes two to share: each needs kPart of the CPU time at least. With workers = 0 they take turns, and the verdict is
/// what takes longest.
inline constexpr double kBalance = 0.08, kShared = 0.92, kCrowded = 0.85, kBusy = 0.7, kPart = 0.08, kStorageShare = 0.5, kExposedReduce = 1.0 / 3;
Bound bound_of(const Rates& rates);
/// Whether that is seen in E, however it was predicted.
bool crowded(const Rates& rates);

enum class Confidence : std::uint8_t { low, medium, high };
const char* name_of(Confidence confidence);

struct Verdict {
  Bound bound = Bound::balanced;
  Confidence confidence = Confidence::low;
  double predicted = 0;
  std::vector<std::string> doubts;  ///< What kept the confidence down.
};

/// High: every combination of the intervals' ends (each taken as at least 1 % wide to either side) gives the same bound, and what was
/// measured together agrees with the prediction. Medium: so does every end taken by itself, or the two disagree. Low: otherwise.
Verdict judge(const LegReadings& legs);

/// Where an image's time goes beyond what the trainer needs, in seconds an image.
struct Stalls {
  double prep = 0, prep_predicted = 0;  ///< 1/E - 1/X, and 1/predicted - 1/A: what loading costs beside training.
  double fetch = 0;                     ///< What a cold page cache adds to that; 0 where it was not measured.
  double utilisation = 0;               ///< Time C / time E.
  double gap = 0;                       ///< E's time over X's, less 1: how far from training on resident data.
  double overlap = 0;                   ///< E / predicted.
};
Stalls stalls_of(const LegReadings& legs);

/// What a change would make of E.
struct WhatIf {
  std::string change;
  double rate = 0, gain = 0;  ///< Images a second; rate / E - 1.
  std::string note;           ///< What it rests on, where that is not plain.
  bool noise = false;         ///< The gain is smaller than the interval of E, or E has none: no reason to change anything.
};
/// The prediction with the change in it, times what E was of the prediction without; an infinitely fast loader is X.
std::vector<WhatIf> what_if(const LegReadings& legs);

/// Rates with another number of workers: workers do as much each, until the cores are busy.
Rates with_workers(Rates rates, int workers);

}  // namespace millrace

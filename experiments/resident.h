#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "experiments/json.h"
#include "pipeline/clock.h"

namespace millrace {

/// What this process holds in memory now: pages in use, those of libraries' code among them. 0 where /proc does not say.
std::uint64_t resident_bytes();

/// The resident memory of this process beside a loader's work: before it was made, at its highest, and over the images it delivered.
/// Looked at 50 times a second and no more, so that a fast loader is not slowed (a look costs about 20 us).
/// Threads: one caller.
class ResidentCurve {
 public:
  ResidentCurve() : before_(resident_bytes()) {}
  /// So many images have been delivered.
  void at(std::uint64_t images);

  std::uint64_t added_bytes() const { return peak_ > before_ ? peak_ - before_ : 0; }
  /// What the second half of the images added to the peak of the first.
  std::uint64_t growth_bytes() const;

  struct Point {
    std::uint64_t images, bytes;  ///< The most that was resident since the point before.
  };
  const std::vector<Point>& points() const { return points_; }

  friend Json to_json(const ResidentCurve& curve);

 private:
  static constexpr std::size_t kMostPoints = 64;
  std::uint64_t before_, peak_ = 0;
  SteadyClock::time_point next_{};
  std::uint64_t looks_a_point_ = 1, looks_ = 0;  // Doubles when the curve is full.
  std::vector<Point> points_;
};
Json to_json(const ResidentCurve& curve);

}  // namespace millrace

#include "experiments/resident.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include <nlohmann/json.hpp>

namespace millrace {

std::uint64_t resident_bytes() {
  std::uint64_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGE_SIZE));
}

void ResidentCurve::at(std::uint64_t images) {
  constexpr auto kBetween = std::chrono::milliseconds(20);
  const auto now = SteadyClock::now();
  if (now < next_) return;
  next_ = now + kBetween;
  const std::uint64_t bytes = resident_bytes();
  peak_ = std::max(peak_, bytes);
  if (looks_++ % looks_a_point_ != 0) {
    points_.back() = {images, std::max(points_.back().bytes, bytes)};
    return;
  }
  if (points_.size() == kMostPoints) {  // Two become one.
    for (std::size_t i = 0; i < kMostPoints / 2; ++i)
      points_[i] = {points_[2 * i + 1].images, std::max(points_[2 * i].bytes, points_[2 * i + 1].bytes)};
    points_.resize(kMostPoints / 2);
    looks_a_point_ *= 2;
    looks_ = 1;
  }
  points_.push_back({images, bytes});
}

std::uint64_t ResidentCurve::growth_bytes() const {
  if (points_.empty()) return 0;
  const std::uint64_t middle = points_.back().images / 2;
  std::uint64_t first = 0, second = 0;
  for (const Point& p : points_) (p.images <= middle ? first : second) = std::max(p.images <= middle ? first : second, p.bytes);
  return first && second > first ? second - first : 0;
}

Json to_json(const ResidentCurve& curve) {
  Json points = Json::array();
  for (const auto& p : curve.points_) points.push_back({p.images, p.bytes});
  return {{"before_bytes", curve.before_}, {"peak_bytes", curve.peak_},         {"added_bytes", curve.added_bytes()},
          {"growth_bytes", curve.growth_bytes()}, {"points", std::move(points)}};
}

}  // namespace millrace

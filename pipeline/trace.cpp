#include "pipeline/trace.h"

#include <algorithm>

namespace millrace {

bool TraceLane::grow() noexcept {
  try {
    chunks_.push_back(std::make_unique_for_overwrite<TraceEvent[]>(kChunk));
    return true;
  } catch (const std::bad_alloc&) {
    ++lost_;
    return false;
  }
}

TraceLane& Trace::lane(const std::string& group, const std::string& name) {
  std::lock_guard lock(mutex_);
  auto at = std::ranges::find(groups_, group);
  const int index = static_cast<int>(at - groups_.begin());
  if (at == groups_.end()) groups_.push_back(group);
  const auto same = std::ranges::find_if(lanes_, [&](const auto& lane) { return lane->group() == index && lane->name() == name; });
  if (same != lanes_.end()) return **same;
  return *lanes_.emplace_back(std::make_unique<TraceLane>(index, name));
}

}  // namespace millrace

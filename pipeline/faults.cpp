#include "pipeline/faults.h"

namespace millrace {

std::string describe(const Fault& fault) {
  std::string text = fault.origin + ": " + name_of(fault.kind);
  if (fault.offset_bytes) text += " at byte " + std::to_string(fault.offset_bytes);
  if (!fault.detail.empty()) text += ": " + fault.detail;
  return text;
}

std::string FaultLedger::book(std::uint64_t samples, std::uint64_t bad_rows, const std::vector<Fault>& faults) {
  std::lock_guard lock(mutex_);
  samples_ += samples;
  count_ += bad_rows;
  for (const Fault& fault : faults) {
    if (fault.index >= seen_.size()) seen_.resize(fault.index + 1);
    if (seen_[fault.index]) continue;
    seen_[fault.index] = true;
    ++files_;
    if (listed_.size() < kMaxListed) listed_.push_back(fault);
  }
  if (faults.empty()) return {};
  if (policy_.action == OnBadSample::fail) return describe(faults.front());
  if (count_ > policy_.max_count)
    return std::to_string(count_) + " bad samples, more than the " + std::to_string(policy_.max_count) + " allowed; the last: " +
           describe(faults.back());
  if (samples_ >= policy_.probation && static_cast<double>(count_) > policy_.max_fraction * static_cast<double>(samples_))
    return std::to_string(count_) + " bad samples of " + std::to_string(samples_) + ", more than the allowed share of " +
           std::to_string(policy_.max_fraction) + " (judged from " + std::to_string(policy_.probation) + " samples on); the last: " + describe(faults.back());
  return {};
}

std::uint64_t FaultLedger::count() const {
  std::lock_guard lock(mutex_);
  return count_;
}

std::uint64_t FaultLedger::files() const {
  std::lock_guard lock(mutex_);
  return files_;
}

std::vector<Fault> FaultLedger::listed() const {
  std::lock_guard lock(mutex_);
  return listed_;
}

}  // namespace millrace

#pragma once
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "pipeline/error.h"

namespace millrace {

enum class OnBadSample : std::uint8_t { fail, skip, substitute };

/// How many bad samples a run bears: a count, or a fraction of the samples delivered so far, judged only after
/// `probation` samples and exceeded only by strictly more.
struct FaultPolicy {
  OnBadSample action = OnBadSample::fail;
  std::uint64_t max_count = ~std::uint64_t{0};
  double max_fraction = 1.0;
  std::uint64_t probation = 100;
};

/// The bad samples of a run, in delivery order, so that the stopping point does not depend on timing.
/// Threads: all functions from any thread.
class FaultLedger {
 public:
  static constexpr std::size_t kMaxListed = 10'000; ///< Files kept with their text; more are counted, not listed.

  explicit FaultLedger(const FaultPolicy& policy) : policy_(policy) {}
  /// Books one delivered batch: `samples` planned rows of which `bad_rows` were bad, and what was wrong. There may be more faults than
  /// rows (substitutes can be bad themselves); the budget is of rows. Returns the text of the error that
  /// ends the run where the policy says so, otherwise an empty string.
  [[nodiscard]] std::string book(std::uint64_t samples, std::uint64_t bad_rows, const std::vector<Fault>& faults);
  std::uint64_t count() const; ///< Bad rows.
  std::uint64_t files() const; ///< Distinct samples of the source with a fault: all, also those that are not listed.
  std::vector<Fault> listed() const; ///< The first fault of each of the first kMaxListed.

 private:
  const FaultPolicy policy_;
  mutable std::mutex mutex_;
  std::uint64_t samples_ = 0, count_ = 0, files_ = 0;
  std::vector<bool> seen_; ///< By the sample's index.
  std::vector<Fault> listed_;
};

/// "path: truncated at byte 1234: detail"
std::string describe(const Fault& fault);

}  // namespace millrace

#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "pipeline/decoder.h"
#include "pipeline/source.h"

namespace millrace {

/// What a set of encoded pictures holds, after each was read and decoded whole.
struct FolderCheck {
  std::uint64_t checked = 0;             ///< Pictures; fewer than the set has after a stop.
  std::uint64_t bytes = 0;               ///< Of all files that could be read.
  std::vector<std::uint64_t> bad;        ///< By class.
  std::map<std::string, std::uint64_t> bad_by_kind;
  std::vector<Fault> faults;             ///< In the set's order; one a bad picture, no more than kMostFaults.
  std::vector<Size> sizes;               ///< Of the readable ones, by pixels.
  std::uint64_t bad_in_all() const;
  static constexpr std::size_t kMostFaults = 10'000;
};

/// Reads and decodes every picture whole: damage anywhere in a file is found.
/// Threads: as many as cores, its own; `shown` is called from the caller's, with how many were checked.
FolderCheck check_pictures(const Source& source, const std::function<std::unique_ptr<Decoder>()>& make_decoder, std::stop_token stop,
                           const std::function<void(std::uint64_t)>& shown);

/// Tables and lines for people: classes and their balance, sizes, what is broken.
std::string text_of(const FolderCheck& check, const Source& source);

}  // namespace millrace

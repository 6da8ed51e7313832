#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace cuda_double {

inline constexpr int kMostRanks = 16;
inline constexpr std::size_t kChunk = 256 << 10;

/// What a rank says about the call that it makes; all must say the same.
struct CallSaid {
  int kind = 0, type = 0, operation = 0, root = 0;
  std::size_t count = 0;
  bool operator==(const CallSaid&) const = default;
};

/// Memory that the ranks of a communicator share, as threads or processes of one host, and where they meet.
/// Threads: one of each rank at a time.
class Meeting {
 public:
  struct Seat {
    std::atomic<std::uint64_t> arrived{0};
    CallSaid said;
    unsigned char device[16] = {}; ///< The GPU's uuid.
    char data[kChunk] = {};
  };

  /// Errors: std::system_error.
  Meeting(const std::string& name, int rank, int size);
  ~Meeting();
  Meeting(const Meeting&) = delete;
  Meeting& operator=(const Meeting&) = delete;

  Seat& seat(int rank) const { return table_->seats[rank]; }
  /// Comes back once all ranks have called it as often as this one; false: `stopped` said so before.
  bool meet(const std::function<bool()>& stopped);
  /// All have opened it: its name is no longer needed.
  void forget_name() const;

 private:
  struct Table {
    std::atomic<std::uint32_t> arrivals{0}; ///< A futex.
    Seat seats[kMostRanks];
  };

  const std::string name_;
  const int rank_, size_;
  Table* table_ = nullptr;
  std::uint64_t phase_ = 0;
};

}  // namespace cuda_double

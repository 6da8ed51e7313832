#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace millrace {

/// Memory aligned to 64 bytes that grows and never shrinks, so that a steady state allocates nothing.
/// Growing loses the contents. Threads: one user at a time. Errors: std::bad_alloc.
class Buffer {
 public:
  static constexpr std::size_t kAlignment = 64;

  /// At least `bytes` bytes; the pointer stays valid until a larger request.
  std::uint8_t* reserve(std::size_t bytes) {
    if (bytes > capacity_) {
      const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
      memory_.reset();
      memory_.reset(static_cast<std::uint8_t*>(std::aligned_alloc(kAlignment, rounded)));
      capacity_ = memory_ ? rounded : 0;
      if (!memory_) throw std::bad_alloc();
    }
    return memory_.get();
  }
  std::uint8_t* data() const { return memory_.get(); }
  std::size_t capacity_bytes() const { return capacity_; }

 private:
  struct Free {
    void operator()(std::uint8_t* p) const { std::free(p); }
  };
  std::unique_ptr<std::uint8_t, Free> memory_;
  std::size_t capacity_ = 0;
};

}  // namespace millrace

#pragma once
#include <cstdint>
#include <span>
#include <string>

#include "pipeline/batch.h"

namespace millrace {

/// A digest of delivered batches that does not depend on the order in which they are added: the sum modulo 2^64 of one
/// 64-bit hash (XXH3) a row, keyed by the row's place (epoch, position), and of rows x hash(number) a batch. So the digests
/// of W ranks add up to the digest of the whole, and equal digests mean: the same samples with the same labels (and pixels)
/// at the same places of batches with the same valid counts. In which order batches were delivered it cannot tell.
/// Not a cryptographic sum.
class Digest {
 public:
  enum class Of { ids, pixels }; ///< ids: ids, labels and valid counts. pixels: those and every byte of the pictures.
  explicit Digest(Of what) : what_(what) {}
  void add(const Batch& batch);
  void add(const Digest& other) { sum_ += other.sum_; }
  std::uint64_t value() const { return sum_; }
  std::string text() const; ///< 16 hexadecimal digits.

 private:
  void add_erasures(const Batch& batch);
  Of what_;
  std::uint64_t sum_ = 0;
};

}  // namespace millrace

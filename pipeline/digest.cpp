#include "pipeline/digest.h"

#include <cstdio>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace millrace {

void Digest::add(const Batch& batch) {
  // A batch's term is linear in its rows, so that the ranks' parts of one global batch add up.
  const std::uint64_t number = batch.number();
  sum_ += static_cast<std::uint64_t>(batch.rows()) * XXH3_64bits(&number, sizeof number);
  const std::size_t row_bytes = batch.format().bytes();
  for (int r = 0; r < batch.rows(); ++r) {
    const auto i = static_cast<std::size_t>(r);
    const std::uint64_t place[4] = {batch.epoch(), batch.positions()[i], batch.ids()[i], static_cast<std::uint64_t>(batch.labels()[i])};
    std::uint64_t hash = XXH3_64bits(place, sizeof place);
    if (what_ == Of::pixels) hash = XXH3_64bits_withSeed(batch.images() + i * row_bytes, row_bytes, hash);
    sum_ += hash;
  }
  if (what_ == Of::pixels) add_erasures(batch);
}

/// What u8 rows leave to the device are pixels too.
void Digest::add_erasures(const Batch& batch) {
  const Erasures& left = batch.erasures();
  for (const Erasures::Box& box : left.boxes) {
    const auto row = static_cast<std::size_t>(box.row);
    const std::int64_t place[6] = {static_cast<std::int64_t>(batch.epoch()), static_cast<std::int64_t>(batch.positions()[row]), box.roi.left, box.roi.top, box.roi.width, box.roi.height};
    sum_ += XXH3_64bits_withSeed(left.values.data() + box.first, box.count * sizeof(float), XXH3_64bits(place, sizeof place));
  }
}

std::string Digest::text() const {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(sum_));
  return text;
}

}  // namespace millrace

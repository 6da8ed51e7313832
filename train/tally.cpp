#include "train/tally.h"

#include <cstring>

#include "pipeline/error.h"
#include "train/local_collective.h"

namespace millrace::train {

Tally sum_over_ranks(World& world, const Tally& mine) {
  auto* ranks = dynamic_cast<Collective*>(&world);
  if (!ranks) throw Error(ErrorKind::internal, "these ranks were made elsewhere");
  std::array<double, Tally::kValues> values = mine.values();
  if (!ranks->on_gpu()) {
    ranks->all_reduce_sum(at::from_blob(values.data(), {Tally::kValues}, at::kDouble));
    return Tally::of(values);
  }
  // Whoever has no gradients has no device either: the numbers travel as words.
  const std::string words(reinterpret_cast<const char*>(values.data()), sizeof values);
  values.fill(0);
  for (const std::string& theirs : ranks->all_gather(words)) {
    std::array<double, Tally::kValues> other;
    if (theirs.size() != sizeof other) throw Error(ErrorKind::communication, "a rank sent the tally of another build");
    std::memcpy(other.data(), theirs.data(), sizeof other);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += other[i];
  }
  return Tally::of(values);
}

}  // namespace millrace::train

#include "train/tally.h"

#include "pipeline/error.h"
#include "train/local_collective.h"

namespace millrace::train {

Tally sum_over_ranks(World& world, const Tally& mine) {
  auto* ranks = dynamic_cast<Collective*>(&world);
  if (!ranks) throw Error(ErrorKind::internal, "these ranks were made elsewhere");
  std::array<double, Tally::kValues> values = mine.values();
  at::Tensor sum = at::from_blob(values.data(), {Tally::kValues}, at::kDouble);
  if (ranks->on_gpu()) {
    at::Tensor there = sum.to(at::kCUDA);
    ranks->all_reduce_sum(there);
    sum.copy_(there);
  } else {
    ranks->all_reduce_sum(sum);
  }
  return Tally::of(values);
}

}  // namespace millrace::train

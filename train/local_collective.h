#pragma once
#include <memory>
#include <vector>

#include "train/collective.h"

namespace millrace::train {

/// The ranks of one process, over LocalGroup: sums in rank order, the same bits in every run. Tensors lie on the host; what lies on a
/// GPU goes through Staging, so that several ranks can share one.
/// Errors:  Error(usage) for a size or a time-out out of range.
std::vector<std::shared_ptr<Collective>> make_local_collectives(int size, double timeout_seconds);

/// Carries tensors that lie on a GPU through the host for collectives that are not on_gpu(); others pass through.
/// Owns:    one buffer as large as the largest tensor so far, page-locked where that can be had.
/// Threads: one caller.
class Staging {
 public:
  void all_reduce_sum(Collective& ranks, const at::Tensor& values);
  void broadcast(Collective& ranks, const at::Tensor& values, int root);
  void all_gather_into(Collective& ranks, const at::Tensor& all, const at::Tensor& values);

 private:
  template <class Work>
  void through(Collective& ranks, const at::Tensor& values, Work&& work);
  StateMemory host_;
};

}  // namespace millrace::train

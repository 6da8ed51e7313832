#pragma once
#include <gtest/gtest.h>

#include <cmath>

#include "pipeline/digest.h"
#include "pipeline/error.h"
#include "tests/train/memory_stream.h"
#include "train/inspect.h"

namespace millrace::testing {

inline RowFormat digits(Dtype dtype = Dtype::f32) { return {1, 28, 28, dtype, Layout::nchw}; }

inline train::TrainOptions options_for(const std::string& model, const std::string& device = "cpu") {
  train::TrainOptions options;
  options.model = model;
  options.input = digits();
  options.device = device;
  options.threads = 1;
  options.momentum = 0.9;
  options.tf32 = train::Tf32::none; // GPUs are compared with CPUs; torch has it on for convolutions.
  options.seed = 5;
  return options;
}

inline std::unique_ptr<train::Trainer> make(const train::TrainOptions& options) { return millrace_train_api()->make_trainer(options); }

inline train::EpochResult train_on(train::Trainer& trainer, BatchStream& stream) { return trainer.train_epoch(stream, {}, {}); }

/// The part of an epoch, of all ranks or of one, that no phase has. Tests take the best of three epochs: one thread put aside between two readings of
/// the clock, on a busy machine, is no mistake in the books.
template <class Result>
double unbooked(const Result& result) {
  return std::abs(result.unaccounted_seconds) / result.wall_seconds;
}

/// The largest difference, relative to the largest magnitude of the reference.
inline double distance(const std::vector<float>& a, const std::vector<float>& reference) {
  if (a.size() != reference.size()) return INFINITY;
  double largest = 0, scale = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - reference[i]));
    scale = std::max(scale, std::abs(static_cast<double>(reference[i])));
  }
  return scale > 0 ? largest / scale : largest;
}

/// What kind of Error `work` throws, with its text appended to `message`; internal where it throws none.
template <class F>
ErrorKind error_of(F&& work, std::string* message = nullptr) {
  try {
    work();
  } catch (const Error& e) {
    if (message) *message = std::string(e.what()) + " | " + e.hint();
    return e.kind();
  }
  return ErrorKind::internal;
}

}  // namespace millrace::testing

#pragma once
#include "train/meter.h"
#include "train/nvtx.h"

namespace millrace::train {

/// While it lives, the trainer's thread is in this phase: for whoever asks (Trainer::doing), and as an NVTX range. Books are kept by
/// the meter's marks, at the ends of phases; this says which one has begun.
/// Threads: the trainer's.
class Range {
 public:
  Range(Meter& meter, Phase phase) : meter_(meter) { begin(phase); }
  ~Range() { nvtx_pop(); }
  Range(const Range&) = delete;
  Range& operator=(const Range&) = delete;
  void next(Phase phase) {
    nvtx_pop();
    begin(phase);
  }

 private:
  void begin(Phase phase) {
    meter_.enters(phase);
    nvtx_push(name_of(phase));
  }
  Meter& meter_;
};

}  // namespace millrace::train

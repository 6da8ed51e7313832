#include "train/cuda_meter.h"

#include "train/torch_headers.h"
#include "train/translated.h"

namespace millrace::train {

void CudaMeter::start() {
  translated([this] { EventMeter::start(); });
}
void CudaMeter::step_begins() {
  translated([this] { EventMeter::step_begins(); });
}
void CudaMeter::device(Phase phase) {
  translated([this, phase] { EventMeter::device(phase); });
}
Phases CudaMeter::stop() {
  return translated([this] { return EventMeter::stop(); });
}

}  // namespace millrace::train

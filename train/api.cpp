// What the door's types do by themselves, without LibTorch: programs add up phases and make states of files.
#include <cstring>
#include <utility>

#include "train/api.h"

namespace millrace::train {

Phases& Phases::operator+=(const Phases& o) {
  wait += o.wait;
  upload += o.upload;
  forward += o.forward;
  backward += o.backward;
  reduce += o.reduce;
  optimizer += o.optimizer;
  other += o.other;
  return *this;
}

StateMemory& StateMemory::operator=(StateMemory&& other) noexcept {
  std::swap(from_, other.from_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

StateMemory::~StateMemory() {
  if (data_) from_->release(data_, bytes_);
}

std::byte* StateMemory::reserve(std::size_t bytes, SlotMemory& from) {
  if (bytes <= bytes_) return data_;
  *this = StateMemory();
  data_ = static_cast<std::byte*>(from.allocate(bytes));
  from_ = &from, bytes_ = bytes;
  // Touched now: a page's first use takes longer than the copy into it, and the copy is what holds a trainer up.
  std::memset(data_, 0, bytes);
  return data_;
}

}  // namespace millrace::train

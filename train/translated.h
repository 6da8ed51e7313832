#pragma once
#include <c10/util/Exception.h>

#include <string>
#include <utility>

#include "pipeline/error.h"

namespace millrace::train {

/// Runs `work`; what LibTorch throws within becomes an Error(device). Every door between LibTorch and the trainer's loop goes through here.
template <class F>
auto translated(F&& work) {
  try {
    return std::forward<F>(work)();
  } catch (const c10::OutOfMemoryError& e) {
    throw Error(ErrorKind::device, std::string("the device's memory is used up: ") + e.what_without_backtrace(), "use a smaller batch");
  } catch (const c10::Error& e) {
    throw Error(ErrorKind::device, std::string("LibTorch: ") + e.what_without_backtrace());
  }
}

}  // namespace millrace::train

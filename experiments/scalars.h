#pragma once
#include <memory>
#include <string>

#include "experiments/event_file.h"
#include "experiments/json.h"

namespace millrace {

/// What TensorBoard shows of a run: a point an epoch (its step is the epoch's number) of loss, accuracy, lr, images a second, seconds of
/// every phase and the share of the wall that went into waiting for a batch. No file is made before the first epoch. A run that is resumed
/// takes back what was shown of the epochs that it trains again.
/// Threads: one. Errors: those of EventFile.
class Scalars {
 public:
  /// `resumed_at`: the number of the first epoch that is trained again; 0: the run begins.
  explicit Scalars(std::string folder, std::int64_t resumed_at = 0) : folder_(std::move(folder)), resumed_at_(resumed_at) {}
  void epoch(const Json& record);

 private:
  const std::string folder_;
  const std::int64_t resumed_at_;
  std::unique_ptr<EventFile> file_;
};

/// Where the event files of a run lie: FOLDER/tensorboard/RUN, a name that file systems take whatever the run is called.
std::string tensorboard_folder(const std::string& folder, const std::string& run);

}  // namespace millrace

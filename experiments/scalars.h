#pragma once
#include <memory>
#include <string>

#include "experiments/event_file.h"
#include "experiments/json.h"

namespace millrace {

/// What TensorBoard shows of a run: a point an epoch (its step is the epoch's number) of loss, accuracy, lr, images a second, seconds of
/// every phase and the share of the wall that went into waiting for a batch. No file is made before the first epoch.
/// Threads: one. Errors: those of EventFile.
class Scalars {
 public:
  explicit Scalars(std::string folder) : folder_(std::move(folder)) {}
  void epoch(const Json& record);

 private:
  const std::string folder_;
  std::unique_ptr<EventFile> file_;
};

/// Where the event files of a run lie: FOLDER/tensorboard/RUN, a name that file systems take whatever the run is called.
std::string tensorboard_folder(const std::string& folder, const std::string& run);

}  // namespace millrace

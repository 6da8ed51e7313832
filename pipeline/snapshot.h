#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/clock.h"
#include "pipeline/queue.h"

namespace millrace {

/// The stations of a slot's circuit: at home, its batch under work, complete but for its turn, in its rank's queue, with its trainer.
enum class SlotPlace : std::uint8_t { home, filling, complete, queued, leased };

/// Where everything in a loader is at one moment, or nearly: each part is true by itself, taken one after another while all goes on.
struct LoaderSnapshot {
  struct OfWorker {
    std::optional<Stage> stage; ///< Empty: it rests.
    std::uint64_t number = 0;   ///< Of the sample; of the batch where the stage is plan or batch.
    std::string origin;         ///< The sample's path.
    double seconds = 0;         ///< Since it began that (a message of raw samples: since the message began).
  };
  struct OfSlot {
    int index = 0, local_rank = 0;
    SlotPlace place = SlotPlace::home;
    std::uint64_t batch = 0;    ///< The last one, where it is at home.
    int messages_left = 0;      ///< Of a batch under work.
    double seconds = 0;         ///< At that place.
  };
  struct OfStream {
    int local_rank = 0;
    double waits_seconds = 0;   ///< Of its trainer, for the next batch, so far; 0: it does not wait.
    std::optional<QueueStats> queue; ///< Empty with workers = 0.
  };
  std::vector<OfWorker> workers;
  std::vector<OfSlot> slots;
  std::vector<OfStream> streams;
};

}  // namespace millrace

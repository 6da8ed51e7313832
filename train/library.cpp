// What the shared library exports: one function with a table.
#include <torch/version.h>

#include "pipeline/error.h"
#include "train/device.h"
#include "train/engine.h"
#include "train/gloo_collective.h"
#include "train/local_collective.h"

namespace millrace::train {
namespace {

void check(const TrainOptions& o) {
  const auto bad = [](const std::string& what, const std::string& hint) { throw Error(ErrorKind::usage, what, hint); };
  if (o.classes < 1 || o.classes > 1'000'000) bad("classes = " + std::to_string(o.classes) + " is out of range", "1 to 1,000,000");
  if (o.threads < 0 || o.threads > 4096) bad("train.threads = " + std::to_string(o.threads) + " is out of range", "0 takes the cores there are");
  if (o.mean.size() != o.std.size() || (!o.mean.empty() && o.mean.size() != static_cast<std::size_t>(o.input.channels)))
    bad("normalise: mean and std need one value a channel (" + std::to_string(o.input.channels) + ")", "");
  if (!(o.bucket_mb >= 0 && o.bucket_mb <= 4096)) bad("train.bucket_mb = " + std::to_string(o.bucket_mb) + " is out of range", "0 to 4096");
  if (o.accumulate < 1) bad("train.accumulate = " + std::to_string(o.accumulate) + " is out of range", "1 or more");
  if (o.replicas < 1 || o.replicas > 256) bad("train.ranks = " + std::to_string(o.replicas) + " replicas are out of range", "1 to 256");
  for (const double s : o.std)
    if (!(s > 0)) bad("normalise: std must be above 0", "");
}

std::unique_ptr<Trainer> make_trainer(const TrainOptions& options) {
  check(options);
  auto engine = options.model == "sleep" ? make_sleep_engine(options) : make_torch_engine(options);
  return std::make_unique<EngineTrainer>(std::move(engine), options);
}

std::vector<std::shared_ptr<World>> local_worlds(int size, double timeout_seconds) {
  const auto ranks = make_local_collectives(size, timeout_seconds);
  return {ranks.begin(), ranks.end()};
}

/// First of all: ranks with GPUs and ranks without would wait for one another in different calls.
void agree_on_backend(World& words, const JoinOptions& o) {
  int rank = 0;
  std::string first;
  for (const std::string& theirs : words.all_gather(o.backend + " " + o.why_backend)) {
    const std::string backend = theirs.substr(0, theirs.find(' '));
    if (rank == 0) first = backend;
    if (backend != first) {
      const bool with_gpu = backend == "nccl";
      const std::string why = theirs.size() > backend.size() + 1 ? " (" + theirs.substr(backend.size() + 1) + ")" : "";
      throw Error(ErrorKind::device, "rank " + std::to_string(rank) + (with_gpu ? " computes on a GPU" + why + ", where rank 0 does not" : " has no GPU" + why + ", where rank 0 has one"),
                  "a GPU for each rank, or device = \"cpu\" for all");
    }
    ++rank;
  }
}

std::shared_ptr<World> join_world(const JoinOptions& o) {
  if (o.size < 1 || o.rank < 0 || o.rank >= o.size)
    throw Error(ErrorKind::usage, "there is no rank " + std::to_string(o.rank) + " of " + std::to_string(o.size), "ranks are numbered from 0");
  if (!(o.timeout_seconds > 0)) throw Error(ErrorKind::usage, "the ranks' time-out must be above 0 s", "60 s is the default");
  if (o.backend != "nccl" && o.backend != "gloo") throw Error(ErrorKind::usage, "unknown backend '" + o.backend + "'", "gloo or nccl");
  const std::shared_ptr<Collective> words = join_gloo(o);
  agree_on_backend(*words, o);
  return o.backend == "nccl" ? join_nccl(words, o) : words;
}

Versions versions() {
  Versions all = cuda_versions();
  all.torch = TORCH_VERSION;
  return all;
}

Gpus gpus() { return {cuda_devices(), why_no_cuda(0)}; }

}  // namespace
}  // namespace millrace::train

extern "C" const millrace::train::Api* millrace_train_api() {
  using namespace millrace::train;
  static const Api api{make_trainer, page_locked_memory, versions, gpus, local_worlds, join_world};
  return &api;
}

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

std::shared_ptr<World> join_world(const JoinOptions& o) {
  if (o.size < 1 || o.rank < 0 || o.rank >= o.size)
    throw Error(ErrorKind::usage, "there is no rank " + std::to_string(o.rank) + " of " + std::to_string(o.size), "ranks are numbered from 0");
  if (!(o.timeout_seconds > 0)) throw Error(ErrorKind::usage, "the ranks' time-out must be above 0 s", "60 s is the default");
  if (o.backend == "nccl") return join_nccl(o);
  if (o.backend == "gloo") return join_gloo(o);
  throw Error(ErrorKind::usage, "unknown backend '" + o.backend + "'", "gloo or nccl");
}

Versions versions() {
  Versions all = cuda_versions();
  all.torch = TORCH_VERSION;
  return all;
}

}  // namespace
}  // namespace millrace::train

extern "C" const millrace::train::Api* millrace_train_api() {
  using namespace millrace::train;
  static const Api api{make_trainer, page_locked_memory, versions, local_worlds, join_world};
  return &api;
}

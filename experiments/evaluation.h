#pragma once
#include "experiments/fault_file.h"
#include "experiments/ranks.h"
#include "experiments/training.h"

namespace millrace {

/// Requests the loader's stop when the run's is requested, so that a trainer waiting for a batch wakes.
class StopLoader {
 public:
  StopLoader(std::stop_token token, Loader& loader) : callback_(std::move(token), Call{&loader}) {}

 private:
  struct Call {
    Loader* loader;
    void operator()() const noexcept { loader->request_stop(); }
  };
  std::stop_callback<Call> callback_;
};

/// What the usual ways of scoring over ranks count of `images`, with their counts: what they score in all, never, and again.
/// drop_last: whole global batches alone. padded: torch's DistributedSampler, which repeats the first samples until the ranks divide
/// them. replicated: every rank scores everything, with the buffers it has; the mean over ranks.
struct Counted {
  std::uint64_t scored = 0, missed = 0, doubled = 0;
};
Counted counted_by(EvaluationBeside how, std::uint64_t images, std::uint64_t global_batch, std::uint64_t ranks);

/// Scores the test set exactly, each sample on one rank, and adds the figures to an epoch's record; beside them, where the spec asks for
/// it, what another way of counting would have given, from a pass over the samples in which they differ. Bad samples are left out and
/// counted; with on_bad_sample = "fail" they end the run. `options`: evaluation_options, made to fit the memory (fit_evaluation).
/// Threads: the crew's, from the caller's.
/// Errors:  the loader's and the trainers'; Error(data) where no sample could be scored, with null in the record. Returns false where a
///          stop came first.
bool evaluate(const Spec& spec, const Source& test, Crew& crew, const LoaderOptions& options, FaultFile& faults, const Context& context, Json& record);

}  // namespace millrace

#include "experiments/evaluation.h"

#include <list>
#include <memory>

#include <nlohmann/json.hpp>

namespace millrace {
namespace {

void add_evaluation(Json& record, const train::Evaluation& e) {
  record["evaluate_seconds"] = e.seconds;
  record["accuracy"] = e.scored ? Json(e.accuracy) : Json(nullptr);
  record["evaluation_loss"] = e.scored ? finite(e.loss) : Json(nullptr);
  record["scored"] = e.scored;
  record["per_class_accuracy"] = Json::array();
  for (std::size_t c = 0; c < e.class_count.size(); ++c)
    record["per_class_accuracy"].push_back(e.class_count[c] ? Json(double(e.class_correct[c]) / double(e.class_count[c])) : Json(nullptr));
  record["class_count"] = e.class_count;
}

/// Evaluations of one test set by one crew.
class Evaluator {
 public:
  Evaluator(const Spec& spec, const Source& test, Crew& crew, const LoaderOptions& options, FaultFile& faults, const Context& context)
      : spec_(spec), test_(test), crew_(crew), options_(options), faults_(faults), context_(context), recipe_(make_recipe(spec, test.info(), true)) {}

  /// A range of the test set, each sample on one rank. The same on every rank.
  train::Evaluation exact(LoaderOptions options, LoaderReport& report) {
    if (options.batch < static_cast<std::uint64_t>(options.world_size)) return few(options, report);
    options.trace = context_.trace;
    options.trace_group = "evaluation loader";
    Loader loader(test_, *recipe_, options);
    const Forensics::Watched watched(context_.forensics, loader, "evaluation loader", spec_.loader.watchdog_seconds);
    const FaultWatch watch(loader, faults_, options.faults.action, context_.out, "evaluation: ");
    StopLoader stopper(context_.stop, loader);
    const train::Evaluation all = by_rank([&](std::size_t r) -> BatchStream& { return loader.stream(static_cast<int>(r)); });
    report = loader.report();
    return all;
  }

  /// All of it on every rank; counts are sums over ranks.
  train::Evaluation replicated() {
    LoaderOptions options = evaluation_options(spec_, test_, {});
    // No more rows than a rank of the exact pass has: that is what was forecast.
    options.batch = std::min(options.batch, std::max<std::uint64_t>(1, options_.batch / static_cast<std::uint64_t>(options_.world_size)));
    options.batches = steps_per_epoch(test_.size(), options.batch, false);
    return each_alone(options, static_cast<int>(crew_.trainers.size()));
  }
  /// The first few samples, fewer than there are ranks, on rank 0.
  train::Evaluation first(std::uint64_t samples) {
    LoaderOptions options = evaluation_options(spec_, test_, {});
    options.batch = samples;
    options.batches = 1;
    return each_alone(options, crew_.ranks.first() ? 1 : 0);
  }
  /// A range of fewer samples than there are ranks: rank 0's, and the others have none.
  train::Evaluation few(const LoaderOptions& wanted, LoaderReport& report) {
    LoaderOptions options = evaluation_options(spec_, test_, {});
    options.batch = wanted.batch;
    options.first_batch = wanted.first_batch;
    options.batches = wanted.batches;
    return each_alone(options, crew_.ranks.first() ? 1 : 0, &report);
  }

 private:
  template <class StreamOf>
  train::Evaluation by_rank(StreamOf&& stream_of) {
    std::vector<train::Evaluation> parts(crew_.trainers.size());
    crew_.run([&](std::size_t r) { parts[r] = crew_.trainers[r]->evaluate(stream_of(r), context_.stop); });
    return parts[0];
  }

  /// The first `local_ranks` of this process with a loader each, as if each were the only rank; the others have nothing to score.
  train::Evaluation each_alone(LoaderOptions options, int local_ranks, LoaderReport* report = nullptr) {
    struct Nothing final : BatchStream {
      std::optional<Batch> next() override { return std::nullopt; }
      std::optional<Batch> try_next() override { return std::nullopt; }
    };
    options.memory = options_.memory;
    options.prefetch = options_.prefetch;
    std::vector<std::unique_ptr<Loader>> loaders;
    std::vector<std::unique_ptr<StopLoader>> stoppers;
    std::list<Forensics::Watched> watched;
    for (int r = 0; r < local_ranks; ++r) {
      loaders.push_back(std::make_unique<Loader>(test_, *recipe_, options));
      stoppers.push_back(std::make_unique<StopLoader>(context_.stop, *loaders.back()));
      watched.emplace_back(context_.forensics, *loaders.back(), "evaluation loader", spec_.loader.watchdog_seconds);
    }
    std::vector<Nothing> nothing(crew_.trainers.size());
    std::list<FaultWatch> faults;
    for (auto& loader : loaders)
      if (report) faults.emplace_back(*loader, faults_, options.faults.action, context_.out, "evaluation: ");
    const train::Evaluation all = by_rank([&](std::size_t r) -> BatchStream& {
      if (r < loaders.size()) return loaders[r]->stream();
      return nothing[r];
    });
    if (report && !loaders.empty()) *report = loaders[0]->report();
    return all;
  }

  const Spec& spec_;
  const Source& test_;
  Crew& crew_;
  const LoaderOptions& options_;
  FaultFile& faults_;
  const Context& context_;
  std::unique_ptr<Recipe> recipe_;
};

}  // namespace

Counted counted_by(EvaluationBeside how, std::uint64_t images, std::uint64_t global_batch, std::uint64_t ranks) {
  switch (how) {
    case EvaluationBeside::none: break;
    case EvaluationBeside::drop_last: return {images / global_batch * global_batch, images % global_batch, 0};
    case EvaluationBeside::padded: return {images + (ranks - images % ranks) % ranks, 0, (ranks - images % ranks) % ranks};
    case EvaluationBeside::replicated: return {images * ranks, 0, images * (ranks - 1)};
  }
  return {images, 0, 0};
}

bool evaluate(const Spec& spec, const Source& test, Crew& crew, const LoaderOptions& options, FaultFile& faults, const Context& context, Json& record) {
  Evaluator evaluator(spec, test, crew, options, faults, context);
  LoaderReport report;
  const train::Evaluation all = evaluator.exact(options, report);
  if (all.stop_requested) return false;
  add_evaluation(record, all);
  record["evaluation_bad_samples"] = test.size() - all.scored;  // Of all ranks.
  if (!all.scored) refuse_empty("evaluation", report);

  const EvaluationBeside how = spec.train.evaluation_beside;
  if (how == EvaluationBeside::none) return true;
  const RankShape shape = crew.ranks.shape();
  const std::uint64_t ranks = static_cast<std::uint64_t>(shape.size), global = global_batch(spec.data, shape);
  const Counted counts = counted_by(how, test.size(), global, ranks);
  double correct = double(all.correct), loss = all.loss * double(all.scored), scored = double(all.scored);
  if (how == EvaluationBeside::replicated) {
    const train::Evaluation everywhere = evaluator.replicated();
    if (everywhere.stop_requested) return false;
    correct = double(everywhere.correct), scored = double(everywhere.scored), loss = everywhere.loss * scored;
    record["evaluate_seconds"] = all.seconds + everywhere.seconds;
  } else if (counts.missed || counts.doubled) {
    // The samples in which the two ways differ: the last ones, or the first ones again.
    train::Evaluation part;
    if (counts.missed) {
      LoaderOptions rest = options;
      rest.batch = std::min(global, test.size());
      rest.first_batch = test.size() / global;
      rest.batches = 1;
      part = evaluator.exact(rest, report);
    } else {
      // A set of fewer samples than ranks is repeated whole, too.
      const double whole = double(counts.doubled / test.size());
      correct += whole * double(all.correct), loss += whole * all.loss * double(all.scored), scored += whole * double(all.scored);
      if (counts.doubled % test.size()) part = evaluator.first(counts.doubled % test.size());
    }
    if (part.stop_requested) return false;
    const double sign = counts.missed ? -1 : 1;
    correct += sign * double(part.correct), loss += sign * part.loss * double(part.scored), scored += sign * double(part.scored);
    record["evaluate_seconds"] = all.seconds + part.seconds;
  }
  const bool any = scored > 0;
  record["evaluation_beside"] = {{"how", to_json(spec).at("train").at("evaluation_beside")},
                                 {"scored", static_cast<std::uint64_t>(scored)},
                                 {"missed", counts.missed},
                                 {"doubled", counts.doubled},
                                 {"accuracy", any ? Json(correct / scored) : Json(nullptr)},
                                 {"loss", any ? finite(loss / scored) : Json(nullptr)}};
  return true;
}

}  // namespace millrace

#include "pipeline/loader.h"

#include "pipeline/loader_rows.h"

namespace millrace {
namespace {

void check(const Source& source, const LoaderOptions& o) {
  const auto need = [](bool ok, const std::string& what, const char* hint) {
    if (!ok) throw Error(ErrorKind::usage, what, hint);
  };
  need(o.workers >= 0, "loader.workers = " + std::to_string(o.workers), "0 loads in the trainer's thread, N starts N threads a rank");
  need(o.workers <= kMaxThreads / std::max(1, o.local_ranks), std::to_string(o.workers) + " workers a rank are more than " +
       std::to_string(kMaxThreads) + " threads", "set loader.workers to at most the number of cores");
  need(o.prefetch >= 1, "loader.prefetch = " + std::to_string(o.prefetch), "set it to 1 or more batches");
  need(o.local_ranks >= 1 && o.first_rank >= 0 && o.first_rank + o.local_ranks <= o.world_size, "ranks do not fit the world",
       "check train.ranks");
  need(o.extra_us_per_image >= 0, "a negative loader.extra_us_per_image", "set it to 0 or more microseconds");
  need(o.make_decoder || !(source.info().raw_size == Size{}), "the source " + source.info().name + " holds encoded pictures and no decoder was given",
       "set LoaderOptions::make_decoder");
}

PlanOptions plan_of(const Source& source, const LoaderOptions& o) {
  return {source.size(), o.batch, o.world_size, o.sampler, o.drop_last, o.seed};
}

}  // namespace

struct Loader::Impl {
  Impl(const Source& source, const Recipe& recipe, const LoaderOptions& options)
      : plan(plan_of(source, options)),
        format(recipe.format()),
        jpeg_ways(options.jpeg_ways),
        began(SteadyClock::now()),
        work(source, recipe, options, std::max(1, options.workers) * options.local_ranks),
        engine(options.workers == 0 ? make_inline_engine(work, plan_of(source, options), format)
                                    : make_graph_engine(work, plan_of(source, options), format)) {}

  Plan plan; // Only asked for sizes.
  RowFormat format;
  std::shared_ptr<const JpegWays> jpeg_ways;
  SteadyClock::time_point began;
  RowWork work;
  std::unique_ptr<LoaderEngine> engine;
};

Loader::Loader(const Source& source, const Recipe& recipe, LoaderOptions options) {
  check(source, options);
  impl_ = std::make_unique<Impl>(source, recipe, options);
}
Loader::~Loader() = default;

BatchStream& Loader::stream(int local_rank) { return impl_->engine->stream(local_rank); }
void Loader::forget_slowest() { impl_->work.clocks.forget_slowest(); }
void Loader::request_stop() noexcept { impl_->engine->request_stop(); }
std::uint64_t Loader::bytes() const { return impl_->engine->bytes(); }
const RowFormat& Loader::format() const { return impl_->format; }
std::uint64_t Loader::steps_per_epoch() const { return impl_->plan.steps_per_epoch(); }
std::uint64_t Loader::samples_per_epoch() const { return impl_->plan.samples_per_epoch(); }

LoaderReport Loader::report() const {
  const RowWork& work = impl_->work;
  LoaderReport report;
  for (int s = 0; s < kStages; ++s) report.stages.push_back({static_cast<Stage>(s), work.clocks.stats(static_cast<Stage>(s))});
  report.queues = impl_->engine->queue_stats();
  report.slowest = work.clocks.slowest();
  report.batches_delivered = work.batches_delivered;
  report.images_delivered = work.images_delivered;
  report.progressive_jpegs = work.progressive_jpegs;
  if (const auto& ways = impl_->jpeg_ways) {
    report.fast_jpegs = ways->fast.load(std::memory_order_relaxed);
    report.library_jpegs = ways->library.load(std::memory_order_relaxed);
  }
  report.bad_samples = work.ledger.count();
  report.bad_files = work.ledger.files();
  report.faults = work.ledger.listed();
  report.bytes = bytes();
  report.large_pictures = work.workspaces.shrunk();
  report.memory = work.memory().name();
  report.threads_seen = work.clocks.threads_seen();
  report.wall_seconds = seconds_between(impl_->began, SteadyClock::now());
  return report;
}

LoaderSnapshot Loader::snapshot() const {
  LoaderSnapshot out;
  const RowWork& work = impl_->work;
  for (int t = 0; t < work.activities.threads(); ++t) out.workers.push_back(work.doing(t));
  impl_->engine->look(out);
  return out;
}

}  // namespace millrace

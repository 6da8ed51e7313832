#include "experiments/resume.h"

#include <cmath>
#include <filesystem>
#include <utility>

#include <nlohmann/json.hpp>

#include "experiments/opened.h"
#include "pipeline/clock.h"
#include "pipeline/error.h"
#include "train/load.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

Resume whole(Checkpoint checkpoint, std::vector<std::string> passed_over) {
  CheckpointState state = checkpoint_state(checkpoint.state, checkpoint.path + "/state.json");
  return {std::move(checkpoint), std::move(state), std::move(passed_over), {}};
}

std::optional<Resume> newest(const std::string& folder) {
  NewestCheckpoint newest = newest_checkpoint(folder);
  if (newest.found) return whole(*std::move(newest.found), std::move(newest.passed_over));
  if (newest.passed_over.empty()) return std::nullopt;
  std::string text = folder + ": no checkpoint is whole";
  for (const std::string& reason : newest.passed_over) text += "; " + reason;
  throw Error(ErrorKind::data, text, "remove the folder to begin anew");
}

Json versions() {
  const train::Versions v = train::load().versions();
  return {{"millrace", version()}, {"commit", build_commit()}, {"torch", v.torch}, {"cuda", v.cuda}, {"cudnn", v.cudnn}, {"nccl", v.nccl}};
}

}  // namespace

std::string checkpoint_folder(const std::string& out) { return out + "/checkpoints"; }

std::optional<Resume> find_resume(const std::string& wanted, const std::string& out) {
  if (wanted == "auto") return newest(checkpoint_folder(out));
  std::error_code error;
  std::string path = fs::path(wanted).lexically_normal().string();
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  for (const std::string& folder : {checkpoint_folder(path), path})
    if (!checkpoints_in(folder).empty()) return newest(folder);
  if (!fs::is_directory(path, error)) throw Error(ErrorKind::data, path + ": no such checkpoint", "a folder step-..., or auto");
  return whole(read_checkpoint(path), {});
}

std::vector<std::string> check_resume(const Resume& resume, const Spec& spec, const Source& source, const RankShape& ranks) {
  const CheckpointState& state = resume.state;
  auto changed = check_same_run(state, spec, source, global_batch(spec.data, ranks), resume.checkpoint.path);
  if (ranks.size != state.world_size)
    changed.push_back(std::to_string(ranks.size) + (ranks.size == 1 ? " rank" : " ranks") + " (was " + std::to_string(state.world_size) + ")");
  const std::uint64_t in_epoch = steps_per_epoch(source.size(), state.batch, spec.loader.drop_last), steps = steps_of(spec, source, ranks);
  const std::uint64_t epoch = state.sums.steps() ? (state.position - 1) / in_epoch : state.position / in_epoch;
  if (state.position > steps || state.sums.steps() > state.position || state.epoch != epoch)
    throw Error(ErrorKind::usage,
                resume.checkpoint.path + ": step " + std::to_string(state.position) + ", epoch " + std::to_string(state.epoch + 1) +
                    ", does not lie in a run of " + std::to_string(steps) + " steps, " + std::to_string(in_epoch) + " an epoch",
                "was the run made shorter?");
  return changed;
}

void check_fresh(const Spec& spec, const std::string& out) {
  if (!spec.train.checkpoints()) return;
  const auto there = checkpoints_in(checkpoint_folder(out));
  if (there.empty()) return;
  throw Error(ErrorKind::usage, there.front().path + ": an earlier run left its checkpoints here",
              "--resume auto goes on from it; to begin anew, remove " + checkpoint_folder(out) + " or name another folder with --out");
}

Json resume_record(const Resume& resume, const Context& context) {
  return {{"type", "resume"},
          {"run", resume.state.run},
          {"started", now_utc()},
          {"command", context.command},
          {"checkpoint", resume.checkpoint.path},
          {"position", resume.state.position},
          {"passed_over", resume.passed_over},
          {"changed", resume.changed},
          {"commit", build_commit()},
          {"host", to_json(context.host)},
          {"versions", versions()}};
}

RunCheckpoints::RunCheckpoints(const Spec& spec, const std::string& folder, const std::string& run, const Source& source, Crew& crew,
                               std::uint64_t steps_an_epoch, Reporter& out)
    : every_steps_(spec.train.checkpoint_every_steps),
      every_epochs_(spec.train.checkpoint_every),
      steps_an_epoch_(steps_an_epoch),
      accumulate_(static_cast<std::uint64_t>(spec.train.options.accumulate)),
      wanted_(!folder.empty() && spec.train.checkpoints()),
      crew_(crew),
      out_(out),
      own_(crew.trainers.size()) {
  if (!wanted_ || !crew.ranks.first()) return;
  const RankShape shape = crew.ranks.shape();
  state_.run = run;
  state_.spec = to_json(spec);
  state_.spec_digest = digest_of(spec);
  state_.loader_seed = spec.loader.seed;
  state_.samples = source.size();
  state_.fingerprint = source.info().fingerprint;
  state_.classes = class_names(source.info());
  state_.batch = global_batch(spec.data, shape);
  state_.world_size = shape.size;
  state_.device = crew.trainers[0]->device();
  state_.versions = versions();
  writer_.emplace(CheckpointerOptions{.folder = checkpoint_folder(folder),
                                      .keep = spec.train.keep_checkpoints,
                                      .warn = [&out](const std::string& text) { out.warning(text); }});
  writer_->prepare(*crew.trainers[0]);
}

std::uint64_t RunCheckpoints::steps_to_next(std::uint64_t position) const {
  if (!wanted_ || !every_steps_) return ~std::uint64_t{0};
  std::uint64_t next = position + every_steps_ - position % every_steps_;
  if (const std::uint64_t begun = next % steps_an_epoch_ % accumulate_) next += accumulate_ - begun;
  return next - position;
}

bool RunCheckpoints::due_after(std::uint64_t epoch, std::uint64_t position, bool last) const {
  return last || (every_epochs_ && (epoch + 1) % every_epochs_ == 0) || (every_steps_ && position % every_steps_ == 0);
}

std::vector<std::string> RunCheckpoints::gather_own() {
  std::vector<std::string> out;
  if (crew_.ranks.shape().size == 1) return out;
  crew_.run([&](std::size_t r) {
    crew_.trainers[r]->save(own_[r], /*own_only=*/true);
    train::World& world = *crew_.ranks.worlds[r];
    auto all = world.all_gather(own_as_bytes(own_[r]));
    if (world.rank() == 0) out = std::move(all);
  });
  return out;
}

namespace {

/// Whether training may go on from there: weights whose squares float32 does not hold make no loss.
bool worth_keeping(const train::EpochResult& so_far) {
  constexpr double kLargest = 1.8e19;
  return std::isfinite(so_far.loss_sum) && std::isfinite(so_far.weights_norm) && so_far.weights_norm < kLargest;
}

}  // namespace

void RunCheckpoints::take(std::uint64_t position, std::uint64_t epoch, EpochSums& sums) {
  if (!wanted_ || taken_ == position) return;
  if (!worth_keeping(sums.result())) {
    if (writer_ && !std::exchange(told_, true))
      out_.warning("no checkpoint of step " + std::to_string(position) + ": the loss or the weights have gone out of bounds; those before it stay");
    return;
  }
  const auto began = SteadyClock::now();
  auto own = gather_own();
  if (writer_) {
    state_.position = position;
    state_.epoch = static_cast<std::uint32_t>(epoch);
    state_.sums = sums;
    writer_->take(*crew_.trainers[0], position, to_json(state_), std::move(own));
  }
  taken_ = position;
  sums.checkpoint_seconds += seconds_between(began, SteadyClock::now());
}

}  // namespace millrace

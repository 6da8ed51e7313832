// Runs in this process, broken off and resumed, against one unbroken run: the same bytes at the end, the same records.
#include <cerrno>
#include <iomanip>
#include <sstream>

#include "experiments/document.h"
#include "experiments/resume.h"
#include "experiments/training.h"
#include "train/load.h"
#include "tests/checkpoint/checkpoint_fixture.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

class Resumed : public Checkpoints {
 protected:
  /// 2 epochs of 5 batches, the last of them short.
  Spec spec(const std::vector<std::pair<std::string, Json>>& sets = {}) {
    const std::string path = (folder_ / "spec.toml").string();
    put(path, R"([data]
name = "digits"
subset = 70
batch = 16
[loader]
workers = 2
seed = 3
[[augment]]
op = "random_affine"
degrees = 15
[train]
model = "toy"
optimizer = "adamw"
lr = 0.01
epochs = 2
evaluate_every = 2
threads = 1
checkpoint_every_steps = 1
keep_checkpoints = 100
)");
    Document document = read_document(path);
    for (const auto& [key, value] : sets) override_key(document, key, value, "--set " + key);
    return parse_spec(document, 4);
  }
  std::string out(const char* name) const { return (folder_ / name).string(); }

  struct Outcome {
    bool done = false;
    std::vector<Json> epochs;
  };
  /// Trains in `folder`, from its checkpoint of step `at` where that is given.
  Outcome run(const Spec& spec, const std::string& folder, const std::string& from = {}, std::stop_token stop = {},
              const std::function<void(const Json&)>& on_epoch = {}) {
    fs::create_directories(folder);
    Outcome outcome;
    SourceShelf sources([](const std::string&) {});
    const Context context{stop, reporter_, {}, "test"};
    std::optional<Resume> resume;
    if (!from.empty()) resume = find_resume(from, folder);
    const Ranks ranks = local_ranks(spec, train::load());
    if (resume) check_resume(*resume, spec, sources.train(spec.data), ranks.shape());
    outcome.done = run_training(
        spec, sources, context, resume ? resume->state.run : "the run", folder,
        [&](const Json& epoch) {
          outcome.epochs.push_back(epoch);
          if (on_epoch) on_epoch(epoch);
        },
        ranks, folder, resume ? &*resume : nullptr);
    return outcome;
  }
  static std::string step(const std::string& folder, int n) {
    std::ostringstream name;
    name << folder << "/checkpoints/step-" << std::setw(9) << std::setfill('0') << n;
    return name.str();
  }
  /// Weights and optimiser state after the last step.
  std::string end_of(const std::string& folder, int steps = 10) {
    return bytes(step(folder, steps) + "/weights.safetensors") + bytes(step(folder, steps) + "/optimizer.safetensors");
  }
  /// What an epoch's record says beside times.
  static std::string facts(const Json& epoch) {
    Json out;
    for (const char* key : {"epoch", "images", "steps", "loss", "digest", "weights_norm", "complete", "accuracy", "evaluation_loss"})
      out[key] = epoch.value(key, Json());
    return out.dump();
  }
  std::string complaint(const std::function<void()>& work, ErrorKind kind) {
    try {
      work();
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), kind) << e.what();
      return e.what();
    }
    return "nothing";
  }

  Reporter reporter_;
};

TEST_F(Resumed, AtEveryStepOnOtherWorkersARunEndsInTheSameBytes) {
  const Outcome whole = run(spec(), out("whole"));
  ASSERT_TRUE(whole.done);
  ASSERT_EQ(whole.epochs.size(), 2u);
  const std::string expected = end_of(out("whole"));
  ASSERT_GT(expected.size(), 1000u);
  for (int at = 1; at <= 10; ++at)
    for (const int workers : {0, 3}) {
      if (workers == 3 && at % 4) continue;
      fs::remove_all(out("part"));
      const Outcome part = run(spec({{"loader.workers", workers}, {"loader.prefetch", 3}}), out("part"), step(out("whole"), at));
      ASSERT_TRUE(part.done);
      // Resumed in its last position, a run still has its evaluation and its record to do.
      ASSERT_EQ(part.epochs.size(), at <= 5 ? 2u : 1u) << at;
      for (std::size_t i = 0; i < part.epochs.size(); ++i)
        EXPECT_EQ(facts(part.epochs[part.epochs.size() - 1 - i]), facts(whole.epochs[1 - i])) << "resumed at " << at;
      EXPECT_EQ(part.epochs[0].value("resumed_after_steps", 0), at <= 5 ? at : at - 5);
      if (at < 10) {
        EXPECT_EQ(end_of(out("part")), expected) << "resumed at " << at << " with " << workers << " workers";
      }
    }
}

TEST_F(Resumed, ARunWithoutCheckpointsTrainsToTheSameWeightsAndSaysTheSame) {
  const Outcome with = run(spec(), out("with"));
  const Outcome without = run(spec({{"train.checkpoint_every_steps", 0}}), out("without"));
  ASSERT_EQ(without.epochs.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(facts(with.epochs[i]), facts(without.epochs[i]));
  EXPECT_FALSE(fs::exists(out("without") + "/checkpoints"));
}

TEST_F(Resumed, ARunThatEndsAtItsTargetEndsThereAgain) {
  // Reached by the second of four epochs, from wherever it is resumed; the last checkpoint is where it ended.
  const std::vector<std::pair<std::string, Json>> target{{"train.epochs", 4}, {"train.evaluate_every", 1}, {"train.target_accuracy", 0.01}, {"train.patience", 2}, {"train.checkpoint_every_steps", 4}};
  const Outcome whole = run(spec(target), out("whole"));
  ASSERT_EQ(whole.epochs.size(), 2u);
  EXPECT_TRUE(whole.epochs[1].value("stopped_at_target", false));
  ASSERT_TRUE(fs::exists(step(out("whole"), 10)));
  for (const int at : {4, 8, 10}) {
    const Outcome part = run(spec(target), out(("part" + std::to_string(at)).c_str()), step(out("whole"), at));
    EXPECT_EQ(part.epochs.back()["epoch"], 2) << at;
    EXPECT_TRUE(part.epochs.back().value("stopped_at_target", false)) << at;
    EXPECT_EQ(facts(part.epochs.back()), facts(whole.epochs.back())) << at;
  }
}

TEST_F(Resumed, AStopLeavesACheckpointOfItsStep) {
  const Outcome whole = run(spec(), out("whole"));
  std::stop_source stop;
  // By epochs alone, so that only the stop can be the reason.
  const auto rare = [&](int workers) { return spec({{"train.checkpoint_every_steps", 0}, {"train.checkpoint_every", 2}, {"loader.workers", workers}}); };
  const Outcome first = run(rare(1), out("part"), {}, stop.get_token(), [&](const Json&) { stop.request_stop(); });
  EXPECT_FALSE(first.done);
  ASSERT_EQ(checkpoints_in(checkpoint_folder(out("part"))).size(), 1u);
  const Outcome second = run(rare(2), out("part"), "auto");
  EXPECT_TRUE(second.done);
  EXPECT_EQ(facts(second.epochs.back()), facts(whole.epochs.back()));
  EXPECT_EQ(end_of(out("part")), end_of(out("whole")));
}

TEST_F(Resumed, EpochsAndStepsDecideWhenAndHowManyStay) {
  run(spec({{"train.checkpoint_every_steps", 4}, {"train.checkpoint_every", 1}, {"train.keep_checkpoints", 3}}), out("a"));
  std::vector<std::uint64_t> steps;
  for (const auto& c : checkpoints_in(checkpoint_folder(out("a")))) steps.push_back(c.step);
  EXPECT_EQ(steps, (std::vector<std::uint64_t>{10, 8, 5}));
}

TEST_F(Resumed, OnSeveralRanksEachHasItsOwnBuffersBack) {
  const auto ranks = [&](int n, const char* buffers = "per-rank") {
    return spec({{"train.model", "toy-norm"}, {"train.ranks", n}, {"train.buffers", buffers}, {"train.peer_timeout", 20}});
  };
  for (const char* buffers : {"per-rank", "broadcast"}) {
    fs::remove_all(out("whole"));
    const Outcome whole = run(ranks(2, buffers), out("whole"));
    const std::string expected = end_of(out("whole")) + bytes(step(out("whole"), 10) + "/ranks.safetensors");
    for (const int at : {1, 4, 5, 8}) {
      fs::remove_all(out("part"));
      const Outcome part = run(ranks(2, buffers), out("part"), step(out("whole"), at));
      ASSERT_TRUE(part.done);
      EXPECT_EQ(facts(part.epochs.back()), facts(whole.epochs.back())) << buffers << ", resumed at " << at;
      EXPECT_EQ(end_of(out("part")) + bytes(step(out("part"), 10) + "/ranks.safetensors"), expected) << buffers << ", resumed at " << at;
    }
  }
  EXPECT_FALSE(read_checkpoint(step(out("whole"), 3)).own_of(1).empty());
  // Other numbers of ranks see the same batches.
  const std::string digest = run(ranks(2), out("two")).epochs.back()["digest"];
  for (const int n : {1, 3}) {
    fs::remove_all(out("part"));
    const Outcome part = run(ranks(n), out("part"), step(out("two"), 7));
    ASSERT_TRUE(part.done);
    EXPECT_EQ(part.epochs.back()["digest"], digest);
    EXPECT_EQ(part.epochs.back()["images"], 70);
  }
}

TEST_F(Resumed, CheckpointsFallBetweenUpdatesWhereGradientsAreAccumulated) {
  const auto accumulated = [&](int every) { return spec({{"train.accumulate", 2}, {"train.checkpoint_every_steps", every}}); };
  run(spec({{"train.accumulate", 2}, {"train.checkpoint_every_steps", 0}, {"train.checkpoint_every", 2}}), out("without"));
  run(accumulated(1), out("whole"));
  std::vector<std::uint64_t> steps;
  for (const auto& c : checkpoints_in(checkpoint_folder(out("whole")))) steps.push_back(c.step);
  EXPECT_EQ(steps, (std::vector<std::uint64_t>{10, 9, 7, 5, 4, 2}));
  EXPECT_EQ(end_of(out("whole")), end_of(out("without")));
  for (const int at : {2, 4, 7, 9}) {
    fs::remove_all(out("part"));
    ASSERT_TRUE(run(accumulated(1), out("part"), step(out("whole"), at)).done);
    EXPECT_EQ(end_of(out("part")), end_of(out("whole"))) << "resumed at " << at;
  }
}

TEST_F(Resumed, ARunMadeLongerGoesOn) {
  run(spec(), out("a"));
  const Outcome longer = run(spec({{"train.epochs", 3}}), out("a"), "auto");
  EXPECT_TRUE(longer.done);
  const Outcome whole = run(spec({{"train.epochs", 3}}), out("b"));
  EXPECT_EQ(end_of(out("a"), 15), end_of(out("b"), 15));
}

TEST_F(Resumed, AutoTakesTheNewestWholeOneAndSaysWhichItPassedOver) {
  run(spec(), out("a"));
  EXPECT_FALSE(find_resume("auto", out("nothing")));
  put(step(out("a"), 10) + "/weights.safetensors", "torn");
  fs::remove(step(out("a"), 9) + "/state.json");
  const auto resume = find_resume("auto", out("a"));
  ASSERT_TRUE(resume);
  EXPECT_EQ(resume->state.position, 8u);
  ASSERT_EQ(resume->passed_over.size(), 2u);
  EXPECT_EQ(resume->passed_over[0], step(out("a"), 10) + "/weights.safetensors: its sum is not that of sums.xxh128");
  EXPECT_EQ(resume->passed_over[1], step(out("a"), 9) + "/state.json: is missing");
  EXPECT_EQ(find_resume(out("a"), "elsewhere")->state.position, 8u);
  EXPECT_EQ(find_resume(out("a") + "/checkpoints/", "elsewhere")->state.position, 8u);
  EXPECT_EQ(find_resume(step(out("a"), 3) + "/", "elsewhere")->state.position, 3u);
  EXPECT_NE(complaint([&] { find_resume(step(out("a"), 10), ""); }, ErrorKind::data).find("its sum is not that"), std::string::npos);
  EXPECT_NE(complaint([&] { find_resume(out("b"), ""); }, ErrorKind::data).find("no such checkpoint"), std::string::npos);
  for (int n = 1; n <= 8; ++n) fs::remove(step(out("a"), n) + "/sums.xxh128");
  EXPECT_NE(complaint([&] { find_resume("auto", out("a")); }, ErrorKind::data).find("no checkpoint is whole"), std::string::npos);
}

TEST_F(Resumed, ACheckpointOfAnotherRunIsRefusedByTheSettingThatDiffers) {
  run(spec(), out("a"));
  const auto refused = [&](const std::string& key, const Json& value) {
    return complaint([&] { run(spec({{key, value}}), out("a"), "auto"); }, ErrorKind::usage);
  };
  EXPECT_EQ(refused("train.model", "lenet"), step(out("a"), 10) + ": of another run: train.model is \"toy\" there, \"lenet\" here");
  EXPECT_NE(refused("train.lr", 0.02).find("train.lr is 0.01 there, 0.02 here"), std::string::npos);
  EXPECT_NE(refused("loader.seed", 4).find("loader.seed is 3 there, 4 here"), std::string::npos);
  EXPECT_NE(refused("data.batch", 8).find("the global batch is 16 there, 8 here"), std::string::npos);
  EXPECT_NE(refused("augment", Json::array()).find("augment is [{"), std::string::npos);
  EXPECT_NE(refused("train.epochs", 1).find("does not lie in a run of 5 steps"), std::string::npos);
  EXPECT_NE(complaint([&] { check_fresh(spec(), out("a")); }, ErrorKind::usage).find("an earlier run left its checkpoints here"), std::string::npos);
  check_fresh(spec(), out("b"));
}

TEST_F(Resumed, AStateThatWasEditedIsRefusedWithItsPlace) {
  run(spec(), out("a"));
  const Json good = read_checkpoint(step(out("a"), 4)).state;
  EXPECT_EQ(checkpoint_state(good, "here").position, 4u);
  for (const auto& [key, inner] : good.items()) {
    if (key == "written") continue;
    Json without = good, mistyped = good;
    without.erase(key);
    mistyped[key] = Json::array({1});
    const bool may_lack = key == "classes" || key == "fingerprint";  // Checkpoints of earlier versions do.
    EXPECT_EQ(complaint([&] { checkpoint_state(without, "here"); }, ErrorKind::data) == "nothing", may_lack) << key;
    if (key == "spec" || key == "versions") continue;
    EXPECT_NE(complaint([&] { checkpoint_state(mistyped, "here"); }, ErrorKind::data), "nothing") << key;
  }
  Json newer = good;
  newer["format"] = 2;
  EXPECT_NE(complaint([&] { checkpoint_state(newer, "here"); }, ErrorKind::data).find("here: format 2"), std::string::npos);
}

TEST_F(Resumed, AFullDiskIsAWarningAndAtTheEndAnError) {
  std::vector<std::string> warnings;
  int failing = 1;
  train::TrainOptions options = spec().train.options;
  options.input = {1, 28, 28, Dtype::f32, Layout::nchw};
  const auto trainer = train::load().make_trainer(options);
  Checkpointer writer({.folder = parent(), .keep = 1, .before_call = [&](const char* call, const std::string&) {
                         return failing && std::string(call) == "write" ? ENOSPC : 0;
                       }, .warn = [&](const std::string& text) { warnings.push_back(text); }});
  const auto settle = [&] { return complaint([&] { writer.finish(); }, ErrorKind::data); };
  writer.take(*trainer, 1, Json::object());
  EXPECT_NE(settle().find("No space left on device"), std::string::npos);
  failing = 0;
  writer.take(*trainer, 2, Json::object());
  EXPECT_EQ(settle(), "nothing");
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("step-000000001/weights.safetensors: write: No space left on device"), std::string::npos);
  failing = 1;
  writer.take(*trainer, 3, Json::object());
  EXPECT_NE(settle().find("the last checkpoint could not be written"), std::string::npos);
  EXPECT_EQ(names(), (std::vector<std::string>{"step-000000002"}));
}

}  // namespace
}  // namespace millrace

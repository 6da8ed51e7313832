// Traces as files: of constructed lanes, and of the program itself.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>
#include <thread>

#include "experiments/trace_file.h"
#include "tests/experiments/program_fixture.h"

namespace millrace {
namespace {

using testing::HasSubstr;

SteadyClock::time_point at(std::int64_t ns) { return SteadyClock::time_point(std::chrono::nanoseconds(ns)); }

TEST(TraceFile, IsJsonWithTimesToTheNanosecond) {
  Trace trace;
  trace.lane("loader", "worker \"0\"").span("decode", at(1'002'003'004), at(1'002'003'011), TraceEvent::Of::sample, 17);
  trace.lane("loader", "queue of rank 0").count("batches", at(5), 2);
  std::ostringstream out;
  write_trace(trace, 1, out);
  EXPECT_THAT(out.str(), HasSubstr(R"({"ph":"X","name":"decode","pid":1,"tid":1,"ts":1002003.004,"dur":0.007,"args":{"sample":17}})"));
  EXPECT_THAT(out.str(), HasSubstr(R"({"ph":"C","name":"queue of rank 0","pid":1,"ts":0.005,"args":{"batches":2}})"));
  const Json json = Json::parse(out.str());
  EXPECT_EQ(json["traceEvents"].size(), 5u) << "process, its order, a thread, and two events";
  EXPECT_TRUE(json["otherData"]["dropped_events"].empty());
}

TEST(TraceFile, SaysHowManyEventsWereDropped) {
  Trace trace;
  TraceLane& lane = trace.lane("rank 0", "trainer");
  for (std::uint64_t i = 0; i < TraceLane::kMost + 3; ++i) lane.span("wait", at(1), at(2));
  std::ostringstream out;
  write_trace(trace, 1, out);
  EXPECT_EQ(Json::parse(out.str())["otherData"]["dropped_events"]["rank 0, trainer"], 3);
}

/// What a trace of the program holds, by thread.
class Traced : public Program {
 protected:
  struct Span {
    std::string name;
    double begin, end;
  };
  void read(const std::string& file) {
    std::ifstream in(folder_ / file);
    trace_ = Json::parse(in, nullptr, false);
    ASSERT_FALSE(trace_.is_discarded()) << file;
    std::map<std::pair<int, int>, std::string> names;
    std::map<int, std::string> groups;
    for (const Json& e : trace_["traceEvents"]) {
      if (e["ph"] == "M" && e["name"] == "process_name") groups[e["pid"]] = e["args"]["name"];
      if (e["ph"] == "M" && e["name"] == "thread_name") names[{e["pid"], e["tid"]}] = e["args"]["name"];
    }
    for (const Json& e : trace_["traceEvents"])
      if (e["ph"] == "X") {
        const std::string lane = groups[e["pid"]] + ", " + names[{e["pid"], e["tid"]}];
        const double begin = e["ts"].get<double>();
        lanes_[lane].push_back({e["name"], begin, begin + e["dur"].get<double>()});
      } else if (e["ph"] == "C") {
        ++counts_;
      }
  }
  /// Each span lies within the one that is open, or behind it, but for a nanosecond or two and what a double cannot hold: the longer the
  /// machine is up, the larger the times.
  static void expect_nested(const std::string& lane, std::vector<Span> spans) {
    double latest = 0;
    for (const Span& s : spans) latest = std::max(latest, s.end);
    const double rounding = 0.002 + 4 * (std::nextafter(latest, INFINITY) - latest);
    std::ranges::sort(spans, [](const Span& a, const Span& b) { return a.begin != b.begin ? a.begin < b.begin : a.end > b.end; });
    std::vector<Span> open;
    for (const Span& s : spans) {
      while (!open.empty() && open.back().end <= s.begin + rounding) open.pop_back();
      if (!open.empty()) {
        ASSERT_LE(s.end, open.back().end + rounding) << lane << ": " << s.name << " in " << open.back().name;
      }
      open.push_back(s);
    }
  }
  void expect_all_nested() {
    ASSERT_FALSE(lanes_.empty());
    for (const auto& [lane, spans] : lanes_) expect_nested(lane, spans);
  }
  /// Of all lanes whose names begin so: which worker does what is chance.
  double seconds_of(const std::string& lanes, const std::string& name) {
    double sum = 0;
    for (const auto& [lane, spans] : lanes_)
      for (const Span& s : spans)
        if (lane.starts_with(lanes) && s.name == name) sum += (s.end - s.begin) * 1e-6;
    return sum;
  }
  std::vector<Json> epochs() {
    std::vector<Json> out_records;
    for (const Json& record : read_records(out()))
      if (record["type"] == "epoch") out_records.push_back(record);
    return out_records;
  }
  /// The trainer's spans are the books: phase by phase, over all epochs.
  void expect_the_books(int ranks) {
    for (int r = 0; r < ranks; ++r) {
      std::map<std::string, double> booked;
      for (const Json& e : epochs())
        for (const auto& [phase, seconds] : e["ranks"][static_cast<std::size_t>(r)]["phases"].items()) booked[phase] += seconds.get<double>();
      ASSERT_EQ(booked.size(), 7u);
      for (const auto& [phase, seconds] : booked) EXPECT_NEAR(seconds_of("rank " + std::to_string(r) + ", trainer", phase), seconds, 1e-5) << phase;
    }
  }
  Json trace_;
  std::map<std::string, std::vector<Span>> lanes_;
  int counts_ = 0;
};

const char* const kToy = "[data]\nname = \"digits\"\nsubset = 640\nbatch = 32\n[loader]\nworkers = 2\n[train]\nmodel = \"toy\"\nthreads = 1\nepochs = 2\n";

TEST_F(Traced, ATrainingRunNestsAndAgreesWithItsBooks) {
  ASSERT_EQ(run({"train", spec(kToy), "--out", out(), "--trace", (folder_ / "trace.json").string()}), 0) << text("stderr");
  read("trace.json");
  expect_all_nested();
  expect_the_books(1);
  EXPECT_GT(counts_, 40);
  for (const char* lanes : {"loader, worker", "evaluation loader, worker"}) EXPECT_GT(seconds_of(lanes, "augment"), 0) << lanes;
  EXPECT_GT(seconds_of("rank 0, trainer", "evaluate"), 0);
}

TEST_F(Traced, RanksHaveLanesOfTheirOwnAndTheirAllReduce) {
  ASSERT_EQ(run({"train", spec(kToy), "--out", out(), "--ranks", "2", "--set", "train.sync=\"per-parameter\"", "--trace", (folder_ / "trace.json").string()}), 0) << text("stderr");
  read("trace.json");
  expect_all_nested();
  expect_the_books(2);
  for (const char* lane : {"rank 0, all-reduce", "rank 1, all-reduce"}) EXPECT_GT(seconds_of(lane, "all-reduce"), 0) << lane;
  EXPECT_GT(seconds_of("rank 1, trainer", "all-reduce"), 0);
}

TEST_F(Traced, AStoppedRunLeavesAWholeTrace) {
  const std::string endless = "[data]\nname = \"digits\"\nsubset = 640\nbatch = 32\n[train]\nmodel = \"sleep\"\nstep_microseconds = 1000\nepochs = 100000\n";
  const pid_t child = start({"train", spec(endless), "--out", out(), "--trace", (folder_ / "trace.json").string()});
  ASSERT_TRUE(says("epoch 2")) << text("stderr");
  kill(child, SIGINT);
  EXPECT_EQ(finish(child), 130) << text("stderr");
  read("trace.json");
  expect_all_nested();
}

TEST_F(Traced, ALoaderAloneIsTracedToo) {
  ASSERT_EQ(run({"bench", "loader", spec(kToy), "--epochs", "1", "--trace", (folder_ / "trace.json").string()}), 0) << text("stderr");
  read("trace.json");
  expect_all_nested();
  EXPECT_GT(seconds_of("loader, worker", "augment"), 0);
}

TEST_F(Traced, AFileThatCannotBeWrittenIsStatus2BeforeAnythingRuns) {
  EXPECT_EQ(run({"train", spec(kToy), "--out", out(), "--trace", (folder_ / "nowhere/trace.json").string()}), 2);
  EXPECT_THAT(text("stderr"), HasSubstr("cannot be written"));
}

TEST_F(Traced, Sigusr1AsksWhereEverythingIs) {
  const std::string endless = "[data]\nname = \"digits\"\nsubset = 640\nbatch = 32\n[train]\nmodel = \"sleep\"\nstep_microseconds = 1000\nepochs = 100000\n";
  const pid_t child = start({"train", spec(endless), "--out", out()});
  ASSERT_TRUE(says("epoch 1:")) << text("stderr");
  kill(child, SIGUSR1);
  ASSERT_TRUE(says("rank 0: ")) << text("stderr");
  kill(child, SIGTERM);
  EXPECT_EQ(finish(child), 143);
  for (const char* words : {"where everything is", "worker 0: ", "slot 3 of local rank 0: ", "queue of local rank 0: ", "rank 0: "}) EXPECT_THAT(text("stderr"), HasSubstr(words));
}

}  // namespace
}  // namespace millrace

// Each detector on tables that are sound, where it finds nothing, and on tables that are not.
#include "experiments/findings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiments/published.h"
#include "experiments/work.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using Detector = void (*)(const FigureTable&, Findings&);

std::vector<std::string> says(Detector detector, const Json& table) {
  Findings findings;
  detector(published_table(table), findings);
  std::vector<std::string> out;
  for (const Finding& f : findings) out.push_back(f.text);
  return out;
}

/// `{}` is null where an empty table is meant.
Json or_empty(Json table) { return table.is_null() ? Json::object() : table; }

Json row(const std::string& name, Json settings, Json figures, Json more = Json::object()) {
  Json out = {{"name", name}, {"settings", or_empty(std::move(settings))}, {"figures", or_empty(std::move(figures))}};
  for (const auto& [key, value] : more.items()) out[key] = value;
  return out;
}

/// A table of rows that share these settings.
Json table(Json settings, std::vector<Json> rows, Json more = Json::object()) {
  Json out = {{"settings", or_empty(std::move(settings))}, {"row", std::move(rows)}};
  for (const auto& [key, value] : more.items()) out[key] = value;
  return out;
}

TEST(WorkOfARow, IsCountedAsADistributedSamplerAndLoaderDo) {
  const auto steps = [](Json settings) {
    settings["images"] = 60000;
    const auto works = works_of(settings);
    return works.empty() ? std::vector<double>{} : std::vector<double>{works[0].steps, works[0].global_batch, works[0].trained};
  };
  EXPECT_THAT(steps({{"ranks", 4}, {"batch_per_rank", 256}, {"drop_last", true}}), ElementsAre(58, 1024, 59392));
  EXPECT_THAT(steps({{"ranks", 4}, {"batch_per_rank", 256}}), ElementsAre(59, 1024, 60000));
  EXPECT_THAT(steps({{"ranks", 8}, {"batch", 32}}), ElementsAre(1875, 32, 60000));
  EXPECT_THAT(steps({{"ranks", 4}, {"nodes", 2}, {"batch_per_node", 128}}), ElementsAre(235, 256, 60000));
  EXPECT_THAT(steps({{"ranks", 64}, {"batch", 32}}), IsEmpty()) << "no row a rank";
  EXPECT_EQ(works_of({{"batch", {32, 64}}, {"images", 100}}).size(), 2u);
}

TEST(WorkOfARow, OneProcessLoadsForAllReplicas) {
  EXPECT_EQ(works_of({{"mode", "dp"}, {"ranks", 8}, {"batch", 32}, {"workers", 4}})[0].workers, 4);
  EXPECT_EQ(works_of({{"mode", "ddp"}, {"ranks", 8}, {"batch", 32}, {"workers", 4}})[0].processes, 40);
}

TEST(ClosedBooks, SoundBooksCloseAndOthersAreSaidToBeOff) {
  const Json settings = {{"images", 1000}, {"epochs", 1}, {"batch", 10}, {"workers", 0}};
  EXPECT_THAT(says(closed_books, table(settings, {row("a", {}, {{"load", ".01"}, {"update", ".01"}, {"total", "2.00"}})})),
              ElementsAre(HasSubstr("add up to 2.0 s where the totals are 2.00 s: 1.00 times the wall")));
  EXPECT_THAT(says(closed_books, table(settings, {row("a", {}, {{"load", ".01"}, {"update", ".03"}, {"total", "2.00"}})})),
              ElementsAre(HasSubstr("2.00 times the wall")));
  EXPECT_THAT(says(closed_books, table(settings, {row("a", {}, {{"load", ".01"}, {"total", "2.00"}})})), IsEmpty());
}

TEST(ClosedBooks, WorkersCannotDeliverMoreThanTheirShare) {
  const Json settings = {{"images", 1000}, {"epochs", 1}, {"batch", 10}};
  const Json alone = row("alone", {{"workers", 0}}, {{"load", ".04"}, {"update", ".01"}, {"total", "5.00"}});
  EXPECT_THAT(
      says(closed_books, table(settings, {alone, row("two", {{"workers", 2}}, {{"load", ".001"}, {"update", ".01"}, {"total", "1.10"}})})),
      Contains(HasSubstr("impossible for 2 workers (20.00 ms of loading a batch against 11.00 ms")));
  EXPECT_THAT(
      says(closed_books, table(settings, {alone, row("two", {{"workers", 2}}, {{"load", ".011"}, {"update", ".01"}, {"total", "2.10"}})})),
      Contains(HasSubstr("the wall is 1.05 times the larger of load over workers and update")));
}

Json epochs_of(std::vector<std::array<const char*, 3>> rows) {
  std::vector<Json> out;
  for (const auto& [name, batch, epoch] : rows) out.push_back(row(name, {}, {{"t_batch", batch}, {"t_epoch", epoch}}));
  return table({{"images", 100}, {"batch", 10}}, out);
}

TEST(Identity, HoldsWithinWhatRoundingLeavesOpen) {
  EXPECT_THAT(says(identities, epochs_of({{"a", ".1", "1.04"}, {"b", ".1234567", "1.234567"}})),
              ElementsAre("The identity t_epoch = n x t_batch holds to 4 digits in 2 of 2 rows."));
  EXPECT_THAT(says(identities, epochs_of({{"a", ".1234567", "1.24"}})),
              ElementsAre(HasSubstr("not in a: 10 x .1234567 = 1.235 s, printed 1.240 s (-0.4 %)")));
}

TEST(CopiedCell, IsTheOneThatBreaksTheIdentity) {
  EXPECT_THAT(says(copied_cells, epochs_of({{"a", ".1234567", "1.234567"}, {"b", ".1234567", "1.5"}})),
              ElementsAre(AllOf(HasSubstr("t_batch of b equals that of a in every digit"), HasSubstr("1.5 / 10 = 0.150000 s"))));
  EXPECT_THAT(says(copied_cells, epochs_of({{"a", ".1234567", "1.234567"}, {"b", ".1234567", "1.234567"}})), IsEmpty());
  EXPECT_THAT(says(copied_cells, epochs_of({{"a", ".12", "1.2"}, {"b", ".12", "1.5"}})), IsEmpty()) << "two digits are equal by chance";
}

Json rate(const char* images_per_second, const char* seconds, Json batch) {
  return table({{"images", 1000}, {"batch", std::move(batch)}, {"drop_last", true}},
               {row("a", {}, {}, {{"series", {{"images_per_second", images_per_second}, {"seconds", seconds}}}})});
}

TEST(Identity, RateTimesTimeIsTheImages) {
  EXPECT_THAT(says(identities, rate("100.00", "10.00", 10)), IsEmpty());
  EXPECT_THAT(says(identities, rate("100.00", "9.50", 10)),
              ElementsAre(HasSubstr("= 950 images, 50 short of 1,000 (5.00 %, beyond rounding)")));
  EXPECT_THAT(says(identities, rate("100.00", "10.00", {10, 20})),
              ElementsAre(AllOf(HasSubstr("100 x 10 x 1 and 50 x 20 x 1"), HasSubstr("cannot tell"))));
}

TEST(Identity, ClassAccuraciesWeighedAreTheAccuracy) {
  const auto classes = [](const char* accuracy, const char* by_class) {
    return table({{"test_images", 400}}, {row("a", {}, {{"accuracy", accuracy}}, {{"class_accuracy", by_class}})},
                 {{"class_sizes", {100, 300}}, {"units", {{"accuracy", "%"}}}});
  };
  EXPECT_THAT(says(identities, classes("97.50", "99.00 97.00")), ElementsAre(AllOf(HasSubstr("97.50 %: they agree."), testing::Not(HasSubstr("scored")))));
  EXPECT_THAT(says(identities, classes("98.00", "99.00 97.00")), ElementsAre(HasSubstr("do not agree")));
}

TEST(Contradiction, NeedsOneSettingAndTwoOutcomes) {
  const auto two = [](double lr, const char* accuracy) {
    return table({{"batch_per_rank", 32}},
                 {row("a", {{"lr", {.08, .1}}}, {{"accuracy", ".1"}}), row("b", {{"lr", lr}}, {{"accuracy", accuracy}})});
  };
  EXPECT_THAT(says(contradictions, two(.08, ">.85")), ElementsAre(HasSubstr("a and b can be one setting")));
  EXPECT_THAT(says(contradictions, two(.05, ">.85")), IsEmpty());
  EXPECT_THAT(says(contradictions, two(.08, ".12")), IsEmpty());
}

Json claim(const Json& more) {
  Json out = {{"text", "b is faster"}, {"metric", "total"}, {"rows", {"a", "b"}}, {"discussed", {"mode"}}};
  for (const auto& [key, value] : more.items()) out[key] = value;
  return {{"claim", Json::array({out})}};
}

TEST(UnequalSettings, AreListedBesideTheArithmetic) {
  const auto two = [](int workers) {
    return table({},
                 {row("a", {{"mode", "x"}, {"workers", 0}}, {{"total", "20.0"}}),
                  row("b", {{"mode", "y"}, {"workers", workers}}, {{"total", "10.0"}})},
                 claim({}));
  };
  EXPECT_THAT(says(unequal_settings, two(4)),
              ElementsAre(AllOf(HasSubstr("2.00 times as fast, 50.0 % saved"), HasSubstr("differ in workers (0 against 4) as well"))));
  EXPECT_THAT(says(unequal_settings, two(0)), ElementsAre(HasSubstr("differ in nothing else")));
}

TEST(UnequalSettings, CountWhatFollowsFromThem) {
  const auto two = [](const Json& settings) {
    Json a = {{"ranks", 2}, {"nodes", 1}, {"batch_per_node", 128}, {"workers", 4}}, b = {{"ranks", 4}, {"nodes", 2}, {"batch_per_node", 128}, {"workers", 4}};
    Json more = claim({{"discussed", {"ranks", "nodes"}}});
    return table(settings, {row("a", a, {{"total", "20.0"}}), row("b", b, {{"total", "10.0"}})}, more);
  };
  const Json t = two({{"images", 50000}, {"epochs", 10}});
  EXPECT_THAT(says(unequal_settings, t),
              ElementsAre(AllOf(HasSubstr("global batch (128 against 256)"), HasSubstr("optimiser steps (3,910 against 1,960)"),
                                HasSubstr("workers in all (8 against 16)"), Not(HasSubstr("nothing else")))));
  EXPECT_THAT(says(unequal_work, t), ElementsAre(HasSubstr("another training run")));
}

TEST(UnequalWork, IsToldInBothOrders) {
  const auto family = [](const char* at_equal_g) {
    const Json settings = {{"images", 1000}, {"epochs", 2}, {"test_images", 1000}};
    Json c = {{"text", "more ranks are worse"}, {"metric", "accuracy"}, {"vary", "ranks"}, {"from", 1}, {"to", {2}},
              {"equal", {"batch_per_rank"}}};
    return table(settings,
                 {row("1x20", {{"ranks", 1}, {"batch_per_rank", 20}}, {{"accuracy", ".700"}}),
                  row("1x10", {{"ranks", 1}, {"batch_per_rank", 10}}, {{"accuracy", ".900"}}),
                  row("2x10", {{"ranks", 2}, {"batch_per_rank", 10}}, {{"accuracy", at_equal_g}})},
                 {{"claim", Json::array({c})}});
  };
  EXPECT_THAT(says(unequal_work, family(".800")),
              ElementsAre(AllOf(HasSubstr("worse in 1 of 1 cell"), HasSubstr("2 times the global batch"),
                                HasSubstr("At equal G (2x10 against 1x20) they are better in 1"))));
  EXPECT_THAT(says(unequal_work, table({{"images", 100}, {"epochs", 1}, {"batch", 10}},
                                       {row("a", {}, {{"total", "2"}}), row("b", {{"mode", "y"}}, {{"total", "1"}})}, claim({}))),
              IsEmpty());
}

TEST(HiddenParts, AreOneMinusMetricOverWall) {
  const Json rows = table({}, {row("a", {{"model", "m"}, {"ranks", 1}}, {{"t_epoch", ".25"}, {"wall", "1.00"}})});
  EXPECT_THAT(says(hidden_parts, rows), ElementsAre(HasSubstr("m, 1 rank 75 %")));
  EXPECT_THAT(says(hidden_parts, table({}, {row("a", {}, {{"t_epoch", ".25"}})})), IsEmpty());
}

TEST(HiddenParts, AGapThatStaysWhileTheMetricGrowsIsAFixedCost) {
  const auto gaps = [](const char* last) {
    std::vector<Json> rows;
    for (const auto& [t, wall] : {std::pair{"1.0", "5.0"}, {"10.0", "14.2"}, {"50.0", "54.1"}, {"100.0", last}})
      rows.push_back(row(std::string("r") + t, {{"ranks", 2}, {"workers", 3}}, {{"t_epoch", t}, {"wall", wall}}));
    return table({}, rows);
  };
  EXPECT_THAT(says(hidden_parts, gaps("104.5")), Contains(AllOf(HasSubstr("4.0-4.5 s in all 4 rows"), HasSubstr("start 3 workers"))));
  EXPECT_THAT(says(hidden_parts, gaps("120.0")), Not(Contains(HasSubstr("fixed cost"))));
}

TEST(Chance, RowsThatDifferInARepetitionKeyAloneGiveTheFloor) {
  const auto two = [](int seed) {
    return table(
        {{"epochs", 1}},
        {row("a", {{"launcher", "x"}}, {{"total", "100.0"}}), row("b", {{"launcher", "y"}, {"epochs", seed}}, {{"total", "110.0"}})},
        {{"repetitions", {{"differ_only_in", {"launcher"}}}}});
  };
  EXPECT_THAT(says(noise, two(1)), Contains(AllOf(HasSubstr("one setting run twice"), HasSubstr("(10.0 %)"))));
  EXPECT_THAT(says(noise, two(2)), Not(Contains(HasSubstr("one setting run twice"))));
}

TEST(Chance, AGapIsMeasuredInDeviationsOfTheTestSet) {
  const auto two = [](const char* accuracy) {
    return table({{"test_images", 10000}}, {row("a", {}, {{"accuracy", ".9900"}}), row("b", {}, {{"accuracy", accuracy}})});
  };
  EXPECT_THAT(says(noise, two(".9910")), Contains(HasSubstr("a ranking is not")));
  EXPECT_THAT(says(noise, two(".9700")), Contains(HasSubstr("more than chance explains")));
}

TEST(Chance, ATrendIsCountedPairByPair) {
  const auto along = [](const char* middle) {
    std::vector<Json> rows;
    for (const auto& [b, a] : {std::pair{64, ".95"}, {128, middle}, {256, ".93"}})
      rows.push_back(row("b" + std::to_string(b), {{"batch", b}}, {{"accuracy", a}}));
    return table(
        {}, rows,
        {{"trend", Json::array({{{"text", "smaller is better"}, {"metric", "accuracy"}, {"along", "batch"}, {"direction", "falls"}}})}});
  };
  EXPECT_THAT(says(broken_trends, along(".94")), ElementsAre(HasSubstr("holds in 3 of 3 pairs.")));
  EXPECT_THAT(says(broken_trends, along(".96")), ElementsAre(AllOf(HasSubstr("2 of 3 pairs"), HasSubstr("b128 (.96) against b64 (.95)"))));
}

TEST(Counts, DroppedRepeatedAndAveragedImagesAreCounted) {
  const auto one = [](Json settings) {
    Json all = {{"images", 60000}, {"test_images", 10000}, {"epochs", 10}, {"ranks", 4}, {"batch_per_rank", 256}};
    for (const auto& [key, value] : settings.items()) all[key] = value;
    return says(counts, table(all, {row("a", {}, {})}));
  };
  EXPECT_THAT(one({{"validation", "exact"}}), IsEmpty());
  EXPECT_THAT(one({{"validation", "drop_last"}}), ElementsAre(HasSubstr("scored of 10,000 images are 9,216 (W 4, b 256)")));
  EXPECT_THAT(one({{"drop_last", true}}), ElementsAre(HasSubstr("leaves out 608")));
  EXPECT_THAT(one({{"validation", "replicated"}}), ElementsAre(AllOf(HasSubstr("40,000"), HasSubstr("W 4 40 %"))));
  EXPECT_THAT(one({{"validation_metrics", "summed over ranks"}}), ElementsAre(HasSubstr("a 4 times too large")));
  EXPECT_THAT(one({{"validation", "sharded"}, {"buffers", "per-rank"}, {"norm_layers", 3}}),
              ElementsAre(HasSubstr("BatchNorm buffers of its own")));
}

Json seconds(const char* series) { return table({}, {row("a", {}, {}, {{"series", {{"seconds", series}}}})}); }

TEST(FirstEpoch, IsOffByMoreThanFivePerCentOrNotNamed) {
  EXPECT_THAT(says(first_epochs, seconds("1.5 1.0 1.0")), ElementsAre(HasSubstr("0.50 s (14 % of the total) are start-up")));
  EXPECT_THAT(says(first_epochs, seconds("1.02 1.0 1.0")), IsEmpty());
}

TEST(FirstEpoch, ARateThatIsARunsFirstIsNamed) {
  const auto rates = [](const char* printed_rate) {
    return table({}, {row("a", {}, {{"images_per_second", printed_rate}}),
                      row("b", {}, {}, {{"series", {{"images_per_second", "1835.553 1881.526"}}}})});
  };
  EXPECT_THAT(says(first_epochs, rates("1835")), ElementsAre(HasSubstr("a's 1835 images/s are b's first epoch")));
  EXPECT_THAT(says(first_epochs, rates("1881")), IsEmpty());
}

TEST(NotLearning, IsChanceForTwoEpochs) {
  const auto curve = [](const char* accuracy) {
    return table({{"classes", 10}}, {row("a", {}, {}, {{"series", {{"accuracy", accuracy}}}})});
  };
  EXPECT_THAT(says(dead_rows, curve(".5 .1 .1")), ElementsAre(HasSubstr("a since epoch 2")));
  EXPECT_THAT(says(dead_rows, curve(".1 .5 .6")), IsEmpty());
}

TEST(BreakEven, IsAskedOnlyWhereMoreRanksAreSlower) {
  const auto two = [](const char* many) {
    return table({{"images", 100}, {"epochs", 1}, {"batch", 32}},
                 {row("one", {{"ranks", 1}}, {{"total", "10.0"}}), row("many", {{"ranks", 2}}, {{"total", many}})},
                 {{"break_even", Json::array({{{"one", "one"}, {"many", "many"}}})}});
  };
  EXPECT_THAT(says(break_even, two("15.0")), ElementsAre(HasSubstr("from a global batch of 64 on"))) << "10 G = 5 G + 10, in units of 32";
  EXPECT_THAT(says(break_even, two("8.0")), IsEmpty());
}

TEST(Link, ExtraTimeAStepIsBytesOverARate) {
  const auto two = [](const char* across) {
    return table({{"images", 1000}, {"epochs", 1}, {"batch_per_rank", 10}, {"parameters", 25000000}},
                 {row("near", {{"ranks", 2}}, {{"total", "5.0"}}), row("far", {{"ranks", 2}, {"nodes", 2}}, {{"total", across}})},
                 {{"link", Json::array({{{"within", {"near"}}, {"across", "far"}}})}, {"assume", {{"link_gbits", {1}}}}});
  };
  // 50 steps; 10 s more: 200 ms for 100 MB by a ring of two.
  EXPECT_THAT(says(implied_link, two("15.0")), ElementsAre(AllOf(HasSubstr("200 ms more"), HasSubstr("4.0 Gbit/s effective"),
                                                                 HasSubstr("1 Gbit/s is excluded: at least 800 ms"))));
  EXPECT_THAT(says(implied_link, two("4.0")), IsEmpty());
}

TEST(SmallPrint, SettingsWithoutEffectFoldersUsedTwiceAndRatesOffTheRules) {
  const Json idle = {{"idle", Json::array({{{"key", "jitter"}, {"because", "policy"}}})}};
  EXPECT_THAT(says(idle_keys, table({{"jitter", .4}, {"policy", "m9"}}, {row("a", {}, {})}, idle)),
              ElementsAre(HasSubstr("jitter = 0.4 has no effect")));
  EXPECT_THAT(says(idle_keys, table({{"jitter", .4}}, {row("a", {}, {})}, idle)), IsEmpty());
  const auto folders = [](const char* second) {
    return table({{"loads_checkpoint", "weights"}}, {row("a", {{"output", "x"}}, {}), row("b", {{"output", second}}, {})});
  };
  EXPECT_THAT(says(reused_folders, folders("x")), ElementsAre(HasSubstr("a and b write to one folder")));
  EXPECT_THAT(says(reused_folders, folders("y")), IsEmpty());
  const Json rules = {{"reference", {{"lr", .01}, {"batch", 32}}}};
  EXPECT_THAT(says(learning_rates, table({{"lr", .08}, {"batch", 512}, {"ranks", 4}}, {row("a", {}, {})}, rules)),
              ElementsAre(AllOf(HasSubstr("linear 0.16, square root 0.040"), HasSubstr("8 ranks of 32, and 4 ran"))));
  EXPECT_THAT(says(learning_rates, table({{"lr", .08}}, {row("a", {}, {})}, Json::object())), IsEmpty());
}

TEST(Figures, KeepTheirDigitsTheirMarkAndWhatRoundsToThem) {
  const Figure f = printed(".9250 [c]");
  EXPECT_EQ(f.text, ".9250");
  EXPECT_EQ(f.mark, "c");
  EXPECT_NEAR(f.low, .92495, 1e-12);
  EXPECT_NEAR(f.high, .92505, 1e-12);
  EXPECT_EQ(f.digits(), 4u);
  EXPECT_EQ(printed("40-60").value, 50);
  EXPECT_TRUE(printed(">.85").at_least);
  for (const char* bad : {"", ".", "a", "1e9", "1..2", "-3", "5 [x]", "60-40", "> .85"}) EXPECT_THROW(printed(bad), std::exception) << bad;
}

TEST(PublishedTables, WhatIsWrongInThemIsNamedWithItsPlace) {
  const auto refused = [](const Json& bad, const char* message) {
    EXPECT_THAT([&] { published_table(bad); }, testing::ThrowsMessage<std::exception>(HasSubstr(message))) << bad;
  };
  refused({{"rows", Json::array()}}, "unknown key 'rows'");
  refused({{"row", {1, 2}}}, "'row' is a list of tables");
  refused({{"row", {{{"figures", Json::object()}}}}}, "row 1: a value is missing");
  refused({{"row", {{{"name", "a"}, {"figures", {{"total", 1}}}}}}}, "row 1: ");
  refused({{"row", {{{"name", "a"}, {"figures", {{"total", "fast"}}}}}}}, "row 1: 'fast' is not a figure");
  refused({{"row", {{{"name", "a"}, {"kinds", "b"}}}}}, "no [kinds.b]");
  refused({{"row", {{{"name", "a"}}, {{"name", "a"}}}}}, "row 2: a second row 'a'");
  refused({{"claim", {{{"text", "t"}, {"rows", {"a", "b"}}}}}}, "claim 1: no row 'a'");
  refused({{"order", {{{"text", "t"}, {"along", "x"}, {"direction", "up"}}}}}, "order 1: 'direction'");
  refused({{"link", {{{"across", 1}}}}}, "[[link]] needs a text 'across'");
  refused({{"title", 1}}, "wrong type");
}

}  // namespace
}  // namespace millrace

#include "experiments/agreement.h"

#include <gmock/gmock.h>

#include "pipeline/error.h"

namespace millrace {
namespace {

using testing::HasSubstr;

const Facts kUsual{{"train.lr", "0.01"}, {"the data set", "mnist"}};
Facts with(const std::string& name, const std::string& value) {
  Facts out = kUsual;
  for (auto& fact : out)
    if (fact.first == name) fact.second = value;
  return out;
}

TEST(Agreement, EqualRanksAgree) { EXPECT_EQ(difference_of({kUsual, kUsual, kUsual}), ""); }

TEST(Agreement, TheRankThatDiffersIsNamedWithTheThing) {
  EXPECT_EQ(difference_of({kUsual, kUsual, with("train.lr", "0.1")}), "rank 2 differs in train.lr: 0.1, where rank 0 has 0.01");
  EXPECT_EQ(difference_of({with("the data set", "cifar10"), kUsual, kUsual}), "rank 0 differs in the data set: cifar10, where rank 1 has mnist");
}

TEST(Agreement, OfTwoRanksTheSecondDiffers) {
  EXPECT_EQ(difference_of({kUsual, with("train.lr", "0.1")}), "rank 1 differs in train.lr: 0.1, where rank 0 has 0.01");
}

TEST(Agreement, WhatOneRankLacksIsADifference) {
  EXPECT_EQ(difference_of({kUsual, {kUsual[0]}}), "rank 1 differs in the data set: nothing, where rank 0 has mnist");
  EXPECT_EQ(difference_of({{kUsual[0]}, kUsual}), "rank 1 differs in the data set: mnist, where rank 0 has nothing");
}

TEST(Agreement, FactsTravelAsWords) {
  const Facts odd{{"a \"quoted\" name", "line\nbreak"}, {"empty", ""}};
  EXPECT_EQ(facts_from(to_words(odd), 0), odd);
}

TEST(Agreement, WordsThatAreNoFactsNameTheRank) {
  for (const char* words : {"", "{}", "[]", "[1]", "[[\"a\"]]", "[[\"a\", 1]]", "\xff"}) {
    try {
      facts_from(words, 3);
      FAIL() << words;
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), HasSubstr("rank 3 does not say"));
      EXPECT_EQ(exit_code(e.kind()), 5);
    }
  }
}

/// Whatever this rank says, the others say something else.
struct Others final : train::World {
  int rank() const override { return 0; }
  int size() const override { return 2; }
  std::string name() const override { return "test"; }
  std::vector<std::string> all_gather(const std::string& words) override { return {words, to_words({{"train.lr", "1"}})}; }
  void barrier() override {}
  void abort(const std::string&) noexcept override {}
};

TEST(Agreement, EndsTheRunOnTheRankItself) {
  Others world;
  agree(world, {{"train.lr", "1"}});
  EXPECT_THROW(agree(world, {{"train.lr", "2"}}), Error);
}

}  // namespace
}  // namespace millrace

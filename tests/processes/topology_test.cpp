// What ranks say of where they run, and what follows for each.
#include "experiments/topology.h"

#include <gtest/gtest.h>

#include "pipeline/error.h"

namespace millrace {
namespace {

TEST(Topology, CountsHostsThatHoldDifferentNumbersOfRanks) {
  const std::vector<Place> places{{"a", "a 0", "11"}, {"a", "a 0", "11"}, {"b", "b 1", "11"}};
  EXPECT_EQ(topology_of(places, 0).nodes, 2);
  EXPECT_EQ(topology_of(places, 1).on_machine, 2);
  EXPECT_EQ(topology_of(places, 2).on_machine, 1);
}

TEST(Topology, OneMachineMayBeSeveralNodesWhichShareItsCores) {
  const std::vector<Place> places{{"a", "a net1", "1111"}, {"a", "a net2", "1111"}};
  const Topology t = topology_of(places, 0);
  EXPECT_EQ(t.nodes, 2);
  EXPECT_EQ(t.on_machine, 2);
  EXPECT_EQ(t.on_cores, 2);
}

TEST(Topology, RanksThatAreBoundToCoresOfTheirOwnDoNotShare) {
  const std::vector<Place> places{{"a", "a", "1"}, {"a", "a", "01"}, {"a", "a", "0011"}, {"a", "a", "0001"}};
  EXPECT_EQ(topology_of(places, 0).on_cores, 1);
  EXPECT_EQ(topology_of(places, 1).on_cores, 1);
  EXPECT_EQ(topology_of(places, 2).on_cores, 2);
  EXPECT_EQ(topology_of(places, 2).on_machine, 4);
}

TEST(Topology, APlaceTravelsInWords) {
  const Place here = place_here("3"), there = place_from(to_words(here), 1);
  EXPECT_EQ(there.machine, here.machine);
  EXPECT_EQ(there.node, here.node);
  EXPECT_EQ(there.cores, here.cores);
  EXPECT_EQ(here.node, place_here("3").node);
  EXPECT_NE(here.node, place_here("4").node);
  EXPECT_EQ(here.machine, place_here("4").machine);
  for (const char* words : {"", "[]", "[1,2,3]", "{", "[\"a\",\"b\"]"}) EXPECT_THROW(place_from(words, 1), Error) << words;
}

}  // namespace
}  // namespace millrace

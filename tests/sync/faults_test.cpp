#include "pipeline/faults.h"

#include <gtest/gtest.h>

#include <thread>

namespace millrace {
namespace {

/// Of `n` files, from sample `first` on.
std::vector<Fault> faults(std::size_t n, std::uint64_t first = 0) {
  std::vector<Fault> out;
  for (std::size_t i = 0; i < n; ++i) out.push_back({FaultKind::truncated, first + i, std::to_string(first + i) + ".jpg", 12, "no end"});
  return out;
}

TEST(FaultLedger, FailNamesTheFirstFault) {
  FaultLedger ledger({});
  EXPECT_EQ(ledger.book(10, 0, {}), "");
  EXPECT_EQ(ledger.book(10, 2, faults(2)), "0.jpg: truncated at byte 12: no end");
}

TEST(FaultLedger, ACountIsExceededOnlyByStrictlyMore) {
  FaultLedger ledger({.action = OnBadSample::skip, .max_count = 3});
  EXPECT_EQ(ledger.book(10, 3, faults(3)), "");
  EXPECT_NE(ledger.book(10, 1, faults(1)), "");
}

TEST(FaultLedger, AFractionIsNotJudgedBeforeTheProbationEnds) {
  FaultLedger ledger({.action = OnBadSample::skip, .max_fraction = 0.1, .probation = 100});
  EXPECT_EQ(ledger.book(99, 99, faults(99)), "");
  EXPECT_NE(ledger.book(1, 1, faults(1)).find("(judged from 100 samples on)"), std::string::npos);
}

TEST(FaultLedger, TheBudgetIsOfRowsNotOfTheSubstitutesThatWereTried) {
  FaultLedger ledger({.action = OnBadSample::substitute, .max_count = 5});
  EXPECT_EQ(ledger.book(10, 5, faults(9)), "");
  EXPECT_EQ(ledger.count(), 5u);
  EXPECT_EQ(ledger.files(), 9u);
  FaultLedger unlimited({.action = OnBadSample::substitute});
  EXPECT_EQ(unlimited.book(104, 104, faults(140)), "");
}

TEST(FaultLedger, AFileThatIsMetAgainTakesNoPlaceInTheList) {
  FaultLedger ledger({.action = OnBadSample::skip});
  for (int epoch = 0; epoch < 120; ++epoch) EXPECT_EQ(ledger.book(60, 11, faults(11)), "");
  EXPECT_EQ(ledger.book(60, 1, faults(1, 50)), "");
  EXPECT_EQ(ledger.count(), 120u * 11 + 1);
  EXPECT_EQ(ledger.files(), 12u);
  ASSERT_EQ(ledger.listed().size(), 12u);
  EXPECT_EQ(ledger.listed().back().origin, "50.jpg");
}

TEST(FaultLedger, ListsABoundedNumberOfFilesAndCountsAll) {
  FaultLedger ledger({.action = OnBadSample::skip});
  for (std::uint64_t i = 0; i < 3; ++i) EXPECT_EQ(ledger.book(5000, 5000, faults(5000, 5000 * i)), "");
  EXPECT_EQ(ledger.count(), 15000u);
  EXPECT_EQ(ledger.files(), 15000u);
  EXPECT_EQ(ledger.listed().size(), FaultLedger::kMaxListed);
}

TEST(FaultLedger, CanBeReadWhileItIsWritten) {
  FaultLedger ledger({.action = OnBadSample::skip});
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < 500; ++i) (void)ledger.book(1, 1, faults(1, i));
  });
  while (ledger.count() < 500) (void)ledger.listed();
  writer.join();
}

}  // namespace
}  // namespace millrace

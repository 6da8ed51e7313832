#include "pipeline/faults.h"

#include <gtest/gtest.h>

#include <thread>

namespace millrace {
namespace {

std::vector<Fault> faults(std::size_t n) { return std::vector<Fault>(n, Fault{FaultKind::truncated, 3, "a.jpg", 12, "no end"}); }

TEST(FaultLedger, FailNamesTheFirstFault) {
  FaultLedger ledger({});
  EXPECT_EQ(ledger.book(10, {}), "");
  EXPECT_EQ(ledger.book(10, faults(2)), "a.jpg: truncated at byte 12: no end");
}

TEST(FaultLedger, ACountIsExceededOnlyByStrictlyMore) {
  FaultLedger ledger({.action = OnBadSample::skip, .max_count = 3});
  EXPECT_EQ(ledger.book(10, faults(3)), "");
  EXPECT_NE(ledger.book(10, faults(1)), "");
}

TEST(FaultLedger, AFractionIsNotJudgedBeforeTheProbationEnds) {
  FaultLedger ledger({.action = OnBadSample::skip, .max_fraction = 0.1, .probation = 100});
  EXPECT_EQ(ledger.book(99, faults(99)), "");
  EXPECT_NE(ledger.book(1, faults(1)), "");
}

TEST(FaultLedger, ListsABoundedNumberAndCountsAll) {
  FaultLedger ledger({.action = OnBadSample::skip});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ledger.book(500, faults(500)), "");
  EXPECT_EQ(ledger.count(), 1500u);
  EXPECT_EQ(ledger.listed().size(), FaultLedger::kMaxListed);
}

TEST(FaultLedger, CanBeReadWhileItIsWritten) {
  FaultLedger ledger({.action = OnBadSample::skip});
  std::thread writer([&] {
    for (int i = 0; i < 500; ++i) (void)ledger.book(1, faults(1));
  });
  while (ledger.count() < 500) (void)ledger.listed();
  writer.join();
}

}  // namespace
}  // namespace millrace

#include "pipeline/workers.h"

#include <gtest/gtest.h>

#include <set>

namespace millrace {
namespace {

/// Workers that add up the numbers they are sent, and note which threads did.
class WorkersTest : public testing::Test {
 protected:
  std::function<void()> shift() {
    return [this] {
      workers->collect([this](int piece) { sum += piece; });
      {
        std::lock_guard lock(mutex);
        threads.insert(std::this_thread::get_id());
        ++shifts;
      }
      changed.notify_all();
    };
  }
  void wait_until(const std::function<bool()>& reached) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    for (std::unique_lock lock(mutex); !reached(); changed.wait_for(lock, std::chrono::milliseconds(5)))
      ASSERT_LT(std::chrono::steady_clock::now(), end);
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::set<std::thread::id> threads;
  int shifts = 0;
  std::atomic<std::int64_t> sum{0};
  std::optional<Workers<int>> workers;
};

TEST_F(WorkersTest, CollectsEveryPieceOfMailOnce) {
  workers.emplace(3, shift());
  std::vector<std::thread> senders;
  for (int s = 0; s < 4; ++s)
    senders.emplace_back([&] {
      for (int i = 1; i <= 500; ++i) workers->send(i);
    });
  for (std::thread& sender : senders) sender.join();
  wait_until([&] { return sum == 4 * 500 * 501 / 2; });
  workers.reset();
  EXPECT_EQ(sum, 4 * 500 * 501 / 2);
}

TEST_F(WorkersTest, CallsWakeThreadsThatSleep) {
  workers.emplace(3, shift());
  // Again and again: a call is for those who sleep at that moment, and threads take their time to begin.
  wait_until([&] {
    workers->call(3);
    return threads.size() == 3;
  });
}

TEST_F(WorkersTest, MailDuringAShiftBeginsAnother) {
  std::atomic<bool> inside = false, go_on = false;
  std::atomic<int> seen = 0;
  workers.emplace(1, [&] {
    workers->collect([&](int piece) { seen += piece; });
    inside = true;
    inside.notify_all();
    go_on.wait(false);
    changed.notify_all();
  });
  workers->send(1);
  inside.wait(false);
  workers->send(10);
  go_on = true;
  go_on.notify_all();
  wait_until([&] { return seen == 11; });
}

TEST_F(WorkersTest, IsDismissedAsleepOrWithMailLeft) {
  for (int i = 0; i < 200; ++i) {
    workers.emplace(2, shift());
    if (i % 2) workers->send(i);
    if (i % 3) workers->call(2);
    workers->dismiss();
    workers.reset();
  }
}

}  // namespace
}  // namespace millrace

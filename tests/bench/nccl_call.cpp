// What a collective of a non-blocking NCCL communicator costs the thread that calls it: NCCL 2.28 starts a thread for each call, which
// enqueues the kernel, and the caller asks until that has answered. Here the thread does nothing but take as long as an enqueuing does.
//   bench_nccl_call [enqueue_us=10] [calls=2000]
// Prints medians of: the thread made and joined, then asking with a sleep of 20 us between (timer slack as it is, and at 1 us), and asking as Millrace does.
#include <sys/prctl.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

#include "pipeline/clock.h"
#include "train/device_wait.h"

using namespace millrace;

namespace {

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

/// One call: starts the thread, waits for its answer with `rest` between two questions, and joins it.
double call(double enqueue_us, const std::function<void(double)>& rest) {
  const auto began = SteadyClock::now();
  std::atomic<bool> answered{false};
  std::thread enqueues([&] {
    const auto until = SteadyClock::now() + std::chrono::duration<double, std::micro>(enqueue_us);
    while (SteadyClock::now() < until) {
    }
    answered = true;
  });
  while (rest && !answered) rest(seconds_between(began, SteadyClock::now()));
  enqueues.join();
  return 1e6 * seconds_between(began, SteadyClock::now());
}

}  // namespace

int main(int argc, char** argv) {
  const double enqueue_us = argc > 1 ? std::atof(argv[1]) : 10;
  const int calls = argc > 2 ? std::atoi(argv[2]) : 2000;
  const auto sleeps = [](double) { std::this_thread::sleep_for(std::chrono::microseconds(20)); };
  std::vector<double> alone, slack, exact, ours;
  for (int i = 0; i < calls; ++i) { // In turns, since other programs disturb.
    alone.push_back(call(enqueue_us, nullptr));
    prctl(PR_SET_TIMERSLACK, 50'000); // The system's default.
    slack.push_back(call(enqueue_us, sleeps));
    prctl(PR_SET_TIMERSLACK, 1'000);
    exact.push_back(call(enqueue_us, sleeps));
    ours.push_back(call(enqueue_us, [](double waited) { train::rest_after(waited); }));
  }
  std::printf("a call, us, medians of %d: thread made and joined %.1f, asked each 20 us of sleep %.1f, the same with a slack of 1 us %.1f, as Millrace asks %.1f\n", calls, median(alone), median(slack),
              median(exact), median(ours));
}

// Time of the local all-reduce: bench_all_reduce [RANKS [MIB [REPETITIONS]]]. Prints one JSON line; milliseconds, median and range.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "pipeline/clock.h"
#include "train/local_group.h"

int main(int argc, char** argv) {
  using namespace millrace;
  const int ranks = argc > 1 ? std::atoi(argv[1]) : 2, repetitions = argc > 3 ? std::atoi(argv[3]) : 200;
  const double mib = argc > 2 ? std::atof(argv[2]) : 4;
  train::LocalGroup group(ranks, 60);
  std::vector<double> milliseconds;
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < ranks; ++rank)
    threads.emplace_back([&, rank] {
      std::vector<float> values(static_cast<std::size_t>(mib * (1 << 18)), 1e-3f);
      for (int i = -10; i < repetitions; ++i) {
        group.barrier(rank);
        const auto began = SteadyClock::now();
        group.all_reduce_sum(rank, std::span(values));
        if (rank == 0 && i >= 0) milliseconds.push_back(1e3 * seconds_between(began, SteadyClock::now()));
        for (std::size_t v = 0; v < values.size(); v += 512) values[v] = 1e-3f; // Or sums overflow.
      }
    });
  for (auto& thread : threads) thread.join();
  std::sort(milliseconds.begin(), milliseconds.end());
  const auto at = [&](double share) { return milliseconds[static_cast<std::size_t>(share * static_cast<double>(milliseconds.size() - 1))]; };
  std::printf("{\"ranks\": %d, \"mib\": %g, \"repetitions\": %d, \"ms_median\": %.3f, \"ms_p5\": %.3f, \"ms_p95\": %.3f}\n", ranks, mib, repetitions, at(0.5), at(0.05), at(0.95));
}

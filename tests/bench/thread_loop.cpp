// The flow graph beside a hand-written thread loop over the same source, decoder and recipe: what do ordered delivery, bounded
// memory, clocks and faults cost? The loop's threads make whole batches of their own, in no order, into memory of their own.
//   bench_thread_loop SPEC [workers=1] [seconds=2] [key=value...]
// Windows take turns; prints each pair, the medians and the ratio. The last line is JSON.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "experiments/assemble.h"
#include "experiments/host.h"
#include "pipeline/clock.h"

using namespace millrace;

namespace {

constexpr int kPairs = 7;

/// One thread's batches until `stop`; returns how many rows were made.
std::uint64_t make_batches(const Spec& spec, const Source& source, const Recipe& recipe, int thread, const std::atomic<bool>& stop) {
  const auto decoder = make_decoder(spec.data, spec.loader);
  const std::size_t row_bytes = recipe.format().bytes();
  std::vector<std::uint8_t> memory(spec.data.batch * row_bytes + 64);
  std::uint8_t* rows = memory.data() + (64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64) % 64;
  Buffer file, canvas;
  Scratch scratch;
  Rng order({.seed = 1, .sample = static_cast<std::uint64_t>(thread)});
  std::vector<std::uint64_t> ids(spec.data.batch);
  std::uint64_t made = 0;
  volatile std::uint8_t seen = 0;
  while (!stop.load(std::memory_order_relaxed)) {
    for (std::uint64_t& id : ids) id = order.below(source.size());
    for (std::size_t i = 0; i < ids.size(); ++i, ++made) {
      const RngKey key{.seed = 1, .epoch = static_cast<std::uint32_t>(made / source.size()), .sample = ids[i]};
      const Expected<Sample> sample = source.read(ids[i], file);
      if (!sample) std::abort();
      ImageInfo info{sample->pixels.size(), sample->pixels.channels};
      if (!sample->raw()) info = *decoder->header(sample->bytes);
      const Expected<Draw> draw = recipe.draw(info, key);
      const Roi visible = inside(draw->framing.roi, info.size);
      const ImageView pixels = sample->raw() ? sample->pixels.crop(visible) : *decoder->decode(sample->bytes, visible, canvas);
      if (!recipe.apply(*draw, info, pixels, rows + i * row_bytes, scratch)) std::abort();
    }
    for (std::size_t i = 0; i < ids.size() * row_bytes; i += 4096) seen = seen + rows[i];
  }
  return made;
}

double loop_rate(const Spec& spec, const Source& source, const Recipe& recipe, int workers, double seconds) {
  std::atomic<bool> stop = false;
  std::vector<std::uint64_t> made(static_cast<std::size_t>(workers));
  std::vector<std::thread> threads;
  const auto began = SteadyClock::now();
  for (int t = 0; t < workers; ++t)
    threads.emplace_back([&, t] { made[static_cast<std::size_t>(t)] = make_batches(spec, source, recipe, t, stop); });
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  std::uint64_t rows = 0;
  for (const std::uint64_t n : made) rows += n;
  return double(rows) / seconds_between(began, SteadyClock::now());
}

double graph_rate(const Spec& spec, const Source& source, const Recipe& recipe, int workers, double seconds) {
  LoaderOptions options = loader_options(spec);
  options.workers = workers;
  options.drop_last = true;
  Loader loader(source, recipe, options);
  volatile std::uint8_t seen = 0;
  const auto take = [&] {
    const auto batch = loader.stream().next();
    for (std::size_t i = 0; i < batch->image_bytes().size(); i += 4096) seen = seen + batch->images()[i];
    return static_cast<std::uint64_t>(batch->rows());
  };
  take();  // Threads and pages are there.
  const auto began = SteadyClock::now();
  std::uint64_t rows = 0;
  while (seconds_between(began, SteadyClock::now()) < seconds) rows += take();
  return double(rows) / seconds_between(began, SteadyClock::now());
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: bench_thread_loop SPEC [workers] [seconds] [key=value...]\n"), 2;
  const int workers = argc > 2 ? std::atoi(argv[2]) : 1;
  const double seconds = argc > 3 ? std::atof(argv[3]) : 2;
  try {
    Document document = read_document(argv[1]);
    for (int i = 4; i < argc; ++i) {
      const std::string text = argv[i];
      const auto equals = text.find('=');
      override_key(document, text.substr(0, equals), parse_value(text.substr(equals + 1)), text);
    }
    const Spec spec = parse_spec(document, read_host().cores);
    SourceShelf sources([](const std::string& warning) { std::fprintf(stderr, "%s\n", warning.c_str()); });
    const Source& source = sources.train(spec.data);
    const auto recipe = make_recipe(spec, source.info(), false);
    loop_rate(spec, source, *recipe, workers, 0.5);  // Warm: pages of the files.
    std::vector<double> loop, graph, ratio;
    for (int pair = 0; pair < kPairs; ++pair) {
      loop.push_back(loop_rate(spec, source, *recipe, workers, seconds));
      graph.push_back(graph_rate(spec, source, *recipe, workers, seconds));
      ratio.push_back(graph.back() / loop.back());
      std::printf("thread loop %.0f, graph %.0f images/s: %.3f\n", loop.back(), graph.back(), ratio.back());
    }
    const auto [low, high] = std::minmax_element(ratio.begin(), ratio.end());
    const nlohmann::ordered_json out = {{"spec", argv[1]},
                                        {"workers", workers},
                                        {"loop_images_per_second", median(loop)},
                                        {"images_per_second", median(graph)},
                                        {"graph_over_loop", median(ratio)},
                                        {"lowest", *low},
                                        {"highest", *high}};
    std::printf("%s\n", out.dump().c_str());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  return 0;
}

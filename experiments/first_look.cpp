#include "experiments/first_look.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>

#include "pipeline/clock.h"
#include "pipeline/cores.h"
#include "pipeline/error.h"

namespace millrace {
namespace {

__extension__ using Wide = unsigned __int128;  // A product of two positions in the largest of sets.

constexpr std::uint64_t kHeadBytes = 16 << 10;  // Holds the header of most files; what a camera puts before it may be longer.
constexpr std::size_t kMostFaults = 1000;
constexpr double kMostSeconds = 10;

/// What is wrong with the sample, as far as its header tells.
std::optional<Fault> fault_of(const Source& source, const Recipe& recipe, const LoaderOptions& options, std::uint64_t index, Decoder& decoder, Buffer& file) {
  const auto judge = [&](const Expected<Sample>& sample) -> std::optional<Fault> {
    if (!sample) return sample.error();
    if (sample->raw()) return std::nullopt;
    const Expected<ImageInfo> info = decoder.header(sample->bytes);
    if (!info) return info.error();
    const Expected<Draw> draw = recipe.draw(*info, {options.seed, 0, index, 0});
    return draw ? std::nullopt : std::optional(draw.error());
  };
  std::optional<Fault> fault = judge(source.read_head(index, file, kHeadBytes));
  if (fault) fault = judge(source.read(index, file));
  if (!fault) return fault;
  fault->index = index;
  if (fault->origin.empty()) fault->origin = source.origin(index);
  return fault;
}

/// A step through 0 .. n-1 that meets each once, and any beginning of which is spread over all.
std::uint64_t spread_step(std::uint64_t n) {
  auto step = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(double(n) * 0.618));
  while (std::gcd(step, n) != 1) ++step;
  return step;
}

}  // namespace

FirstLook look_at_headers(const Source& source, const Recipe& recipe, const LoaderOptions& options, double most_seconds, std::stop_token stop,
                          const std::function<void(std::uint64_t)>& shown) {
  FirstLook out;
  const auto began = SteadyClock::now();
  const std::uint64_t size = source.size(), step = spread_step(size);
  std::atomic<std::uint64_t> next{0}, looked_at{0};
  std::mutex mutex;
  const auto work = [&](bool shows) {
    const auto decoder = options.make_decoder();
    Buffer file;
    std::vector<Fault> found;
    std::uint64_t bad = 0;
    while (!stop.stop_requested() && seconds_between(began, SteadyClock::now()) < most_seconds) {
      const std::uint64_t i = next.fetch_add(1);
      if (i >= size) break;
      const auto index = static_cast<std::uint64_t>(static_cast<Wide>(i) * step % size);
      if (auto fault = fault_of(source, recipe, options, index, *decoder, file)) {
        ++bad;
        if (found.size() < kMostFaults) found.push_back(*std::move(fault));
      }
      const std::uint64_t so_far = looked_at.fetch_add(1) + 1;
      if (shows && shown) shown(so_far);
    }
    std::lock_guard lock(mutex);
    out.bad += bad;
    out.faults.insert(out.faults.end(), found.begin(), found.end());
  };
  std::exception_ptr error;  // The first of any thread.
  const auto guarded = [&](bool shows) {
    try {
      work(shows);
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
    }
  };
  {
    const auto threads = std::min<std::uint64_t>(static_cast<std::uint64_t>(usable_cores()), std::max<std::uint64_t>(1, size / 64));
    std::vector<std::jthread> others;
    for (std::uint64_t t = 1; t < threads; ++t) others.emplace_back([&] { guarded(false); });
    guarded(true);
  }
  if (error) std::rethrow_exception(error);
  out.looked_at = looked_at;
  std::ranges::sort(out.faults, {}, &Fault::index);
  out.seconds = seconds_between(began, SteadyClock::now());
  return out;
}

void check_test_set(const Spec& spec, const Source& test, const LoaderOptions& options, FaultFile& faults, std::stop_token stop, Reporter& out) {
  if (!(test.info().raw_size == Size{})) return;
  const auto recipe = make_recipe(spec, test.info(), true);
  // Ranks of other processes wait meanwhile.
  const double seconds = std::min(kMostSeconds, spec.train.peer_timeout / 3);
  const std::string of_all = " of " + grouped(double(test.size())) + " ";
  const FirstLook look = look_at_headers(test, *recipe, options, seconds, stop, [&](std::uint64_t n) { out.progress("test set: headers of " + grouped(double(n)) + of_all + "pictures"); });
  if (stop.stop_requested()) return;
  if (look.looked_at < test.size())
    out.note("test set: the headers of " + grouped(double(look.looked_at)) + of_all + "pictures were looked at in " + fixed(look.seconds, 0) + " s; the others' show when they are scored");
  if (!look.bad) return;
  LoaderReport report;
  report.faults = look.faults;
  report.bad_samples = look.bad;
  report.bad_files = look.bad;
  const std::string counted = grouped(double(look.bad)) + of_all + (test.size() == 1 ? "picture" : "pictures") + " of the test set cannot be scored";
  const std::string first = "; the first: " + describe(look.faults.front());
  if (options.faults.action == OnBadSample::fail || look.bad == test.size()) faults.add(report);
  if (look.bad == test.size()) refuse_empty("the test set", report);
  if (options.faults.action != OnBadSample::fail) return out.warning(counted + " and will be left out" + first);
  throw Error(ErrorKind::data, counted + first, "mend or remove what is named, or set loader.on_bad_sample = \"skip\": it is then left out, and counted");
}

}  // namespace millrace

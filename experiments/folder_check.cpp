#include "experiments/folder_check.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>

#include "experiments/opened.h"
#include "experiments/phrases.h"
#include "experiments/terminal.h"
#include "pipeline/cores.h"
#include "pipeline/faults.h"

namespace millrace {
namespace {

constexpr std::size_t kMostRows = 40, kEndRows = 15, kMostLines = 20;

std::uint64_t pixels(Size s) { return static_cast<std::uint64_t>(s.width) * static_cast<std::uint64_t>(s.height); }
std::string text_of(Size s) { return std::to_string(s.width) + " x " + std::to_string(s.height); }

/// One thread's part of the check, added to the whole at its end.
class Part {
 public:
  Part(const Source& source, std::unique_ptr<Decoder> decoder) : source_(source), decoder_(std::move(decoder)) { found_.bad.resize(source.info().classes.size()); }

  void look(std::uint64_t index) {
    ++found_.checked;
    Expected<Size> size = decode(index);
    if (size) return found_.sizes.push_back(*size);
    Fault fault = std::move(size).error();
    fault.index = index;
    if (fault.origin.empty()) fault.origin = source_.origin(index);
    ++found_.bad_by_kind[name_of(fault.kind)];
    ++found_.bad[class_of(index)];
    if (found_.faults.size() < FolderCheck::kMostFaults) found_.faults.push_back(std::move(fault));
  }

  void add_to(FolderCheck& sum) const {
    sum.checked += found_.checked;
    sum.bytes += found_.bytes;
    for (std::size_t c = 0; c < found_.bad.size(); ++c) sum.bad[c] += found_.bad[c];
    for (const auto& [kind, count] : found_.bad_by_kind) sum.bad_by_kind[kind] += count;
    sum.faults.insert(sum.faults.end(), found_.faults.begin(), found_.faults.end());
    sum.sizes.insert(sum.sizes.end(), found_.sizes.begin(), found_.sizes.end());
  }

 private:
  Expected<Size> decode(std::uint64_t index) {
    const Expected<Sample> sample = source_.read(index, file_);
    if (!sample) return tl::unexpected(sample.error());
    found_.bytes += sample->bytes.size();
    const Expected<ImageInfo> info = decoder_->header(sample->bytes);
    if (!info) return tl::unexpected(info.error());
    const Size size = info->size;
    const Expected<ImageView> view = decoder_->decode(sample->bytes, {0, 0, size.width, size.height}, canvas_);
    if (!view) return tl::unexpected(view.error());
    return size;
  }

  /// A folder's samples are ordered by class; of one that cannot be read this is what is left to know it by.
  std::size_t class_of(std::uint64_t index) const {
    std::size_t c = 0;
    for (const auto& sizes = source_.info().class_sizes; c + 1 < sizes.size() && index >= sizes[c]; ++c) index -= sizes[c];
    return c;
  }

  const Source& source_;
  const std::unique_ptr<Decoder> decoder_;
  Buffer file_, canvas_;
  FolderCheck found_;
};

std::string class_table(const FolderCheck& check, const SourceInfo& info) {
  Table table({"class", "images", "%", "bad"});
  const std::vector<std::string> names = class_names(info);
  const std::vector<std::uint64_t>& sizes = info.class_sizes;
  std::vector<std::size_t> order(sizes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const bool cut = order.size() > kMostRows;
  if (cut) std::ranges::stable_sort(order, std::ranges::greater(), [&](std::size_t c) { return sizes[c]; });
  const double all = double(std::accumulate(sizes.begin(), sizes.end(), std::uint64_t{0}));
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (cut && i == kEndRows) table.add({"... " + std::to_string(order.size() - 2 * kEndRows) + " more", "", "", ""});
    if (cut && i >= kEndRows && i < order.size() - kEndRows) continue;
    const std::size_t c = order[i];
    table.add({names[c], grouped(double(sizes[c])), fixed(100 * double(sizes[c]) / all, 1), grouped(double(check.bad[c]))});
  }
  const auto [least, most] = std::ranges::minmax(sizes);
  const std::string balance = least == most ? "all classes have as many images" : "the largest class has " + significant(double(most) / double(std::max<std::uint64_t>(1, least)), 3) + " times the images of the smallest";
  return table.text() + balance + "\n";
}

}  // namespace

std::uint64_t FolderCheck::bad_in_all() const { return std::accumulate(bad.begin(), bad.end(), std::uint64_t{0}); }

FolderCheck check_pictures(const Source& source, const std::function<std::unique_ptr<Decoder>()>& make_decoder, std::stop_token stop,
                           const std::function<void(std::uint64_t)>& shown) {
  FolderCheck out;
  out.bad.resize(source.info().classes.size());
  std::atomic<std::uint64_t> next{0};
  std::mutex mutex;
  const auto work = [&](bool shows) {
    Part part(source, make_decoder());
    for (std::uint64_t i = next.fetch_add(1); i < source.size() && !stop.stop_requested(); i = next.fetch_add(1)) {
      part.look(i);
      if (shows && shown) shown(i);
    }
    std::lock_guard lock(mutex);
    part.add_to(out);
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
    std::vector<std::jthread> others;
    for (int t = 1; t < usable_cores(); ++t) others.emplace_back([&] { guarded(false); });
    guarded(true);
  }
  if (error) std::rethrow_exception(error);
  std::ranges::sort(out.faults, {}, &Fault::index);
  if (out.faults.size() > FolderCheck::kMostFaults) out.faults.resize(FolderCheck::kMostFaults);
  std::ranges::sort(out.sizes, {}, pixels);
  return out;
}

std::string text_of(const FolderCheck& check, const Source& source) {
  std::string out = opened_text(source) + "\n" + class_table(check, source.info());
  out += grouped(double(check.checked)) + " pictures decoded whole, " + bytes_text(double(check.bytes));
  if (!check.sizes.empty())
    out += ": " + text_of(check.sizes.front()) + " to " + text_of(check.sizes.back()) + " pixels, the middle one " + text_of(check.sizes[check.sizes.size() / 2]);
  const std::uint64_t bad = check.bad_in_all();
  if (!bad) return out + "; none is broken\n";
  std::vector<std::string> kinds;
  for (const auto& [kind, count] : check.bad_by_kind) kinds.push_back(std::to_string(count) + " " + kind);
  out += "; " + grouped(double(bad)) + (bad == 1 ? " is" : " are") + " broken (" + joined(kinds) + ")\n";
  for (std::size_t i = 0; i < std::min(kMostLines, check.faults.size()); ++i) out += "  " + describe(check.faults[i]) + "\n";
  if (bad > kMostLines) out += "  and " + grouped(double(bad - kMostLines)) + " more\n";
  return out;
}

}  // namespace millrace

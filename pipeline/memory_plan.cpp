#include "pipeline/memory_plan.h"

#include <algorithm>

#include "pipeline/decode_memory.h"
#include "pipeline/loader_rows.h"

namespace millrace {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kPictures = 32;        // Headers looked at.
constexpr std::uint32_t kDraws = 4;            // Of the largest picture: operations differ in what they need.
constexpr std::uint64_t kSlackBytes = kMiB;    // A file or a draw that is a little larger than those that were looked at.
constexpr std::uint64_t kDecoderBytes = kMiB;  // A decoder's rows and tables, of any picture; DecodeMemory says what grows with it.
// Measured. Where pictures are decoded, code alone takes 8 MiB, and malloc's thresholds follow the largest block that was ever freed.
constexpr std::uint64_t kCodeBytes = 4 * kMiB, kDecodingCodeBytes = 12 * kMiB;
constexpr std::uint64_t kThreadBytes = kMiB, kDecodingThreadBytes = 5 * kMiB;

/// What one worker's workspace grows to on these pictures.
void look(const Source& source, const Recipe& recipe, const LoaderOptions& options, MemoryForecast& out) {
  Workspace workspace;
  if (options.make_decoder) workspace.decoder = options.make_decoder();
  const std::uint64_t pictures = std::min(source.size(), source.info().raw_size == Size{} ? kPictures : 1);
  ImageInfo largest;
  std::uint64_t largest_pixels = 0, largest_bytes = 0, decode_bytes = 0;
  const auto* memory = dynamic_cast<const DecodeMemory*>(workspace.decoder.get());
  for (std::uint64_t i = 0; i < pictures; ++i) {
    const Expected<Sample> sample = source.read(i * source.size() / pictures, workspace.file);
    if (!sample) continue;  // The loader will say so.
    ImageInfo info{sample->pixels.size(), sample->pixels.channels};
    if (!sample->raw()) {
      const Expected<ImageInfo> header = workspace.decoder->header(sample->bytes);
      if (!header) continue;
      info = *header;
      out.largest_file = std::max<std::uint64_t>(out.largest_file, sample->bytes.size());
    }
    ++out.looked_at;
    const auto pixels = static_cast<std::uint64_t>(info.size.width) * static_cast<std::uint64_t>(info.size.height);
    const std::uint64_t beside = memory && !sample->raw() ? memory->decode_bytes() : 0;
    const std::uint64_t bytes = pixels * static_cast<std::uint64_t>(info.channels) + beside;
    if (bytes <= largest_bytes) continue;
    largest = info;
    largest_pixels = pixels;
    largest_bytes = bytes;
    decode_bytes = beside;
  }
  out.largest = largest.size;
  if (largest_pixels == 0) return;
  const auto channels = static_cast<std::uint64_t>(largest.channels);
  const ImageView whole{workspace.canvas.reserve(largest_pixels * channels), largest.size.width, largest.size.height, largest.channels,
                        static_cast<std::ptrdiff_t>(largest.size.width) * largest.channels};
  std::fill_n(workspace.canvas.data(), largest_pixels * channels, std::uint8_t{0});  // What is in it does not matter, but it must be something.
  Buffer row;
  row.reserve(recipe.format().bytes());
  for (std::uint32_t epoch = 0; epoch < kDraws; ++epoch) {
    const Expected<Draw> draw = recipe.draw(largest, {options.seed, epoch, 0, 0});
    if (!draw) continue;
    // Its faults are the loader's to report.
    static_cast<void>(recipe.apply(*draw, largest, whole.crop(inside(draw->framing.roi, largest.size)), row.data(), workspace.scratch));
  }
  const bool decodes = source.info().raw_size == Size{};
  out.buffer_bytes = workspace.bytes() + (decodes ? kSlackBytes : 0);
  out.buffers = {.file = workspace.file.capacity_bytes(), .canvas = workspace.canvas.capacity_bytes()};
  for (std::size_t i = 0; i < out.buffers.scratch.size(); ++i) out.buffers.scratch[i] = workspace.scratch.buffers[i].capacity_bytes();
  out.workspace_bytes = out.buffer_bytes + (decodes ? kDecoderBytes + decode_bytes : 0);
}

/// Inline streams make a second slot where a batch is still held when the next is asked for.
int slots_of(int workers, int prefetch, int local_ranks) { return local_ranks * (workers == 0 ? 2 : prefetch + 2); }

}  // namespace

MemoryForecast MemoryForecast::with(int workers, int prefetch, int local_ranks) const {
  MemoryForecast out = *this;
  out.slot_count = slots_of(workers, prefetch, local_ranks);
  out.slots = static_cast<std::uint64_t>(out.slot_count) * slot_bytes;
  out.workspace_count = local_ranks * std::max(1, workers);
  out.workspaces = static_cast<std::uint64_t>(out.workspace_count) * workspace_bytes;
  out.threads = threads / static_cast<std::uint64_t>(workspace_count) * static_cast<std::uint64_t>(out.workspace_count);
  return out;
}

MemoryForecast forecast_memory(const Source& source, const Recipe& recipe, const LoaderOptions& options) {
  const Plan plan({source.size(), options.batch, options.world_size, options.sampler, options.drop_last, options.seed});
  MemoryForecast out;
  constexpr std::uint64_t kTablesOfRow = sizeof(PlannedRow) + sizeof(std::int64_t) + 2 * sizeof(std::uint64_t) + 1;
  out.slot_bytes = plan.max_rank_rows() * (recipe.format().bytes() + kTablesOfRow);
  out.slot_count = slots_of(options.workers, options.prefetch, options.local_ranks);
  out.slots = static_cast<std::uint64_t>(out.slot_count) * out.slot_bytes;
  look(source, recipe, options, out);
  out.workspace_count = options.local_ranks * std::max(1, options.workers);
  out.workspaces = static_cast<std::uint64_t>(out.workspace_count) * out.workspace_bytes;
  const int plans = options.workers == 0 ? options.local_ranks : 1;
  if (options.sampler == Sampler::shuffled) out.plan = source.size() * sizeof(std::uint64_t) * static_cast<std::uint64_t>(plans);
  const bool decodes = source.info().raw_size == Size{};
  out.threads = static_cast<std::uint64_t>(out.workspace_count) * (decodes ? kDecodingThreadBytes : kThreadBytes);
  out.code = decodes ? kDecodingCodeBytes : kCodeBytes;
  return out;
}

}  // namespace millrace

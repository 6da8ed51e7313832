#include "pipeline/loader_rows.h"

#include <algorithm>
#include <cstring>

namespace millrace {
namespace {

// A message costs a fraction of a microsecond, an MNIST digit not much more: many small rows travel together, large ones singly.
constexpr int kMostRawRowsPerMessage = 64;
constexpr std::size_t kBytesPerMessage = 64 * 28 * 28 * 4;
constexpr int kSubstitutes = 8;        // Tried in turn before a row is given up.

int rows_per_message(const Source& source, const Recipe& recipe, const LoaderOptions& options) {
  if (source.info().raw_size == Size{}) return 1; // A workspace has one file and one canvas.
  if (options.rows_per_message > 0) return options.rows_per_message;
  return static_cast<int>(std::clamp<std::size_t>(kBytesPerMessage / recipe.format().bytes(), 1, kMostRawRowsPerMessage));
}

/// Asks for the lines of a small picture: a shuffled order defeats the processor's own prefetcher, and by the time the message
/// reaches its first row the last one is on its way (seen: 1.5 to 2.8 million MNIST images a second).
void prefetch(const ImageView& pixels) {
  constexpr std::ptrdiff_t kLine = 64, kMost = 64 * kLine;
  const std::ptrdiff_t bytes = std::min(kMost, pixels.height * pixels.stride_bytes);
  for (std::ptrdiff_t i = 0; i < bytes; i += kLine) __builtin_prefetch(pixels.data + i, 0, 2);
}

void busy_wait(double seconds) {
  const auto until = SteadyClock::now() + std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(seconds));
  while (SteadyClock::now() < until) {
  }
}

}  // namespace

Workspace* WorkspacePool::take() {
  {
    std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      Workspace* workspace = free_.back();
      free_.pop_back();
      return workspace;
    }
  }
  auto made = std::make_unique<Workspace>();
  made->rows.resize(static_cast<std::size_t>(rows_));
  made->reserve(options_.buffers);
  if (options_.make_decoder) made->decoder = options_.make_decoder();
  std::lock_guard lock(mutex_);
  return all_.emplace_back(std::move(made)).get();
}

void WorkspacePool::give_back(Workspace* workspace) {
  const bool too_large = options_.workspace_bytes && workspace->bytes() > options_.workspace_bytes;
  if (too_large) {
    workspace->shrink();
    workspace->reserve(options_.buffers);
  }
  std::lock_guard lock(mutex_);
  shrunk_ += too_large;
  free_.push_back(workspace);
}

std::uint64_t WorkspacePool::shrunk() const {
  std::lock_guard lock(mutex_);
  return shrunk_;
}

std::uint64_t Workspace::bytes() const {
  std::uint64_t sum = file.capacity_bytes() + canvas.capacity_bytes();
  for (const Buffer& buffer : scratch.buffers) sum += buffer.capacity_bytes();
  return sum;
}

void Workspace::reserve(const BufferSizes& sizes) {
  const auto at_least = [](Buffer& buffer, std::uint64_t bytes) {
    if (bytes > buffer.capacity_bytes()) buffer.reserve(static_cast<std::size_t>(bytes));
  };
  at_least(file, sizes.file);
  at_least(canvas, sizes.canvas);
  for (std::size_t i = 0; i < sizes.scratch.size(); ++i) at_least(scratch.buffers[i], sizes.scratch[i]);
}

void Workspace::shrink() {
  file = {};
  canvas = {};
  scratch = {};
}

RowWork::RowWork(const Source& source, const Recipe& recipe, const LoaderOptions& options, int threads)
    : workspaces(options_, rows_per_message(source, recipe, options)),
      clocks(threads),
      activities(threads),
      ledger(options.faults),
      source_(source),
      recipe_(recipe),
      options_(options),
      chunk_rows_(rows_per_message(source, recipe, options)) {
  for (int t = 0; options_.trace && t < threads; ++t) lanes_.push_back(&options_.trace->lane(options_.trace_group, "worker " + std::to_string(t)));
}

void RowWork::book(int thread, Stage stage, SteadyClock::time_point began, SteadyClock::time_point ended, std::uint64_t images, std::uint64_t number,
                   SteadyClock::duration within) {
  const bool of_batch = stage == Stage::plan || stage == Stage::batch;
  clocks.add(thread, stage, ended - began, images, of_batch ? StageClocks::kNoSample : number, within);
  if (!lanes_.empty()) lanes_[static_cast<std::size_t>(thread)]->span(name_of(stage), began, ended, of_batch ? TraceEvent::Of::batch : TraceEvent::Of::sample, number);
}

LoaderSnapshot::OfWorker RowWork::doing(int thread) const {
  const Activity::Seen seen = activities.seen(thread);
  LoaderSnapshot::OfWorker out{.number = seen.number, .seconds = seconds_between(seen.since, SteadyClock::now())};
  if (seen.kind == 0) return out;
  out.stage = static_cast<Stage>(seen.kind - 1);
  if (*out.stage != Stage::plan && *out.stage != Stage::batch) out.origin = source_.origin(seen.number);
  return out;
}

TraceLane* RowWork::lane_of_queue(int local_rank) const {
  return options_.trace ? &options_.trace->lane(options_.trace_group, "queue of rank " + std::to_string(options_.first_rank + local_rank)) : nullptr;
}

LoaderSnapshot::OfSlot WorkSlot::seen() const {
  const Activity::Seen seen = where.seen();
  const auto place = static_cast<SlotPlace>(seen.kind);
  return {.index = index, .local_rank = local_rank, .place = place, .batch = seen.number,
          .messages_left = place == SlotPlace::filling ? chunks_left.load(std::memory_order_relaxed) : 0,
          .seconds = seconds_between(seen.since, SteadyClock::now())};
}

std::uint64_t RowWork::slot_bytes(int rows) const { return static_cast<std::uint64_t>(rows) * recipe_.format().bytes(); }

std::vector<std::unique_ptr<WorkSlot>> RowWork::make_slots(int count, int rows) const {
  std::vector<std::unique_ptr<WorkSlot>> slots;
  for (int i = 0; i < count; ++i) {
    auto slot = std::make_unique<WorkSlot>();
    const auto n = static_cast<std::size_t>(rows);
    slot->index = i;
    slot->plan_memory.resize(n);
    slot->label_memory.resize(n);
    slot->id_memory.resize(n);
    slot->position_memory.resize(n);
    slot->row_ok.resize(n);
    slot->labels = slot->label_memory;
    slot->ids = slot->id_memory;
    slot->positions = slot->position_memory;
    slot->images = static_cast<std::uint8_t*>(memory().allocate(slot_bytes(rows)));
    slots.push_back(std::move(slot));
  }
  return slots;
}

void RowWork::open(WorkSlot& slot, Plan& plan, std::uint64_t batch, int rank, int thread) {
  const auto began = SteadyClock::now();
  activities.works(thread, Stage::plan, batch, began);
  slot.batch = batch;
  slot.epoch = plan.epoch_of(batch);
  slot.end_of_epoch = plan.ends_epoch(batch);
  slot.global_rows = plan.global_rows(batch);
  slot.plan = plan.rows_of(batch, rank, slot.plan_memory);
  slot.planned_rows = static_cast<int>(slot.plan.size());
  slot.valid_rows = 0;
  slot.faults.clear();
  slot.erasures.clear();
  slot.error = nullptr;
  const auto ended = SteadyClock::now();
  slot.where.set(static_cast<unsigned>(SlotPlace::filling), batch, ended);
  book(thread, Stage::plan, began, ended, slot.plan.size(), batch);
  activities.rests(thread, ended);
}

bool RowWork::bad(WorkSlot& slot, int row, std::uint64_t id, Fault fault) const {
  fault.index = id;
  if (fault.origin.empty()) fault.origin = source_.origin(id);
  std::lock_guard lock(slot.mutex);
  slot.faults.emplace_back(row, std::move(fault));
  return false;
}

bool RowWork::load_row(WorkSlot& slot, int row, std::uint64_t id, Workspace& workspace, int thread) {
  Workspace::Row& out = workspace.rows[static_cast<std::size_t>(row % chunk_rows_)];
  const auto began = SteadyClock::now();
  activities.works(thread, Stage::read, id, began);
  Expected<Sample> sample = source_.read(id, workspace.file);
  if (!sample) return bad(slot, row, id, std::move(sample).error());
  slot.labels[static_cast<std::size_t>(row)] = sample->label;
  slot.ids[static_cast<std::size_t>(row)] = id;
  if (sample->raw()) {
    out.info = {sample->pixels.size(), sample->pixels.channels};
    out.visible = sample->pixels;
    prefetch(out.visible);
    out.draw.reset();
    if (source_.info().raw_size == Size{}) {  // Of a set of encoded pictures: drawn here like theirs, so that faults are found in the same place.
      Expected<Draw> draw = recipe_.draw(out.info, key_of(slot, id));
      if (!draw) return bad(slot, row, id, std::move(draw).error());
      out.visible = out.visible.crop(inside(draw->framing.roi, out.info.size));
      out.draw = std::move(*draw);
    }
    return true;
  }
  const auto ended = SteadyClock::now();
  book(thread, Stage::read, began, ended, 1, id);
  workspace.reading += ended - began;
  activities.works(thread, Stage::decode, id, ended);

  Expected<ImageInfo> info = workspace.decoder->header(sample->bytes);
  if (!info) return bad(slot, row, id, std::move(info).error());
  if (info->progressive) progressive_jpegs.fetch_add(1, std::memory_order_relaxed);
  Expected<Draw> draw = recipe_.draw(*info, key_of(slot, id));
  if (!draw) return bad(slot, row, id, std::move(draw).error());
  // Only the part of the framing that lies inside the picture is decoded; the recipe pads the rest.
  Expected<ImageView> view = workspace.decoder->decode(sample->bytes, inside(draw->framing.roi, info->size), workspace.canvas);
  if (!view) return bad(slot, row, id, std::move(view).error());
  out.info = *info;
  out.visible = *view;
  out.draw = std::move(*draw);
  return true;
}

void RowWork::decode(WorkSlot& slot, int first, int count, Workspace& workspace, int thread) noexcept {
  const auto began = SteadyClock::now();
  workspace.reading = {};
  std::fill_n(slot.row_ok.begin() + first, count, std::uint8_t{0}); // All at once: a throw below must leave no old mark.
  try {
    for (int row = first; row < first + count; ++row) {
      const auto i = static_cast<std::size_t>(row);
      if (stop.load(std::memory_order_relaxed)) continue;
      const std::uint64_t id = slot.plan[i].id;
      slot.positions[i] = slot.plan[i].position;
      bool ok = load_row(slot, row, id, workspace, thread);
      if (!ok && options_.faults.action == OnBadSample::substitute) {
        Rng rng(key_of(slot, id).with_slot(kSubstituteSlot)); // The same substitute for any workers, ranks and prefetch.
        for (int attempt = 0; !ok && attempt < kSubstitutes; ++attempt) ok = load_row(slot, row, rng.below(source_.size()), workspace, thread);
      }
      slot.row_ok[i] = ok;
    }
  } catch (...) {
    std::lock_guard lock(slot.mutex);
    slot.error = std::current_exception();
  }
  const auto ended = SteadyClock::now();
  book(thread, Stage::decode, began, ended, static_cast<std::uint64_t>(count), slot.plan[static_cast<std::size_t>(first)].id, workspace.reading);
  activities.rests(thread, ended);
}

void RowWork::augment(WorkSlot& slot, int first, int count, Workspace& workspace, int thread) noexcept {
  const auto began = SteadyClock::now();
  const std::size_t row_bytes = recipe_.format().bytes();
  try {
    for (int row = first; row < first + count; ++row) {
      const auto i = static_cast<std::size_t>(row);
      if (!slot.row_ok[i]) continue;
      activities.works(thread, Stage::augment, slot.ids[i], began);
      Workspace::Row& in = workspace.rows[static_cast<std::size_t>(row % chunk_rows_)];
      const auto apply = [&](const Draw& draw, const ImageView& visible) {
        const Expected<void> applied = recipe_.apply(draw, in.info, visible, slot.images + i * row_bytes, workspace.scratch);
        if (applied && recipe_.format().dtype == Dtype::u8) leave_erasures(slot, row, draw, workspace.erasures);
        return applied;
      };
      // Of raw pixels the whole picture is here, and the draw comes only now.
      const auto crop_and_apply = [&](const Draw& draw) { return apply(draw, in.visible.crop(inside(draw.framing.roi, in.info.size))); };
      const Expected<void> done =
          in.draw ? apply(*in.draw, in.visible) : recipe_.draw(in.info, key_of(slot, slot.ids[i])).and_then(crop_and_apply);
      if (!done) slot.row_ok[i] = bad(slot, row, slot.ids[i], done.error());
    }
  } catch (...) {
    std::lock_guard lock(slot.mutex);
    slot.error = std::current_exception();
  }
  if (options_.extra_us_per_image > 0) busy_wait(1e-6 * options_.extra_us_per_image * count);
  const auto ended = SteadyClock::now();
  book(thread, Stage::augment, began, ended, static_cast<std::uint64_t>(count), slot.plan[static_cast<std::size_t>(first)].id);
  activities.rests(thread, ended);
}

void RowWork::leave_erasures(WorkSlot& slot, int row, const Draw& draw, Erasures& room) const {
  room.clear();
  recipe_.erasures(draw, room);
  if (room.boxes.empty()) return;
  std::lock_guard lock(slot.mutex);
  slot.erasures.add(room, row);
}

void RowWork::finish(WorkSlot& slot) const {
  if (auto& boxes = slot.erasures.boxes; !boxes.empty()) { // Rows were done in any order, and those behind a bad one move up.
    std::ranges::stable_sort(boxes, {}, &Erasures::Box::row);
    for (Erasures::Box& box : boxes) box.row = static_cast<int>(std::count(slot.row_ok.begin(), slot.row_ok.begin() + box.row, std::uint8_t{1}));
  }
  const std::size_t row_bytes = recipe_.format().bytes();
  std::size_t to = 0;
  for (std::size_t from = 0; from < static_cast<std::size_t>(slot.planned_rows); ++from) {
    if (!slot.row_ok[from]) continue;
    if (to != from) {
      std::memcpy(slot.images + to * row_bytes, slot.images + from * row_bytes, row_bytes);
      slot.labels[to] = slot.labels[from];
      slot.ids[to] = slot.ids[from];
      slot.positions[to] = slot.positions[from];
    }
    ++to;
  }
  slot.valid_rows = static_cast<int>(to);
  std::sort(slot.faults.begin(), slot.faults.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
}

void RowWork::fail(std::exception_ptr error) noexcept {
  {
    std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(error);
  }
  stop = true;
}

void RowWork::rethrow_failure() const {
  std::lock_guard lock(mutex_);
  if (failure_) std::rethrow_exception(failure_);
}

void RowWork::judge(WorkSlot& slot) {
  if (slot.error) std::rethrow_exception(slot.error);
  std::vector<Fault> faults;
  std::uint64_t bad_rows = 0;
  int last = -1;
  for (auto& [row, fault] : slot.faults) {  // By row.
    bad_rows += row != last;
    last = row;
    faults.push_back(fault);
  }
  const std::string verdict = ledger.book(static_cast<std::uint64_t>(slot.planned_rows), bad_rows, faults);
  if (!verdict.empty())
    throw Error(ErrorKind::data, verdict,
                options_.faults.action == OnBadSample::fail ? "set loader.on_bad_sample to skip or substitute, with loader.max_bad"
                                                            : "raise loader.max_bad, or mend the files that the ledger lists");
  batches_delivered.fetch_add(1, std::memory_order_relaxed);
  images_delivered.fetch_add(static_cast<std::uint64_t>(slot.valid_rows), std::memory_order_relaxed);
}

}  // namespace millrace

#include "experiments/forensics.h"

#include <algorithm>
#include <system_error>

#include "experiments/terminal.h"

namespace millrace {
namespace {

std::string for_seconds(double seconds) { return "for " + fixed(std::max(0.0, seconds), 1) + " s"; }

std::string text_of(const LoaderSnapshot::OfWorker& w) {
  if (!w.stage) return "rests, " + for_seconds(w.seconds);
  const std::string what = *w.stage == Stage::plan || *w.stage == Stage::batch ? "batch " : "sample ";
  return std::string(name_of(*w.stage)) + ", " + what + std::to_string(w.number) + (w.origin.empty() ? "" : " (" + w.origin + ")") + ", " + for_seconds(w.seconds);
}

std::string text_of(const LoaderSnapshot::OfSlot& s) {
  const std::string batch = "batch " + std::to_string(s.batch);
  const auto place = [&]() -> std::string {
    switch (s.place) {
      case SlotPlace::home: return "free";
      case SlotPlace::filling: return batch + " under work, " + std::to_string(s.messages_left) + " messages to go";
      case SlotPlace::complete: return batch + " complete, waits for the batches before it";
      case SlotPlace::queued: return batch + " in the queue";
      case SlotPlace::leased: break;
    }
    return batch + " with the trainer";
  };
  return "slot " + std::to_string(s.index) + " of local rank " + std::to_string(s.local_rank) + ": " + place() + ", " + for_seconds(s.seconds);
}

std::string text_of(const LoaderSnapshot::OfStream& s) {
  std::string out = "queue of local rank " + std::to_string(s.local_rank) + ": ";
  if (s.queue)
    out += (s.queue->closed ? "closed, " : "") + std::to_string(s.queue->depth) + " batches (most: " + std::to_string(s.queue->max_depth) + ", taken: " +
           std::to_string(s.queue->pops) + "), so far empty " + fixed(s.queue->empty_seconds, 1) + " s and full " + fixed(s.queue->full_seconds, 1) + " s of " +
           fixed(s.queue->seconds, 1) + " s";
  else
    out += "none, the trainer loads";
  return out + (s.waits_seconds > 0 ? "; its trainer waits " + for_seconds(s.waits_seconds) : "");
}

std::string text_of(const train::Doing& d) {
  return std::string(d.what) + (d.step ? " in epoch " + std::to_string(d.epoch) + ", step " + std::to_string(d.step) : "") + ", " + for_seconds(d.seconds);
}

double longest_wait(const LoaderSnapshot& now) {
  double out = 0;
  for (const auto& stream : now.streams) out = std::max(out, stream.waits_seconds);
  return out;
}

}  // namespace

std::string text_of(const LoaderSnapshot& now) {
  std::string out;
  for (std::size_t i = 0; i < now.workers.size(); ++i) out += "  worker " + std::to_string(i) + ": " + text_of(now.workers[i]) + "\n";
  for (const auto& slot : now.slots) out += "  " + text_of(slot) + "\n";
  for (const auto& stream : now.streams) out += "  " + text_of(stream) + "\n";
  return out;
}

Forensics::~Forensics() {
  {
    std::lock_guard lock(mutex_);
    quit_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Forensics::report() noexcept {
  {
    std::lock_guard lock(mutex_);
    asked_ = true;
    start();
  }
  changed_.notify_all();
}

/// Under the lock.
void Forensics::start() {
  if (thread_.joinable() || quit_) return;
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error&) {  // A process that has no thread left goes on without being watched.
  }
}

void Forensics::run() {
  constexpr auto kLongest = std::chrono::milliseconds(1000), kShortest = std::chrono::milliseconds(20);
  std::unique_lock lock(mutex_);
  while (!quit_) {
    double limit = 0;
    for (const Subject& s : subjects_)
      if (s.limit_seconds > 0) limit = limit > 0 ? std::min(limit, s.limit_seconds) : s.limit_seconds;
    const auto ready = [&] { return quit_ || asked_; };
    if (limit > 0)
      changed_.wait_for(lock, std::clamp(std::chrono::milliseconds(static_cast<int>(1000 * std::min(limit / 10, 1.0))), kShortest, kLongest), ready);
    else
      changed_.wait(lock, [&] { return ready() || std::ranges::any_of(subjects_, [](const Subject& s) { return s.limit_seconds > 0; }); });
    if (quit_) return;
    std::string text = stalls();
    if (std::exchange(asked_, false)) text += "where everything is (SIGUSR1):\n" + state();
    if (text.empty()) continue;
    lock.unlock();  // A terminal that takes nothing must not hold up those who come and go.
    print_(text);
    lock.lock();
  }
}

/// What has waited too long since it was last told; empty: nothing has.
std::string Forensics::stalls() {
  std::string out;
  for (Subject& s : subjects_) {
    if (s.limit_seconds <= 0) continue;
    const double waits = longest_wait(s.loader->snapshot());
    if (waits < s.limit_seconds) s.next_seconds = s.limit_seconds;
    if (waits < s.next_seconds) continue;
    while (s.next_seconds <= waits) s.next_seconds *= 2;
    out += "no batch of the " + s.name + " for " + fixed(waits, 1) + " s, and a trainer waits for one (loader.watchdog_seconds = " + significant(s.limit_seconds) + "):\n";
  }
  return out.empty() ? out : out + state();
}

std::string Forensics::state() const {
  std::string out;
  for (const Subject& s : subjects_) {
    if (s.loader) out += s.name + ":\n" + millrace::text_of(s.loader->snapshot());
    if (s.trainer) out += s.name + ": " + text_of(s.trainer->doing()) + "\n";
  }
  return out.empty() ? "nothing is loaded or trained at the moment\n" : out;
}

Forensics::Watched::Watched(Forensics* forensics, const Loader& loader, const std::string& name, double limit_seconds) : forensics_(forensics) {
  add({.name = name, .loader = &loader, .limit_seconds = limit_seconds, .next_seconds = limit_seconds});
}

Forensics::Watched::Watched(Forensics* forensics, const train::Trainer& trainer, int rank) : forensics_(forensics) {
  add({.name = "rank " + std::to_string(rank), .trainer = &trainer});
}

void Forensics::Watched::add(Subject subject) {
  if (!forensics_) return;
  {
    std::lock_guard lock(forensics_->mutex_);
    at_ = forensics_->subjects_.insert(forensics_->subjects_.end(), std::move(subject));
    forensics_->start();
  }
  forensics_->changed_.notify_all();
}

Forensics::Watched::~Watched() {
  if (!forensics_) return;
  std::lock_guard lock(forensics_->mutex_);
  forensics_->subjects_.erase(at_);
}

}  // namespace millrace

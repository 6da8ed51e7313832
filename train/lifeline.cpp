#include "train/lifeline.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "pipeline/error.h"

namespace millrace::train {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxStrangers = 64; // Beside as many callers as there are ranks.

/// Why a rank ends the run, with its name in front once.
std::string said_by(int rank, const std::string& cause) {
  return cause.starts_with("rank ") ? cause : "rank " + std::to_string(rank) + ": " + cause;
}

}  // namespace

std::string seconds_text(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g s", seconds);
  return text;
}

Lifeline::Lifeline(Socket socket, Options options)
    : options_(std::move(options)),
      timeout_(std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options_.timeout_seconds))),
      tick_(std::clamp<Clock::duration>(timeout_ / 10, 10ms, 500ms)),
      bell_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      peers_(static_cast<std::size_t>(options_.size)),
      began_(Clock::now()),
      beaten_(began_) {
  if (!bell_) throw Error(ErrorKind::communication, "no event descriptor can be had", "is the limit on open files (ulimit -n) reached?");
  for (Peer& peer : peers_) peer.heard = peer.moved = began_;
  if (options_.rank == 0) {
    listener_ = std::move(socket);
    fcntl(listener_.fd(), F_SETFL, fcntl(listener_.fd(), F_GETFL) | O_NONBLOCK);
    complete_ = options_.size == 1;
  } else {
    peers_[0].connection.emplace(std::move(socket));
    peers_[0].connection->send({Message::hello, options_.rank, 0, options_.token});
  }
  thread_ = std::thread([this] { run(); });
}

Lifeline::~Lifeline() {
  leave();
  thread_.join();
}

bool Lifeline::welcomed(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, limit, [&] { return welcomed_ || verdict_; });
  if (verdict_ && refused_) raise();
  return welcomed_;
}

void Lifeline::join() {
  wait([this] { return complete_; });
}

void Lifeline::begin_call() {
  std::lock_guard lock(mutex_);
  if (!verdict_ && hub_left_) verdict_ = "rank 0 has left the run";
  if (verdict_) raise();
  ++calls_;
}

void Lifeline::wait(const std::function<bool()>& done) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return done() || verdict_; });
  if (!done()) raise();
}

void Lifeline::wake() {
  // The lock lies between a waiter's question and its sleep.
  { std::lock_guard lock(mutex_); }
  changed_.notify_all();
}

void Lifeline::expect_failure(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, limit, [&] { return verdict_.has_value(); });
  if (verdict_) raise();
}

bool Lifeline::failed() const {
  std::lock_guard lock(mutex_);
  return verdict_.has_value();
}

void Lifeline::raise() const {
  throw Error(ErrorKind::communication, *verdict_);
}

void Lifeline::on_failure(std::function<void()> callback) {
  {
    std::lock_guard lock(callback_mutex_);
    on_failure_ = std::move(callback);
  }
  if (failed()) notify_failure();
}

void Lifeline::notify_failure() {
  std::lock_guard lock(callback_mutex_);
  if (const auto callback = std::exchange(on_failure_, nullptr)) callback();
}

void Lifeline::abort(const std::string& cause) noexcept { end(cause, Message::abort); }

void Lifeline::give_up(const std::string& cause) noexcept { end(cause, Message::stalled); }

void Lifeline::end(const std::string& cause, Message::Kind as) noexcept {
  std::unique_lock lock(mutex_);
  if (verdict_ || ended_) return;
  cause_ = cause;
  cause_as_ = as;
  eventfd_write(bell_.fd(), 1);
  // Rank 0 says whose cause was first; and a process that ends after this has been heard.
  changed_.wait_for(lock, 1s, [&] { return verdict_ || ended_; });
  if (!verdict_) verdict_ = said_by(options_.rank, cause);
  lock.unlock();
  changed_.notify_all();
  notify_failure();
}

void Lifeline::leave() noexcept {
  std::unique_lock lock(mutex_);
  leaving_ = true;
  eventfd_write(bell_.fd(), 1);
  changed_.wait_for(lock, 2s, [&] { return parted_ || verdict_ || ended_; });
  stop_ = true;
  eventfd_write(bell_.fd(), 1);
}

/// First verdict wins. Rank 0's is everybody's.
void Lifeline::settle(int rank, const std::string& text) {
  {
    std::lock_guard lock(mutex_);
    if (verdict_) return;
    verdict_ = text;
  }
  if (options_.rank == 0) tell({Message::verdict, rank, 0, text});
  changed_.notify_all();
  notify_failure();
}

/// A rank waits in vain: for one that is not there, or for a device or a link. Rank 0 knows which.
void Lifeline::settle_stall(int rank, const std::string& cause) {
  count_own_calls();
  std::uint64_t furthest = 0;
  for (const Peer& peer : peers_) furthest = std::max(furthest, peer.calls);
  for (int other = 0; other < options_.size; ++other)
    if (peers_[static_cast<std::size_t>(other)].calls < furthest) return settle(other, absence(other));
  settle(rank, said_by(rank, cause));
}

std::string Lifeline::absence(int rank) const {
  const std::string name = "rank " + std::to_string(rank), limit = seconds_text(options_.timeout_seconds);
  if (rank != options_.rank && Clock::now() - peers_[static_cast<std::size_t>(rank)].heard > timeout_ / 2)
    return name + " has been silent for " + limit + ": it is stopped, or its host or the link to it is down";
  return name + " lives, but has not come to the collective call that others wait in, for " + limit;
}

/// To all that are there.
void Lifeline::tell(const Message& message) {
  for (Peer& peer : peers_)
    if (peer.connection) peer.connection->send(message);
}

void Lifeline::lost(int rank) {
  Peer& peer = peers_[static_cast<std::size_t>(rank)];
  peer.connection.reset();
  if (options_.rank == 0 && options_.come_again) {
    std::lock_guard lock(mutex_);
    if (!complete_) {
      peer = {};
      return;
    }
  }
  if (peer.left && options_.rank != 0) {
    std::lock_guard lock(mutex_);
    parted_ = true; // Rank 0 did not wait for the others.
    changed_.notify_all();
  }
  if (!peer.left) settle(rank, "rank " + std::to_string(rank) + " is gone: its connection closed without a goodbye (it died or was killed)");
}

void Lifeline::hear(int rank, const Message& message) {
  Peer& peer = peers_[static_cast<std::size_t>(rank)];
  peer.heard = Clock::now();
  if (message.number > peer.calls) {
    peer.calls = message.number;
    peer.moved = peer.heard;
  }
  switch (message.kind) {
    case Message::welcome: {
      std::lock_guard lock(mutex_);
      welcomed_ = true;
      break;
    }
    case Message::complete: {
      std::lock_guard lock(mutex_);
      complete_ = true;
      break;
    }
    case Message::abort: settle(rank, said_by(rank, message.text)); break;
    case Message::stalled: settle_stall(rank, message.text); break;
    case Message::verdict: {
      std::unique_lock lock(mutex_);
      refused_ = !welcomed_;
      lock.unlock();
      settle(message.rank, message.text);
      break;
    }
    case Message::goodbye:
      peer.left = true;
      if (options_.rank != 0) {
        std::unique_lock lock(mutex_);
        hub_left_ = true;
        const bool waiting = calls_ > message.number;
        lock.unlock();
        if (waiting) settle(0, "rank 0 has left the run");
      }
      break;
    case Message::parted: {
      std::lock_guard lock(mutex_);
      parted_ = true;
      break;
    }
    case Message::hello:
    case Message::beat: break;
  }
  changed_.notify_all();
}

/// A stranger becomes a rank by saying the token first.
void Lifeline::admit(Stranger& stranger, std::vector<Message> messages, bool open) {
  const auto is_hello = [&](const Message& m) { return m.kind == Message::hello && m.text == options_.token; };
  if (messages.empty() && open) return;
  const bool ours = !messages.empty() && is_hello(messages[0]) && messages[0].rank > 0 && messages[0].rank < options_.size;
  const int rank = ours ? messages[0].rank : 0;
  if (ours && peers_[static_cast<std::size_t>(rank)].connection)
    stranger.connection->send({Message::verdict, rank, 0, "two processes say that they are rank " + std::to_string(rank) + " of this run"});
  if (!ours || peers_[static_cast<std::size_t>(rank)].connection) {
    stranger.connection.reset();
    return;
  }
  Peer& peer = peers_[static_cast<std::size_t>(rank)];
  peer = {};  // It may have come before, and gone because it was not heard in time.
  peer.connection = std::move(*stranger.connection);
  stranger.connection.reset();
  peer.heard = peer.moved = Clock::now();
  peer.connection->send({Message::welcome, rank, 0, {}});
  for (std::size_t i = 1; i < messages.size(); ++i) hear(rank, messages[i]);
  if (!open) return lost(rank);
  const bool all = std::all_of(peers_.begin() + 1, peers_.end(), [](const Peer& p) { return p.connection.has_value(); });
  if (!all) return;
  tell({Message::complete, 0, 0, {}});
  listener_.close();
  {
    std::lock_guard lock(mutex_);
    complete_ = true;
  }
  changed_.notify_all();
}

void Lifeline::listen_to(const std::vector<int>& ready) {
  const auto is_ready = [&](int fd) { return std::find(ready.begin(), ready.end(), fd) != ready.end(); };
  std::vector<Message> messages;
  for (std::size_t rank = 0; rank < peers_.size(); ++rank) {
    if (!peers_[rank].connection || !is_ready(peers_[rank].connection->fd())) continue;
    messages.clear();
    const bool open = peers_[rank].connection->receive(messages);
    for (const Message& message : messages) hear(static_cast<int>(rank), message);
    if (!open) lost(static_cast<int>(rank));
  }
  for (std::size_t i = 0; i < strangers_.size(); ++i) {
    if (!is_ready(strangers_[i].connection->fd())) continue;
    messages.clear();
    const bool open = strangers_[i].connection->receive(messages);
    admit(strangers_[i], messages, open);
  }
  std::erase_if(strangers_, [](const Stranger& s) { return !s.connection || Clock::now() - s.since > 5s; });
  if (listener_ && is_ready(listener_.fd()))
    for (int fd; (fd = accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0;)
      if (Socket caller(fd); strangers_.size() < kMaxStrangers + peers_.size()) strangers_.push_back({Connection(std::move(caller)), Clock::now()});
}

std::uint64_t Lifeline::count_own_calls() {
  std::uint64_t calls;
  {
    std::lock_guard lock(mutex_);
    calls = calls_;
  }
  Peer& own = peers_[static_cast<std::size_t>(options_.rank)];
  if (options_.rank == 0 && calls > own.calls) {
    own.calls = calls;
    own.moved = Clock::now();
  }
  return calls;
}

void Lifeline::beat() { tell({Message::beat, options_.rank, count_own_calls(), {}}); }

/// Whether a rank is silent, hung, missing or has left too soon.
void Lifeline::judge(int rank, std::uint64_t furthest, Clock::time_point now) {
  Peer& peer = peers_[static_cast<std::size_t>(rank)];
  const std::string name = "rank " + std::to_string(rank), limit = seconds_text(options_.timeout_seconds);
  if (!peer.connection && rank != options_.rank) {
    if (!peer.left && now - began_ > timeout_) settle(rank, name + " has not come within " + limit + ": was it started, with this address and port?");
    return;
  }
  if (rank != options_.rank && !peer.left && now - peer.heard > timeout_) settle(rank, absence(rank));
  const bool behind = furthest > peer.calls;
  if (behind && peer.left) settle(rank, name + " has left the run while others wait for it");
  if (behind && !peer.behind) peer.behind_since = now;
  peer.behind = behind;
  if (behind && now - std::max(peer.behind_since, peer.moved) > timeout_) settle(rank, absence(rank));
}

void Lifeline::judge() {
  const auto now = Clock::now();
  if (options_.rank != 0) {
    Peer& hub = peers_[0];
    if (hub.connection && !hub.left && now - hub.heard > timeout_ + tick_)
      settle(0, "rank 0 has been silent for " + seconds_text(options_.timeout_seconds) + ": it is stopped, or its host or the link to it is down");
    return;
  }
  std::uint64_t furthest = 0;
  for (const Peer& peer : peers_) furthest = std::max(furthest, peer.calls);
  for (int rank = 0; rank < options_.size; ++rank) judge(rank, furthest, now);
}

void Lifeline::run() {
  for (;;) {
    std::vector<pollfd> polls{{bell_.fd(), POLLIN, 0}};
    if (listener_) polls.push_back({listener_.fd(), POLLIN, 0});
    for (const Peer& peer : peers_)
      if (peer.connection) polls.push_back({peer.connection->fd(), POLLIN, 0});
    for (const Stranger& stranger : strangers_) polls.push_back({stranger.connection->fd(), POLLIN, 0});
    const auto until = std::chrono::duration_cast<std::chrono::milliseconds>(beaten_ + tick_ - Clock::now()).count();
    poll(polls.data(), polls.size(), static_cast<int>(std::clamp<long>(until, 0, 1000)));
    eventfd_t rung;
    eventfd_read(bell_.fd(), &rung);

    std::vector<int> ready;
    for (const pollfd& p : polls)
      if (p.revents) ready.push_back(p.fd);
    listen_to(ready);

    std::unique_lock lock(mutex_);
    const auto cause = std::exchange(cause_, std::nullopt);
    const Message::Kind cause_as = cause_as_;
    const bool leaving = leaving_, end = stop_ || (leaving_ && (parted_ || verdict_)), goodbye = leaving && !std::exchange(said_goodbye_, leaving);
    const std::uint64_t calls = calls_;
    lock.unlock();
    if (cause && options_.rank == 0) cause_as == Message::stalled ? settle_stall(0, *cause) : settle(0, said_by(0, *cause));
    if (cause && options_.rank != 0) tell({cause_as, options_.rank, calls, *cause});
    if (goodbye) tell({Message::goodbye, options_.rank, calls, {}});
    if (leaving && options_.rank == 0 && std::all_of(peers_.begin() + 1, peers_.end(), [](const Peer& p) { return p.left; })) {
      tell({Message::parted, 0, calls, {}});
      lock.lock();
      parted_ = true;
      lock.unlock();
      changed_.notify_all();
      break;
    }
    if (end) break;
    if (Clock::now() - beaten_ >= tick_) {
      // A process that was stopped itself hears first what others have said meanwhile.
      const bool slept = Clock::now() - beaten_ > timeout_ / 2;
      beaten_ = Clock::now();
      beat();
      if (!slept) judge();
    }
  }
  for (Peer& peer : peers_)
    if (peer.connection) peer.connection->finish_sending();
  std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

}  // namespace millrace::train

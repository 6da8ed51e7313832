#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "train/socket.h"

namespace millrace::train {

/// "60 s", as verdicts say it.
std::string seconds_text(double seconds);

/// How ranks in processes know of each other's life. Each rank holds one connection to rank 0, and a thread that beats on it. Rank 0
/// judges, and its first verdict reaches all: a connection that closes without a goodbye is a dead process (known at once), silence
/// for longer than the time-out is a stopped one or a broken link, a rank that has not come to a call which others wait in for that
/// long is hung, and a rank may end the run itself. Whoever connects without the run's token is no rank and is forgotten.
/// Contains no torch: what waits is told by its own condition.
/// Threads: any; one for itself.
/// Errors:  Error(communication) that names the rank at fault, from join, begin_call and wait; the same from then on.
class Lifeline {
 public:
  struct Options {
    int rank = 0, size = 1;
    double timeout_seconds = 60;
    std::string token; ///< Known to the ranks of this run only.
    bool come_again = false; ///< Of rank 0: until all are there, a rank that is lost is one that has not come yet. Its launcher starts it anew.
  };
  /// `socket`: rank 0's listens, the others' is connected to it.
  Lifeline(Socket socket, Options options);
  ~Lifeline(); ///< As leave().
  Lifeline(const Lifeline&) = delete;
  Lifeline& operator=(const Lifeline&) = delete;

  /// Of another rank than 0: whether what listens there is this run's rank 0 and has taken this one in, which it says within `limit`.
  /// Errors: Error(communication) where it refuses, and says why.
  bool welcomed(std::chrono::milliseconds limit);
  void join();                                    ///< Waits until all ranks are there.
  void begin_call();                              ///< Counts a collective call: all ranks make the same ones.
  void wait(const std::function<bool()>& done);   ///< For `done`, asked at each wake(), or a verdict.
  void wake();
  /// Waits at most so long for a verdict. Errors: the verdict.
  void expect_failure(std::chrono::milliseconds limit);
  bool failed() const;
  const std::string& token() const { return options_.token; }
  /// Called when there is a verdict, at once if there is one; it must not call back. Null: no more, from when this returns.
  void on_failure(std::function<void()> callback);
  /// Ends the run on all ranks, unless it has been ended: then that verdict stays.
  void abort(const std::string& cause) noexcept;
  /// The same for a call that does not end, where that explains it no better: a rank that has not come to the call is named in its place.
  void give_up(const std::string& cause) noexcept;
  /// Says goodbye and waits a moment for the others' (at most 2 s): after it nobody needs this process any more.
  void leave() noexcept;

 private:
  using Clock = std::chrono::steady_clock;
  struct Peer {
    std::optional<Connection> connection;
    Clock::time_point heard, moved, behind_since;
    std::uint64_t calls = 0;
    bool behind = false, left = false;
  };
  struct Stranger {
    std::optional<Connection> connection; ///< Empty: forgotten.
    Clock::time_point since;
  };

  void run();
  void listen_to(const std::vector<int>& ready);
  void admit(Stranger& stranger, std::vector<Message> messages, bool open);
  void hear(int rank, const Message& message);
  void lost(int rank);
  void beat();
  std::uint64_t count_own_calls();
  void judge();
  void judge(int rank, std::uint64_t furthest, Clock::time_point now);
  void settle(int rank, const std::string& text);
  void notify_failure();
  void tell(const Message& message);
  void end(const std::string& cause, Message::Kind as) noexcept;
  void settle_stall(int rank, const std::string& cause);
  std::string absence(int rank) const;
  [[noreturn]] void raise() const;

  const Options options_;
  const Clock::duration timeout_, tick_;
  Socket listener_, bell_;

  // The thread's own.
  std::vector<Peer> peers_; ///< By rank; but for rank 0, only the first is used.
  std::vector<Stranger> strangers_;
  Clock::time_point began_, beaten_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<std::string> verdict_;
  std::optional<std::string> cause_;  ///< Why this rank ends the run, not yet sent,
  Message::Kind cause_as_ = Message::abort; ///< and how it is said: abort or stalled.
  std::uint64_t calls_ = 0;
  bool welcomed_ = false, refused_ = false; ///< By rank 0.
  bool complete_ = false;             ///< All ranks have come.
  bool hub_left_ = false, parted_ = false; ///< Rank 0 has said goodbye; all have.
  bool leaving_ = false, said_goodbye_ = false, stop_ = false, ended_ = false;
  std::mutex callback_mutex_;
  std::function<void()> on_failure_;
  std::thread thread_;
};

}  // namespace millrace::train

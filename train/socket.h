#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

// What ranks need of TCP: addresses as text, sockets that never block for longer than they are told, and small messages.
namespace millrace::train {

/// Owns a file descriptor.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Socket() { close(); }
  void close() noexcept;
  int fd() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// The numeric address of a host, IPv4 where it has one. Errors: Error(communication) with `hint`.
std::string resolve(const std::string& host, const std::string& hint = "is MASTER_ADDR right?");
bool is_loopback(const std::string& address);
/// The address of this host from which packets to `address` leave. Errors: Error(communication) where there is no way to it.
std::string own_address_towards(const std::string& address);
/// IPv4 of the first of these network interfaces ("eth0,eth1") that is there and up. Empty: none is.
std::string address_of_interface(const std::string& interfaces);
/// IPv4 of each interface that is up, but for loopback.
std::vector<std::string> addresses_of_host();
/// The same text for processes that reach one another by loopback, and for no others: of this boot and network namespace.
std::string loopback_identity();

/// Listens at a numeric address; port 0 takes a free one. Errors: Error(communication) for a port in use, an address of another host.
Socket listen_at(const std::string& address, int port);
int port_of(const Socket& socket);
/// Of a connection, its numeric addresses here and there; empty where it is none.
std::string own_address(const Socket& socket);
std::string peer_address(const Socket& socket);
/// Errors: Error(communication) where nobody listens there until the deadline.
Socket connect_to(const std::string& address, int port, std::chrono::steady_clock::time_point deadline);

/// What is sent between ranks beside tensors.
struct Message {
  enum Kind : std::uint32_t { hello, complete, beat, abort, verdict, goodbye, parted, stalled, welcome, kLast = welcome };
  Kind kind = beat;
  std::int32_t rank = 0;    ///< Whom it is about.
  std::uint64_t number = 0; ///< Calls begun.
  std::string text;         ///< At most kMaxText bytes are sent.
  static constexpr std::size_t kMaxText = 4000;
};

/// One connection, never waiting. Threads: one. Errors: none; a false says that the connection is of no use any more.
class Connection {
 public:
  explicit Connection(Socket socket);
  int fd() const { return socket_.fd(); }
  /// Adds the messages that have come. False: closed, broken, or what came is not ours.
  bool receive(std::vector<Message>& messages);
  /// False: the peer does not read.
  bool send(const Message& message);
  void finish_sending() noexcept;

 private:
  Socket socket_;
  std::string inbox_;
};

}  // namespace millrace::train

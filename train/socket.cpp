#include "train/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>

#include "pipeline/error.h"

namespace millrace::train {
namespace {

constexpr std::uint32_t kMagic = 0x314D524D;

/// In the host's order of bytes: all ranks run on x86-64.
struct Header {
  std::uint32_t magic, kind;
  std::int32_t rank;
  std::uint32_t length;
  std::uint64_t number;
};

std::string reason() { return std::strerror(errno); }

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

AddressList lookup(const std::string& host, int flags, const std::string& hint = {}) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  const int status = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (status)
    throw Error(ErrorKind::communication, "host '" + host + "' cannot be resolved: " + gai_strerror(status), hint);
  return {found, freeaddrinfo};
}

std::string numeric(const sockaddr* address, socklen_t length) {
  char text[NI_MAXHOST];
  return getnameinfo(address, length, text, sizeof text, nullptr, 0, NI_NUMERICHOST) ? std::string() : text;
}

struct Endpoint {
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Endpoint endpoint(const std::string& address, int port) {
  const AddressList list = lookup(address, AI_NUMERICHOST);
  Endpoint out;
  std::memcpy(&out.storage, list->ai_addr, list->ai_addrlen);
  out.length = list->ai_addrlen;
  const auto in_order = htons(static_cast<std::uint16_t>(port));
  if (list->ai_family == AF_INET6) reinterpret_cast<sockaddr_in6*>(&out.storage)->sin6_port = in_order;
  else reinterpret_cast<sockaddr_in*>(&out.storage)->sin_port = in_order;
  return out;
}

Socket make_socket(const Endpoint& end, int type) {
  Socket out(socket(end.get()->sa_family, type | SOCK_CLOEXEC, 0));
  if (!out) throw Error(ErrorKind::communication, "no socket can be had: " + reason());
  return out;
}

}  // namespace

void Socket::close() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

std::string resolve(const std::string& host, const std::string& hint) {
  const AddressList list = lookup(host, 0, hint);
  for (const addrinfo* at = list.get(); at; at = at->ai_next)
    if (at->ai_family == AF_INET) return numeric(at->ai_addr, at->ai_addrlen);
  return numeric(list->ai_addr, list->ai_addrlen);
}

bool is_loopback(const std::string& address) { return address.starts_with("127.") || address == "::1"; }

std::string own_address_towards(const std::string& address) {
  const Endpoint end = endpoint(address, 9); // Nothing is sent: connecting a datagram socket only looks up the route.
  const Socket probe = make_socket(end, SOCK_DGRAM);
  sockaddr_storage own{};
  socklen_t length = sizeof own;
  if (connect(probe.fd(), end.get(), end.length) || getsockname(probe.fd(), reinterpret_cast<sockaddr*>(&own), &length))
    throw Error(ErrorKind::communication, "there is no way from this host to " + address + ": " + reason(), "is MASTER_ADDR right?");
  return numeric(reinterpret_cast<sockaddr*>(&own), length);
}

namespace {

/// Name and address of each interface that is up and has an IPv4 address.
struct Interface {
  std::string name, address;
  bool loopback;
};
std::vector<Interface> interfaces() {
  std::vector<Interface> out;
  ifaddrs* first = nullptr;
  if (getifaddrs(&first)) return out;
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(first, freeifaddrs);
  for (const ifaddrs* at = first; at; at = at->ifa_next)
    if (at->ifa_addr && at->ifa_addr->sa_family == AF_INET && (at->ifa_flags & IFF_UP))
      out.push_back({at->ifa_name, numeric(at->ifa_addr, sizeof(sockaddr_in)), (at->ifa_flags & IFF_LOOPBACK) != 0});
  return out;
}

template <class Name>
std::string address_by(const Socket& socket, Name name) {
  sockaddr_storage found{};
  socklen_t length = sizeof found;
  if (name(socket.fd(), reinterpret_cast<sockaddr*>(&found), &length)) return {};
  return numeric(reinterpret_cast<sockaddr*>(&found), length);
}

}  // namespace

std::string address_of_interface(const std::string& names) {
  const std::vector<Interface> there = interfaces();
  std::istringstream list(names);
  for (std::string name; std::getline(list, name, ',');)
    for (const Interface& interface : there)
      if (interface.name == name) return interface.address;
  return {};
}

std::vector<std::string> addresses_of_host() {
  std::vector<std::string> out;
  for (const Interface& interface : interfaces())
    if (!interface.loopback) out.push_back(interface.address);
  return out;
}

std::string loopback_identity() {
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  std::string boot;
  in >> boot;
  char network[64] = {};
  const ssize_t length = readlink("/proc/self/ns/net", network, sizeof network - 1);
  return boot.empty() || length <= 0 ? "process:" + std::to_string(getpid()) : boot + "/" + network;
}

std::string own_address(const Socket& socket) { return address_by(socket, getsockname); }
std::string peer_address(const Socket& socket) { return address_by(socket, getpeername); }

Socket listen_at(const std::string& address, int port) {
  const Endpoint end = endpoint(address, port);
  Socket out = make_socket(end, SOCK_STREAM);
  const int on = 1;
  setsockopt(out.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); // Past connections in TIME_WAIT are no reason to fail.
  if (bind(out.fd(), end.get(), end.length) == 0 && listen(out.fd(), 256) == 0) return out;
  const std::string place = "port " + std::to_string(port) + " of " + address;
  if (errno == EADDRINUSE) throw Error(ErrorKind::communication, place + " is in use", "does another run go on? set MASTER_PORT to a free port");
  if (errno == EADDRNOTAVAIL)
    throw Error(ErrorKind::communication, address + " is not an address of this host", "MASTER_ADDR has to be the host of rank 0");
  throw Error(ErrorKind::communication, place + " cannot be listened at: " + reason());
}

int port_of(const Socket& socket) {
  sockaddr_storage own{};
  socklen_t length = sizeof own;
  if (getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&own), &length)) return 0;
  return ntohs(own.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&own)->sin6_port : reinterpret_cast<sockaddr_in*>(&own)->sin_port);
}

Socket connect_to(const std::string& address, int port, std::chrono::steady_clock::time_point deadline) {
  const Endpoint end = endpoint(address, port);
  for (;;) {
    Socket out = make_socket(end, SOCK_STREAM | SOCK_NONBLOCK);
    int status = connect(out.fd(), end.get(), end.length) ? errno : 0;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (status == EINPROGRESS) {
      pollfd wait{out.fd(), POLLOUT, 0};
      socklen_t length = sizeof status;
      status = ETIMEDOUT;
      if (poll(&wait, 1, left > 0 ? static_cast<int>(std::min<long>(left, 1 << 30)) : 0) == 1)
        getsockopt(out.fd(), SOL_SOCKET, SO_ERROR, &status, &length);
    }
    if (status == 0) return out;
    if (left <= 0)
      throw Error(ErrorKind::communication,
                  "nobody answers at " + address + " port " + std::to_string(port) + ": " + std::strerror(status), "has rank 0 started?");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

Connection::Connection(Socket socket) : socket_(std::move(socket)) {
  fcntl(fd(), F_SETFL, fcntl(fd(), F_GETFL) | O_NONBLOCK);
  const int on = 1;
  setsockopt(fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

bool Connection::receive(std::vector<Message>& messages) {
  bool open = true;
  char chunk[4096];
  for (;;) {
    const ssize_t got = recv(fd(), chunk, sizeof chunk, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (got <= 0) {
      open = false;
      break;
    }
    inbox_.append(chunk, static_cast<std::size_t>(got));
    if (inbox_.size() > (1 << 20)) break; // A flood is read in turns, so that the other ranks have theirs.
  }
  std::size_t at = 0;
  while (inbox_.size() - at >= sizeof(Header)) {
    Header header;
    std::memcpy(&header, inbox_.data() + at, sizeof header);
    if (header.magic != kMagic || header.kind > Message::kLast || header.length > Message::kMaxText) return false;
    if (inbox_.size() - at < sizeof header + header.length) break;
    messages.push_back({static_cast<Message::Kind>(header.kind), header.rank, header.number,
                        inbox_.substr(at + sizeof header, header.length)});
    at += sizeof header + header.length;
  }
  inbox_.erase(0, at);
  return open;
}

bool Connection::send(const Message& message) {
  const std::string text = message.text.substr(0, Message::kMaxText);
  const Header header{kMagic, message.kind, message.rank, static_cast<std::uint32_t>(text.size()), message.number};
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  bytes += text;
  const ssize_t sent = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent == static_cast<ssize_t>(bytes.size())) return true;
  // A full buffer drops a beat, and nothing else is sent often enough to fill one; half a message cannot be continued.
  return sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) && message.kind == Message::beat;
}

void Connection::finish_sending() noexcept { shutdown(fd(), SHUT_WR); }

}  // namespace millrace::train

#include "train/rendezvous.h"

#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <csignal>
#include <random>

namespace millrace::train {
namespace {

using Clock = std::chrono::steady_clock;
using StorePtr = c10::intrusive_ptr<c10d::Store>;

std::string place(const JoinOptions& o) { return o.host + " port " + std::to_string(o.port); }

Clock::time_point deadline(const JoinOptions& o) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(o.timeout_seconds));
}

/// A host that names itself by loopback (Debian's /etc/hosts) has to be reached from others all the same; one that is told
/// to use loopback is not.
std::string listening_address(const JoinOptions& o) {
  if (o.host == "localhost") return "127.0.0.1";
  const std::string address = resolve(o.host);
  return is_loopback(address) && address != o.host ? "0.0.0.0" : address;
}

StorePtr open_store(const JoinOptions& o) {
  c10::initLogging(); // TORCH_CPP_LOG_LEVEL counts from here on; Python's torch does this when it is imported.
  c10d::TCPStoreOptions options;
  options.isServer = o.rank == 0 && !o.store_is_there;
  options.waitWorkers = false; // It counts whoever connects; ranks are counted by the lifeline.
  // Longer than ours, so that what is late is named in our words.
  options.timeout = std::chrono::milliseconds(static_cast<long>(o.timeout_seconds * 2000) + 10'000);
  std::string host = o.host;
  if (options.isServer) {
    Socket listener = o.listen_fd >= 0 ? Socket(o.listen_fd) : listen_at(listening_address(o), o.port);
    options.port = static_cast<std::uint16_t>(port_of(listener));
    options.masterListenFd = listener.release(); // c10d's own would listen on every interface.
    if (o.listen_fd < 0 && listening_address(o) == "0.0.0.0") host = "127.0.0.1";
  } else {
    options.port = static_cast<std::uint16_t>(o.port);
    connect_to(resolve(o.host), o.port, deadline(o)); // Its own error would not say this in one line.
  }
  return within(o.timeout_seconds, nullptr, "what listens at " + place(o) + " is not the ranks' store: it does not answer",
                [host, options]() -> StorePtr { return c10::make_intrusive<c10d::TCPStore>(host, options); });
}

std::string get(const StorePtr& store, const std::string& key, const JoinOptions& o, const std::string& late) {
  return within(o.timeout_seconds, nullptr, late, [store, key] { return store->get_to_str(key); });
}

/// Rank 0 writes whose store it is. A launcher's store is shared by runs on purpose: their keys differ.
void check_owner(const StorePtr& store, const JoinOptions& o) {
  if (o.store_is_there) return;
  if (o.rank == 0) return store->set("millrace", "run " + o.run_id);
  const std::string owner = get(store, "millrace", o, "the store at " + place(o) + " is not Millrace's");
  if (owner != "run " + o.run_id)
    throw Error(ErrorKind::communication, "the store at " + place(o) + " is that of another run", "give each run a MASTER_PORT of its own");
}

/// This rank's address, as the others see it.
std::string choose_address(const StorePtr& store, const JoinOptions& o) {
  std::string mine = o.interface.empty() ? own_address_towards(resolve(o.host)) : address_of_interface(o.interface);
  if (mine.empty())
    throw Error(ErrorKind::communication, "there is no network interface '" + o.interface + "' with an IPv4 address", "see 'ip address'");
  store->set("address/" + std::to_string(o.rank), mine);
  bool spread = false;
  for (int rank = 0; rank < o.size; ++rank) {
    const std::string late = "rank " + std::to_string(rank) + " has not come to " + place(o) + " in time: was it started, with this address and port?";
    spread = spread || !is_loopback(get(store, "address/" + std::to_string(rank), o, late));
  }
  if (!spread || !is_loopback(mine)) return mine;
  const std::string routable = address_of_interface({});
  return routable.empty() ? mine : routable;
}

std::string random_token() {
  std::random_device random;
  std::string token;
  for (int i = 0; i < 4; ++i) token += std::to_string(random()) + ".";
  return token;
}

}  // namespace

void hold_back_broken_pipes() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

Rendezvous meet(const JoinOptions& o) {
  return communicating([&] {
    const StorePtr whole = open_store(o);
    check_owner(whole, o);
    const StorePtr store = c10::make_intrusive<c10d::PrefixStore>("millrace/" + o.run_id, whole);
    if (store->add("claim/" + std::to_string(o.rank), 1) != 1)
      throw Error(ErrorKind::communication, "two processes say that they are rank " + std::to_string(o.rank) + " of this run",
                  "was it started twice with the same address and port?");
    const std::string address = choose_address(store, o);

    Lifeline::Options life{o.rank, o.size, o.timeout_seconds, {}};
    Socket socket;
    if (o.rank == 0) {
      socket = listen_at(address, 0);
      life.token = random_token();
      store->set("lifeline", address + " " + std::to_string(port_of(socket)) + " " + life.token);
    } else {
      const std::string where = get(store, "lifeline", o, "rank 0 has not come in time");
      const auto first = where.find(' '), second = where.find(' ', first + 1);
      life.token = where.substr(second + 1);
      socket = connect_to(where.substr(0, first), std::stoi(where.substr(first + 1)), deadline(o));
    }
    auto lifeline = std::make_shared<Lifeline>(std::move(socket), life);
    lifeline->join();
    return Rendezvous{store, address, lifeline};
  });
}

}  // namespace millrace::train

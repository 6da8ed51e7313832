#include "train/rendezvous.h"

#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <csignal>
#include <random>
#include <sstream>

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
  const std::string address = resolve(o.host, o.host_hint);
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
    connect_to(resolve(o.host, o.host_hint), o.port, deadline(o)); // Its own error would not say this in one line.
  }
  return within(o.timeout_seconds, nullptr, "what listens at " + place(o) + " is not the ranks' store: it does not answer",
                [host, options]() -> StorePtr { return c10::make_intrusive<c10d::TCPStore>(host, options); });
}

/// Of the interface that the user has named.
std::string interface_address(const JoinOptions& o) {
  const std::string out = address_of_interface(o.interface);
  if (out.empty()) throw Error(ErrorKind::communication, "there is no network interface '" + o.interface + "' with an IPv4 address", "see 'ip address'");
  return out;
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

/// Where rank 0 can be met, in words for the store: what all have to know before they can talk. Whoever reads it may find that of an
/// earlier attempt, in a store that a launcher keeps: then nobody listens there, or nobody who knows the token.
struct Door {
  std::string token, loopback;
  int port = 0;
  std::vector<std::string> addresses; ///< All that lead to it, the likeliest first.
};

std::string words_of(const Door& door) {
  std::string out = door.token + " " + door.loopback + " " + std::to_string(door.port);
  for (const std::string& address : door.addresses) out += " " + address;
  return out;
}

Door door_from(const std::string& words) {
  Door out;
  std::istringstream in(words);
  in >> out.token >> out.loopback >> out.port;
  for (std::string address; in >> address;) out.addresses.push_back(address);
  return out;
}

/// Rank 0's addresses: which of them others can reach, only they can tell.
std::vector<std::string> addresses_to_try(const JoinOptions& o) {
  if (!o.interface.empty()) return {interface_address(o)};
  if (o.host == "localhost" || o.host.starts_with("127.")) return {"127.0.0.1"};
  std::vector<std::string> out;
  if (const std::string towards = own_address_towards(resolve(o.host, o.host_hint)); !is_loopback(towards)) out.push_back(towards);
  for (const std::string& address : addresses_of_host())
    if (std::ranges::find(out, address) == out.end()) out.push_back(address);
  if (out.empty()) out.push_back("127.0.0.1");
  return out;
}

std::string random_token() {
  std::random_device random;
  std::string token;
  for (int i = 0; i < 4; ++i) token += std::to_string(random()) + ".";
  return token;
}

/// Rank 0's end: it listens, says where, and waits for the others.
std::shared_ptr<Lifeline> open_door(const StorePtr& store, const JoinOptions& o, Lifeline::Options life) {
  Door door{random_token(), loopback_identity(), 0, addresses_to_try(o)};
  const bool several = door.addresses.size() > 1, v6 = std::ranges::any_of(door.addresses, [](const auto& a) { return a.find(':') != std::string::npos; });
  Socket socket = listen_at(several ? (v6 ? "::" : "0.0.0.0") : door.addresses[0], 0);
  if (several) door.addresses.insert(door.addresses.begin(), "127.0.0.1");
  door.port = port_of(socket);
  door.token += "of" + std::to_string(o.size);
  life.token = door.token;
  life.come_again = o.store_is_there;
  auto lifeline = std::make_shared<Lifeline>(std::move(socket), life);
  store->set("door", words_of(door));
  return lifeline;
}

/// What a rank knows once it has found rank 0.
struct Found {
  std::shared_ptr<Lifeline> lifeline;
  std::string token, own, peer; ///< Addresses of the connection, here and at rank 0.
};

/// Tries each address in turn, for so long; empty where none is rank 0's. `reason`: what the last one said.
Found knock(const Door& door, const JoinOptions& o, Lifeline::Options life, std::chrono::milliseconds patience, std::string& reason) {
  constexpr std::chrono::seconds kWelcome(5); // It has accepted the connection: a busy machine may take its time.
  life.token = door.token;
  for (const std::string& address : door.addresses) {
    if (is_loopback(address) && door.addresses.size() > 1 && door.loopback != loopback_identity()) continue;
    bool refused = false;
    try {
      Socket socket = connect_to(address, door.port, std::min(deadline(o), Clock::now() + patience));
      Found found{nullptr, door.token, own_address(socket), peer_address(socket)};
      found.lifeline = std::make_shared<Lifeline>(std::move(socket), life);
      refused = true; // By whoever answers there, if welcomed() throws.
      if (found.lifeline->welcomed(kWelcome)) return found;
      reason = "what listens at " + address + " port " + std::to_string(door.port) + " is not rank 0 of this run";
    } catch (const Error& e) {
      if (refused) throw;
      reason = e.what();
    }
  }
  return {};
}

/// Another rank's end. It goes on looking: what stands in a launcher's store may be what is left of an earlier attempt.
Found find_rank_zero(const StorePtr& store, const JoinOptions& o, const Lifeline::Options& life) {
  const auto until = deadline(o);
  std::string reason;
  for (std::chrono::milliseconds patience(250); Clock::now() < until; patience = std::min(2 * patience, std::chrono::milliseconds(4000))) {
    const Door door = door_from(get(store, "door", o, "rank 0 has not come to " + place(o) + " in time: was it started, with this address and port?"));
    try {
      if (!door.token.ends_with("of" + std::to_string(o.size)))
        throw Error(ErrorKind::communication, "rank 0 does not count " + std::to_string(o.size) + " ranks, as rank " + std::to_string(o.rank) + " does");
      if (Found found = knock(door, o, life, patience, reason); found.lifeline) {
        found.lifeline->join();
        return found;
      }
    } catch (const Error& e) {
      if (!o.store_is_there) throw;
      reason = e.what();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  throw Error(ErrorKind::communication, "rank 0 cannot be reached: " + reason,
              "GLOO_SOCKET_IFNAME names the network interface of each host that leads to the others");
}

/// This rank's address, as all others see it. Those of rank 0's host have met it by loopback: where others have not, its address is the
/// one that these have found.
std::string agreed_address(const StorePtr& store, const JoinOptions& o, const Found& found) {
  if (o.rank != 0) store->set("met/" + std::to_string(o.rank), found.own + " " + found.peer);
  if (!o.interface.empty()) return interface_address(o);
  if (o.rank != 0 && !is_loopback(found.own)) return found.own;
  for (int rank = 1; rank < o.size; ++rank) {
    const std::string met = get(store, "met/" + std::to_string(rank), o, "rank " + std::to_string(rank) + " does not say where it is");
    const auto space = met.find(' ');
    if (!is_loopback(met.substr(0, space))) return met.substr(space + 1);
  }
  return "127.0.0.1";
}

/// A store that closes says nothing of why.
template <class Work>
auto asking_store(const JoinOptions& o, Work&& work) {
  try {
    return work();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& e) {
    if (o.rank == 0 && !o.store_is_there) throw;
    throw Error(ErrorKind::communication, "the ranks' store at " + place(o) + " closed before all had met",
                o.store_is_there ? "its launcher has ended" : "rank 0 has ended: what it says is the cause");
  }
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
    return asking_store(o, [&] {
      const StorePtr whole = open_store(o);
      check_owner(whole, o);
      const StorePtr run = c10::make_intrusive<c10d::PrefixStore>("millrace/" + o.run_id, whole);
      const Lifeline::Options life{o.rank, o.size, o.timeout_seconds, {}};
      Found found;
      if (o.rank == 0) {
        found.lifeline = open_door(run, o, life);
        found.token = found.lifeline->token();
        found.lifeline->join();
      } else {
        found = find_rank_zero(run, o, life);
      }
      // Keys of this attempt alone.
      const StorePtr store = c10::make_intrusive<c10d::PrefixStore>(found.token, run);
      return Rendezvous{store, agreed_address(store, o, found), found.lifeline};
    });
  });
}

}  // namespace millrace::train

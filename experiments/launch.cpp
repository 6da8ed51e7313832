#include "experiments/launch.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "experiments/agreement.h"
#include "experiments/gpus.h"
#include "experiments/topology.h"
#include "pipeline/error.h"
#include "train/load.h"

namespace millrace {
namespace {

[[noreturn]] void bad(const std::string& what, const std::string& hint) { throw Error(ErrorKind::usage, what, hint); }

/// Variables of one launcher: read strictly, and all or none.
class Reader {
 public:
  Reader(const Variables& variables, std::string by) : variables_(variables), by_(std::move(by)) {}

  std::string text(const char* name) const {
    const std::string value = variables_(name);
    if (value.empty()) bad(by_ + ": " + name + " is not set, though other variables of the launch are", "unset them all to train on one rank alone");
    return value;
  }
  int number(const char* name, int low, int high) const { return parsed(name, text(name), low, high); }
  int number_or(const char* name, int otherwise, int low, int high) const {
    const std::string value = variables_(name);
    return value.empty() ? otherwise : parsed(name, value, low, high);
  }

 private:
  int parsed(const char* name, const std::string& value, int low, int high) const {
    int out = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
    if (error != std::errc() || end != value.data() + value.size() || out < low || out > high)
      bad(by_ + ": " + name + "=" + value.substr(0, 40) + " is not a number from " + std::to_string(low) + " to " + std::to_string(high),
          "was it set by hand?");
    return out;
  }
  const Variables& variables_;
  const std::string by_;
};

constexpr int kMostRanks = 65536;

/// Which of how many; `local` empty: not said.
void place(Launched& out, const Reader& reader, const char* rank, const char* size, const char* local) {
  out.join.size = reader.number(size, 1, kMostRanks);
  out.join.rank = reader.number(rank, 0, out.join.size - 1);
  out.join.local_rank = reader.number(local, 0, out.join.size - 1);
}

/// A port that ranks of one job agree on without asking one another.
int port_of_job(const std::string& job) {
  unsigned hash = 2166136261u; // FNV-1a.
  for (const char c : job) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return 20000 + static_cast<int>(hash % 10000);
}

Launched by_torch_variables(const Variables& variables) {
  Launched out;
  const std::string own = variables("MILLRACE_RUN_ID"), elastic = variables("TORCHELASTIC_RUN_ID");
  out.by = !own.empty() ? "--processes" : !elastic.empty() ? "torchrun" : "RANK and WORLD_SIZE";
  const Reader reader(variables, out.by);
  place(out, reader, "RANK", "WORLD_SIZE", "LOCAL_RANK");
  out.join.host = reader.text("MASTER_ADDR");
  out.join.port = reader.number("MASTER_PORT", 1, 65535);
  out.local_size = reader.number_or("LOCAL_WORLD_SIZE", 1, 1, kMostRanks);
  out.join.store_is_there = variables("TORCHELASTIC_USE_AGENT_STORE") == "True";
  out.join.run_id = !own.empty() ? own : elastic;
  out.node = variables("GROUP_RANK");
  out.join.listen_fd = reader.number_or("MILLRACE_LISTEN_FD", -1, 3, 1 << 20);
  return out;
}

Launched by_slurm(const Variables& variables) {
  Launched out;
  out.by = "srun";
  const Reader reader(variables, out.by);
  place(out, reader, "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID");
  out.local_size = std::atoi(variables("SLURM_STEP_TASKS_PER_NODE").c_str()); // "4" or "4(x2)"; uneven ones begin with the largest.
  if (out.local_size < 1) out.local_size = 1;
  out.node = variables("SLURM_NODEID");
  const std::string master = variables("MASTER_ADDR");
  const bool one_node = variables("SLURM_STEP_NUM_NODES") == "1"; // Its name need not be known to anybody.
  out.join.host = !master.empty() ? master : one_node ? "127.0.0.1" : first_host(reader.text("SLURM_STEP_NODELIST"));
  if (master.empty()) out.join.host_hint = "Slurm calls the step's first node so; MASTER_ADDR can say an address of it that all nodes reach";
  out.join.run_id = reader.text("SLURM_JOB_ID") + "." + variables("SLURM_STEP_ID");
  out.join.port = reader.number_or("MASTER_PORT", port_of_job(out.join.run_id), 1, 65535);
  return out;
}

/// mpirun tells where the ranks are only where all are on one host.
void mpi_rendezvous(Launched& out, const Variables& variables, const Reader& reader, const std::string& job) {
  const std::string master = variables("MASTER_ADDR");
  if (master.empty() && out.local_size != out.join.size)
    bad(out.by + ": ranks on several hosts need MASTER_ADDR, the host of rank 0", "mpirun -x MASTER_ADDR=<host> (MPICH: -genv MASTER_ADDR <host>)");
  out.join.host = master.empty() ? "127.0.0.1" : master;
  out.join.run_id = job;
  out.join.port = reader.number_or("MASTER_PORT", port_of_job(job), 1, 65535);
}

Launched by_open_mpi(const Variables& variables) {
  Launched out;
  out.by = "mpirun";
  const Reader reader(variables, out.by);
  place(out, reader, "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK");
  out.local_size = reader.number("OMPI_COMM_WORLD_LOCAL_SIZE", 1, out.join.size);
  const std::string space = variables("PMIX_NAMESPACE");
  mpi_rendezvous(out, variables, reader, space.empty() ? variables("OMPI_MCA_ess_base_jobid") : space);
  return out;
}

/// When a process began, in the kernel's ticks: with its number it is one process and no other. Empty: there is none.
std::string start_of(pid_t process) {
  std::ifstream in("/proc/" + std::to_string(process) + "/stat");
  std::string text;
  std::getline(in, text);
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream rest(text.substr(name_end + 1));
  std::string word;
  for (int field = 3; field <= 22; ++field) rest >> word;
  return word;
}

/// PMI's variables do not name the job. Its ranks of one host talk to one process manager, which is at the other end of PMI_FD; over
/// several hosts their port does.
std::string job_of_pmi(const Variables& variables, const Reader& reader) {
  const std::string port = variables("MASTER_PORT");
  if (!port.empty()) return "pmi port " + port;
  ucred manager{};
  socklen_t length = sizeof manager;
  const int descriptor = reader.number_or("PMI_FD", -1, 0, 1 << 20);
  if (variables("MASTER_ADDR").empty() && getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &manager, &length) == 0 && manager.pid > 0)
    return "pmi " + std::to_string(manager.pid) + "." + start_of(manager.pid);
  bad("mpirun (PMI): nothing says which job this is", "set MASTER_PORT to a port that no other job uses: mpirun -genv MASTER_PORT <port>");
}

Launched by_pmi(const Variables& variables) {
  Launched out;
  out.by = "mpirun (PMI)";
  const Reader reader(variables, out.by);
  place(out, reader, "PMI_RANK", "PMI_SIZE", variables("MPI_LOCALRANKID").empty() ? "PMI_LOCAL_RANK" : "MPI_LOCALRANKID");
  const bool intel = !variables("MPI_LOCALNRANKS").empty();
  out.local_size = reader.number(intel ? "MPI_LOCALNRANKS" : "PMI_LOCAL_SIZE", 1, out.join.size);
  mpi_rendezvous(out, variables, reader, job_of_pmi(variables, reader));
  return out;
}

}  // namespace

std::string environment_variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string first_host(const std::string& node_list) {
  const auto end = node_list.find_first_of("[,");
  if (end == std::string::npos || node_list[end] == ',') return node_list.substr(0, end);
  const std::string number = node_list.substr(end + 1, node_list.find_first_of("-,]", end) - end - 1);
  const auto close = node_list.find(']', end);
  return node_list.substr(0, end) + number + (close == std::string::npos ? "" : first_host(node_list.substr(close + 1)));
}

std::optional<Launched> launched_as(const Variables& variables) {
  const auto set = [&](const char* name) { return !variables(name).empty(); };
  // One of one is nobody's peer: notebooks, pods, batch steps and interactive shells have such variables, and often no others.
  for (const char* size : {"WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "PMI_SIZE"})
    if (set(size)) {
      if (variables(size) == "1") return std::nullopt;
      break;
    }
  std::optional<Launched> out;
  if (set("RANK") || set("WORLD_SIZE")) out = by_torch_variables(variables);
  else if (set("OMPI_COMM_WORLD_RANK") || set("OMPI_COMM_WORLD_SIZE")) out = by_open_mpi(variables);
  // MPICH's mpirun in an allocation starts its managers by srun, whose variables are not the ranks'.
  else if (set("MPI_LOCALRANKID") && set("PMI_RANK")) out = by_pmi(variables);
  // A shell within an allocation has Slurm's variables too, but no step.
  else if (set("SLURM_STEP_ID") && (set("SLURM_PROCID") || set("SLURM_STEP_NUM_TASKS"))) out = by_slurm(variables);
  else if (set("PMI_RANK") || set("PMI_SIZE")) out = by_pmi(variables);
  if (!out) return out;
  out->join.interface = variables("GLOO_SOCKET_IFNAME");
  out->join.host_id = variables("NCCL_HOSTID");
  out->alone = out->by == "srun" ? "srun -n 1, or without srun" : out->by.starts_with("mpirun") ? "without mpirun" : "unset RANK and WORLD_SIZE";
  return out;
}

std::string Launched::said() const {
  return by + " has started this process as rank " + std::to_string(join.rank) + " of " + std::to_string(join.size);
}

std::string unused_tasks(const Variables& variables) {
  const int tasks = std::atoi(variables("SLURM_NTASKS").c_str());
  if (tasks < 2 || !variables("SLURM_STEP_ID").empty()) return {};
  return "Slurm has given this job " + std::to_string(tasks) + " tasks, of which this is one, and the only rank: 'srun millrace train ...' starts all of them";
}

void require_open_files(int ranks) {
  const rlim_t needed = 48 + 4 * static_cast<rlim_t>(ranks);  // A store, a lifeline and two ways to each rank; files, libraries.
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) return;
  limit.rlim_cur = std::min(limit.rlim_max, needed);
  if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= needed) return;
  throw Error(ErrorKind::communication, "this process may open " + std::to_string(limit.rlim_cur) + " files; one of " + std::to_string(ranks) + " ranks needs about " + std::to_string(needed),
              "raise the limit: ulimit -n 1024");
}

Ranks joined_ranks(const Launched& launched, const Spec& spec, const Source& source) {
  const std::string ranks = std::to_string(launched.join.size);
  if (mode_of(spec.train) == Mode::dp || (spec.train.mode == Mode::single && launched.join.size > 1))
    bad("train.mode is not for several processes, but " + launched.by + " has started " + ranks, "use mode = \"ddp\"");
  if (spec.train.ranks > 1 && spec.train.ranks != launched.join.size)
    bad("train.ranks = " + std::to_string(spec.train.ranks) + ", but " + launched.by + " has started " + ranks + " processes, each one rank",
        "leave train.ranks out, or start as many");
  require_open_files(launched.join.size);
  const train::Api& api = train::load();
  const train::Versions versions = api.versions();
  const std::string& device = spec.train.options.device;
  const train::Gpus gpus = api.gpus();
  const bool computes = spec.train.options.model != "sleep";
  const bool gpu = computes && (device.starts_with("cuda") || (device == "auto" && gpus.why_none.empty()));
  train::JoinOptions options = launched.join;
  options.timeout_seconds = spec.train.peer_timeout;
  options.backend = gpu ? "nccl" : "gloo";
  options.why_backend = !computes ? "the sleep model takes none" : device == "auto" ? why_no_gpu(gpus, std::getenv("CUDA_VISIBLE_DEVICES")) : "train.device = \"" + device + "\"";
  // A launcher may show each rank its own GPUs alone (srun --gpus-per-task=1). Ranks that would share one are told by its name.
  options.device = gpu ? "cuda:" + std::to_string(launched.join.local_rank % std::max(1, gpus.count)) : "cpu";
  Ranks out{.worlds = {api.join_world(options)}};
  std::vector<Place> places;
  for (const std::string& words : out.worlds[0]->all_gather(to_words(place_here(launched.node))))
    places.push_back(place_from(words, static_cast<int>(places.size())));
  const Topology topology = topology_of(places, launched.join.rank);
  out.nodes = topology.nodes;
  out.on_machine = topology.on_machine;
  out.on_cores = topology.on_cores;
  if (gpu) out.device = options.device;
  Facts facts = facts_of(spec, source, versions);
  agree(*out.worlds[0], facts);
  return out;
}

std::string rank_prefix() {
  try {
    const auto launched = launched_as(environment_variable);
    if (launched && launched->join.size > 1) return "rank " + std::to_string(launched->join.rank) + ": ";
  } catch (const std::exception&) { // It is what is being reported.
  }
  return {};
}

const RankEnd* first_cause(const std::vector<RankEnd>& ends) {
  const auto weight = [](const RankEnd& e) {
    if (WIFSIGNALED(e.status)) return 3;
    const int code = WEXITSTATUS(e.status);
    return code == 0 ? 0 : code == exit_code(ErrorKind::communication) ? 1 : 2;
  };
  const RankEnd* cause = nullptr;
  for (const RankEnd& end : ends)
    if (weight(end) > (cause ? weight(*cause) : 0)) cause = &end;
  return cause;
}

}  // namespace millrace

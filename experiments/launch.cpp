#include "experiments/launch.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "experiments/agreement.h"
#include "experiments/gpus.h"
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
  // A restarted group finds the store with the keys of the one before.
  out.join.run_id = !own.empty() ? own : elastic.empty() ? "" : elastic + "." + variables("TORCHELASTIC_RESTART_COUNT");
  out.join.listen_fd = reader.number_or("MILLRACE_LISTEN_FD", -1, 3, 1 << 20);
  return out;
}

Launched by_slurm(const Variables& variables) {
  Launched out;
  out.by = "srun";
  const Reader reader(variables, out.by);
  place(out, reader, "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID");
  const std::string master = variables("MASTER_ADDR");
  out.join.host = master.empty() ? first_host(reader.text("SLURM_STEP_NODELIST")) : master;
  out.join.run_id = reader.text("SLURM_JOB_ID") + "." + variables("SLURM_STEP_ID");
  out.join.port = reader.number_or("MASTER_PORT", port_of_job(out.join.run_id), 1, 65535);
  out.local_size = std::atoi(variables("SLURM_STEP_TASKS_PER_NODE").c_str()); // "4" or "4(x2)"; uneven ones begin with the largest.
  if (out.local_size < 1) out.local_size = 1;
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

Launched by_pmi(const Variables& variables) {
  Launched out;
  out.by = "mpirun (PMI)";
  const Reader reader(variables, out.by);
  place(out, reader, "PMI_RANK", "PMI_SIZE", variables("MPI_LOCALRANKID").empty() ? "PMI_LOCAL_RANK" : "MPI_LOCALRANKID");
  const bool intel = !variables("MPI_LOCALNRANKS").empty();
  out.local_size = reader.number(intel ? "MPI_LOCALNRANKS" : "PMI_LOCAL_SIZE", 1, out.join.size);
  mpi_rendezvous(out, variables, reader, variables("PMI_ID") + "pmi");
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
  std::optional<Launched> out;
  if (set("RANK") || set("WORLD_SIZE")) out = by_torch_variables(variables);
  else if (set("OMPI_COMM_WORLD_RANK") || set("OMPI_COMM_WORLD_SIZE")) out = by_open_mpi(variables);
  // A shell within an allocation has Slurm's variables too, but no step.
  else if (set("SLURM_STEP_ID") && (set("SLURM_PROCID") || set("SLURM_STEP_NUM_TASKS"))) out = by_slurm(variables);
  else if (set("PMI_RANK") || set("PMI_SIZE")) out = by_pmi(variables);
  if (!out) return out;
  out->join.interface = variables("GLOO_SOCKET_IFNAME");
  out->join.host_id = variables("NCCL_HOSTID");
  // A batch step or an interactive shell of one task is no launch of ranks.
  if (out->join.size == 1 && out->by == "srun") return std::nullopt;
  return out;
}

Ranks joined_ranks(const Launched& launched, const Spec& spec, const Source& source, const Host& host) {
  const std::string ranks = std::to_string(launched.join.size);
  if (mode_of(spec.train) == Mode::dp || (spec.train.mode == Mode::single && launched.join.size > 1))
    bad("train.mode is not for several processes, but " + launched.by + " has started " + ranks, "use mode = \"ddp\"");
  if (spec.train.ranks > 1 && spec.train.ranks != launched.join.size)
    bad("train.ranks = " + std::to_string(spec.train.ranks) + ", but " + launched.by + " has started " + ranks + " processes, each one rank",
        "leave train.ranks out, or start as many");
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
  Ranks out{.worlds = {api.join_world(options)}, .nodes = std::max(1, launched.join.size / launched.local_size)};
  // Launchers that bind ranks to cores have dealt them out already.
  const bool bound = host.cores_visible * launched.local_size <= static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  if (gpu) out.device = options.device;
  out.on_host = bound ? 1 : launched.local_size;
  Facts facts = facts_of(spec, source, versions);
  // Each has counted the hosts by what its launcher says of its own.
  facts.emplace_back("the global batch", std::to_string(global_batch(spec.data, out.shape())));
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

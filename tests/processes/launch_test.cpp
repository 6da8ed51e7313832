// What launchers' variables mean, and whose end explains the others'. The launchers themselves: launchers_test.cpp, program_test.cpp.
#include "experiments/launch.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>

#include "experiments/gpus.h"
#include "pipeline/error.h"

namespace millrace {
namespace {

using testing::HasSubstr;
using Table = std::map<std::string, std::string>;

Variables from(const Table& table) {
  return [table](const char* name) {
    const auto found = table.find(name);
    return found == table.end() ? std::string() : found->second;
  };
}

std::string refusal(const Table& table) {
  try {
    launched_as(from(table));
  } catch (const Error& e) {
    return e.kind() == ErrorKind::usage ? e.what() : "wrong kind";
  }
  return "none";
}

const Table kTorchrun{{"RANK", "3"},           {"WORLD_SIZE", "4"},      {"LOCAL_RANK", "1"},          {"LOCAL_WORLD_SIZE", "2"}, {"MASTER_ADDR", "node-0"},
                      {"MASTER_PORT", "29500"}, {"TORCHELASTIC_RUN_ID", "job"}, {"TORCHELASTIC_RESTART_COUNT", "2"}, {"TORCHELASTIC_USE_AGENT_STORE", "True"}};

Table without(Table table, const std::string& name) {
  table.erase(name);
  return table;
}
Table with(Table table, const std::string& name, const std::string& value) {
  table[name] = value;
  return table;
}

TEST(Launched, NobodyIsTheOnlyRank) { EXPECT_FALSE(launched_as(from({}))); }

TEST(Launched, TorchrunSaysEverything) {
  const auto l = launched_as(from(kTorchrun));
  ASSERT_TRUE(l);
  EXPECT_EQ(l->by, "torchrun");
  EXPECT_EQ(l->join.rank, 3);
  EXPECT_EQ(l->join.size, 4);
  EXPECT_EQ(l->join.local_rank, 1);
  EXPECT_EQ(l->local_size, 2);
  EXPECT_EQ(l->join.host, "node-0");
  EXPECT_EQ(l->join.port, 29500);
  EXPECT_TRUE(l->join.store_is_there);
  EXPECT_EQ(l->join.run_id, "job") << "agents count restarts each for itself";
}

TEST(Launched, SlurmsStepGivesHostAndPort) {
  const auto l = launched_as(from({{"SLURM_JOB_ID", "77"}, {"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "2"}, {"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_LOCALID", "0"},
                                   {"SLURM_STEP_NODELIST", "gpu[07-08]"}, {"SLURM_STEP_TASKS_PER_NODE", "2(x2)"}}));
  ASSERT_TRUE(l);
  EXPECT_EQ(l->by, "srun");
  EXPECT_EQ(l->join.rank, 2);
  EXPECT_EQ(l->join.host, "gpu07");
  EXPECT_EQ(l->local_size, 2);
  EXPECT_EQ(l->join.run_id, "77.0");
  EXPECT_GE(l->join.port, 20000);
  EXPECT_FALSE(l->join.store_is_there);
}

TEST(Launched, ABatchScriptOrAShellOfOneTaskIsNoLaunch) {
  EXPECT_FALSE(launched_as(from({{"SLURM_JOB_ID", "77"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}})));
  EXPECT_FALSE(launched_as(from({{"SLURM_JOB_ID", "77"}, {"SLURM_STEP_ID", "1"}, {"SLURM_PROCID", "0"}, {"SLURM_STEP_NUM_TASKS", "1"}, {"SLURM_LOCALID", "0"},
                                 {"SLURM_STEP_NODELIST", "gpu07"}})));
}

const Table kMpirun{{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "2"}, {"OMPI_COMM_WORLD_LOCAL_RANK", "1"}, {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}, {"PMIX_NAMESPACE", "12345"}};

TEST(Launched, MpirunOnOneHostNeedsNothingElse) {
  const auto l = launched_as(from(kMpirun));
  ASSERT_TRUE(l);
  EXPECT_EQ(l->by, "mpirun");
  EXPECT_EQ(l->join.rank, 1);
  EXPECT_EQ(l->join.host, "127.0.0.1");
  EXPECT_EQ(l->join.port, launched_as(from(with(kMpirun, "OMPI_COMM_WORLD_RANK", "0")))->join.port);
  EXPECT_NE(l->join.port, launched_as(from(with(kMpirun, "PMIX_NAMESPACE", "12346")))->join.port);
}

TEST(Launched, MpirunOverHostsNeedsTheHostOfRankZero) {
  const Table spread = with(kMpirun, "OMPI_COMM_WORLD_LOCAL_SIZE", "1");
  EXPECT_THAT(refusal(spread), HasSubstr("need MASTER_ADDR"));
  EXPECT_EQ(launched_as(from(with(spread, "MASTER_ADDR", "node-0")))->join.host, "node-0");
}

/// MPICH's: its variables do not name the job, the process at the other end of PMI_FD does.
TEST(Launched, PmiIsReadAndItsJobIsAskedFor) {
  int manager[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, manager), 0);
  const Table table{{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}, {"MPI_LOCALRANKID", "1"}, {"MPI_LOCALNRANKS", "2"}, {"PMI_FD", std::to_string(manager[1])}};
  const auto l = launched_as(from(table));
  ASSERT_TRUE(l);
  EXPECT_EQ(l->join.rank, 1);
  EXPECT_EQ(l->join.local_rank, 1);
  EXPECT_THAT(l->join.run_id, HasSubstr(std::to_string(getpid()) + "."));
  EXPECT_EQ(launched_as(from(with(table, "PMI_RANK", "0")))->join.port, l->join.port);
  EXPECT_EQ(launched_as(from(with(table, "MASTER_PORT", "4711")))->join.port, 4711);
  close(manager[0]);
  close(manager[1]);
}

TEST(Launched, AJobThatNothingNamesIsRefused) {
  EXPECT_THAT(refusal({{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}, {"MPI_LOCALRANKID", "1"}, {"MPI_LOCALNRANKS", "2"}}), HasSubstr("nothing says which job this is"));
}

/// The name need not be known to anybody.
TEST(Launched, SlurmsOnlyNodeIsThisHost) {
  const auto l = launched_as(from({{"SLURM_JOB_ID", "77"}, {"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "1"}, {"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_LOCALID", "1"},
                                   {"SLURM_STEP_NODELIST", "nowhere"}, {"SLURM_STEP_NUM_NODES", "1"}, {"SLURM_STEP_TASKS_PER_NODE", "2"}}));
  EXPECT_EQ(l->join.host, "127.0.0.1");
}

TEST(Launched, HalfSetVariablesAreNamed) {
  for (const char* name : {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"})
    EXPECT_THAT(refusal(without(kTorchrun, name)), HasSubstr(std::string("torchrun: ") + name + " is not set"));
  EXPECT_THAT(refusal({{"WORLD_SIZE", "2"}}), HasSubstr("RANK is not set"));
  EXPECT_THAT(refusal(without(kMpirun, "OMPI_COMM_WORLD_SIZE")), HasSubstr("OMPI_COMM_WORLD_SIZE is not set"));
}

TEST(Launched, NumbersAreReadStrictly) {
  for (const char* value : {"4", "-1", "x", "1x", " 1", "99999999999", "1.0"})
    EXPECT_THAT(refusal(with(kTorchrun, "RANK", value)), HasSubstr(std::string("RANK=") + value + " is not a number from 0 to 3"));
  EXPECT_THAT(refusal(with(kTorchrun, "MASTER_PORT", "65536")), HasSubstr("MASTER_PORT=65536"));
  EXPECT_THAT(refusal(with(kTorchrun, "WORLD_SIZE", "0")), HasSubstr("WORLD_SIZE=0"));
}

Spec ranks_of(const std::string& device, int ranks, const std::string& model = "lenet") {
  Spec spec;
  spec.train.ranks = ranks;
  spec.train.options.device = device;
  spec.train.options.model = model;
  return spec;
}

TEST(Gpus, RanksThatCanHaveOneEachAreProcesses) {
  const train::Gpus four{4, ""}, none{0, "there is no NVIDIA driver here"};
  EXPECT_TRUE(each_has_a_gpu(ranks_of("auto", 4), four));
  EXPECT_TRUE(each_has_a_gpu(ranks_of("cuda", 2), four));
  EXPECT_FALSE(each_has_a_gpu(ranks_of("auto", 5), four)) << "threads that share them";
  EXPECT_FALSE(each_has_a_gpu(ranks_of("auto", 2), none));
  EXPECT_FALSE(each_has_a_gpu(ranks_of("cuda:1", 2), four)) << "all on that one";
  EXPECT_FALSE(each_has_a_gpu(ranks_of("cpu", 2), four));
  EXPECT_FALSE(each_has_a_gpu(ranks_of("auto", 2, "sleep"), four));
  EXPECT_FALSE(each_has_a_gpu(ranks_of("auto", 1), four));
  Spec replicas = ranks_of("cuda", 2);
  replicas.train.mode = Mode::dp;
  EXPECT_FALSE(each_has_a_gpu(replicas, four));
}

TEST(Gpus, WhatHidesThemIsNamed) {
  const train::Gpus hidden{0, "NVIDIA's driver shows no GPU"};
  EXPECT_EQ(why_no_gpu(hidden, nullptr), "NVIDIA's driver shows no GPU");
  EXPECT_EQ(why_no_gpu(hidden, ""), "NVIDIA's driver shows no GPU (CUDA_VISIBLE_DEVICES is '')");
  EXPECT_EQ(why_no_gpu(hidden, "MIG-1a2b"), "NVIDIA's driver shows no GPU (CUDA_VISIBLE_DEVICES is 'MIG-1a2b')");
  EXPECT_EQ(why_no_gpu({1, ""}, "0"), "");
}

TEST(Gpus, NcclNeverWritesAmongTheResultsNorCutsALogShort) {
  EXPECT_EQ(nccl_debug_file(S_IFCHR), "/dev/stderr");
  EXPECT_EQ(nccl_debug_file(S_IFIFO), "/dev/stderr");
  EXPECT_EQ(nccl_debug_file(S_IFREG), "nccl.%h.%p.log");
  EXPECT_EQ(nccl_debug_file(S_IFSOCK), "nccl.%h.%p.log");
}

TEST(FirstHost, ReadsSlurmsLists) {
  EXPECT_EQ(first_host("gpu07"), "gpu07");
  EXPECT_EQ(first_host("gpu07,gpu08"), "gpu07");
  EXPECT_EQ(first_host("gpu[07-09,12],login"), "gpu07");
  EXPECT_EQ(first_host("rack[3]-node[1-2]"), "rack3-node1");
  EXPECT_EQ(first_host("n[5,7].cluster"), "n5.cluster");
  EXPECT_EQ(first_host("broken[1-"), "broken1");
  EXPECT_EQ(first_host(""), "");
}

constexpr int exited(int code) { return code << 8; }

TEST(FirstCause, IsWhatExplainsTheOthers) {
  EXPECT_EQ(first_cause({{0, exited(0)}, {1, exited(0)}}), nullptr);
  const std::vector<RankEnd> killed{{0, exited(5)}, {2, exited(5)}, {1, SIGKILL}};
  EXPECT_EQ(first_cause(killed)->rank, 1);
  const std::vector<RankEnd> data{{0, exited(5)}, {1, exited(3)}};
  EXPECT_EQ(first_cause(data)->rank, 1);
  const std::vector<RankEnd> links{{1, exited(5)}, {0, exited(5)}};
  EXPECT_EQ(first_cause(links)->rank, 1);
}

}  // namespace
}  // namespace millrace
